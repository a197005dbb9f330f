"""What can go wrong, in two families: the caller's mistakes and the store's troubles.

Every error is one sentence for a person, and carries the exit code (of sysexits.h) with which a command ends on it.
"""

import os


class TeamsupError(Exception):
    """Anything that teamsup reports as one clear sentence."""

    exit_code = 1


class CallerError(TeamsupError):
    """The request cannot be served as it was made; trying again changes nothing."""

    exit_code = os.EX_USAGE


class UnknownTeam(CallerError):
    """There is no team of that name."""

    exit_code = os.EX_NOINPUT


class InvalidName(CallerError):
    """A team or agent name that does not match the rule for names."""


class InvalidMessage(CallerError):
    """Content, metadata, priority or expiry that no message can have."""

    exit_code = os.EX_DATAERR


class InvalidValue(CallerError):
    """An argument that is not text, not a number or not an object of the hub where it must be."""

    exit_code = os.EX_DATAERR


class InvalidDuration(CallerError):
    """A number of seconds that no lease, delay or expiry can have."""

    exit_code = os.EX_DATAERR


class UnknownRecipient(CallerError):
    """Nobody of that name has ever taken part in the team."""

    exit_code = os.EX_NOUSER


class UnknownMessage(CallerError):
    """No message has that message_id."""

    exit_code = os.EX_NOUSER


class MessageConflict(CallerError):
    """The message_id is taken by a message that says something else."""

    exit_code = os.EX_DATAERR


class StaleLease(CallerError):
    """The delivery is no longer this reader's: its lease ended, or somebody ended the delivery."""

    exit_code = os.EX_TEMPFAIL


class ReplyLoop(CallerError):
    """Two agents have answered each other too often without a person or a daemon in between."""

    exit_code = os.EX_NOPERM


class RateLimited(CallerError):
    """A model has sent too much in a short time; it may go on soon."""

    exit_code = os.EX_TEMPFAIL


class NotConfigured(CallerError):
    """Something only a person can supply is missing or wrong: starting again cannot help."""

    exit_code = os.EX_CONFIG


class ComponentTooNew(NotConfigured):
    """A newer version of one component has made its tables here: only that component must be updated."""


class OptionalNotConfigured(NotConfigured):
    """An optional part of the team that nobody has configured: all is well without it."""


class UnsafeFile(NotConfigured):
    """Another user owns a file of the team, or may write it: no configuration says so, and a chmod ends it."""

    exit_code = os.EX_NOPERM


class StoreError(TeamsupError):
    """The database could not do its part; nothing of the request was stored."""

    exit_code = os.EX_IOERR


class StoreBusy(StoreError):
    """Another program held the database for longer than we wait."""

    exit_code = os.EX_UNAVAILABLE


class StoreFull(StoreError):
    """The disk is full."""


class StoreReadOnly(StoreError):
    """The database or its folder cannot be written."""


class StoreUnavailable(StoreError):
    """The team's folder is not there at present."""

    exit_code = os.EX_UNAVAILABLE


class StoreReplaced(StoreError):
    """Another file has the name of the database, beside the log of the one before."""


class StoreCorrupt(StoreError):
    """The file is no SQLite database, or a damaged one."""


class SchemaTooNew(StoreError):
    """A newer teamsup has written this database, perhaps since this program has opened it; trying again cannot help."""

    exit_code = os.EX_PROTOCOL
