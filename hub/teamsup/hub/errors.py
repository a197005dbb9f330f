"""All errors, in two families: mistakes of the caller, and failures of the store.

Every error is one sentence for a person. It carries an exit code from sysexits.h.
A command that fails with the error exits with that code.
"""

import os


class TeamsupError(Exception):
    """An error that teamsup reports as one clear sentence."""

    exit_code = 1


class CallerError(TeamsupError):
    """The request is wrong; a retry changes nothing."""

    exit_code = os.EX_USAGE


class InvalidName(CallerError):
    """A team or agent name that does not match the rule for names."""


class InvalidMessage(CallerError):
    """The content, metadata, priority or expiry is not allowed in a message."""

    exit_code = os.EX_DATAERR


class InvalidValue(CallerError):
    """An argument has the wrong type: it must be a text, a number or an object of the hub."""

    exit_code = os.EX_DATAERR


class InvalidDuration(CallerError):
    """The number of seconds is not allowed for a lease, delay or expiry."""

    exit_code = os.EX_DATAERR


class UnknownRecipient(CallerError):
    """No agent of that name has ever taken part in the team."""

    exit_code = os.EX_NOUSER


class UnknownMessage(CallerError):
    """No message has that message_id."""

    exit_code = os.EX_NOUSER


class MessageConflict(CallerError):
    """Another message with other content has this message_id."""

    exit_code = os.EX_DATAERR


class StaleLease(CallerError):
    """The reader no longer holds the delivery: its lease ended, or another program ended the delivery."""

    exit_code = os.EX_TEMPFAIL


class ReplyLoop(CallerError):
    """Two agents have answered each other too often without a person or a daemon in between."""

    exit_code = os.EX_NOPERM


class RateLimited(CallerError):
    """A model has sent too many messages in a short time; it may continue soon."""

    exit_code = os.EX_TEMPFAIL


class NotConfigured(CallerError):
    """A setting that only a person can supply is missing or wrong. Another start cannot help."""

    exit_code = os.EX_CONFIG


class UnusableComponent(NotConfigured):
    """The tables of one component cannot be made or used. Only that component is held."""


class ComponentTooNew(UnusableComponent):
    """A newer version of one component has migrated its tables. Only that component must be updated."""


class OptionalNotConfigured(NotConfigured):
    """An optional part of the team is not configured, which is not a fault."""


class UnsafeFile(NotConfigured):
    """Another user owns a file of the team, or may write it. A chmod or chown corrects that."""

    exit_code = os.EX_NOPERM


class StoreError(TeamsupError):
    """The database failed; nothing of the request was stored."""

    exit_code = os.EX_IOERR


class StoreBusy(StoreError):
    """Another program held the database for longer than we wait."""

    exit_code = os.EX_UNAVAILABLE


class StoreFull(StoreError):
    """The disk is full."""


class StoreReadOnly(StoreError):
    """The database or its folder cannot be written."""


class StoreUnavailable(StoreError):
    """The team's folder is missing at present."""

    exit_code = os.EX_UNAVAILABLE


class StoreReplaced(StoreError):
    """Another file has replaced the database, and the log of the former database is still there."""


class StoreCorrupt(StoreError):
    """The file is not a SQLite database, or it is damaged."""


class SchemaTooNew(StoreError):
    """A newer teamsup has migrated this database, perhaps after this program opened it. A retry cannot help."""

    exit_code = os.EX_PROTOCOL


class StoreUnreachable(StoreBusy):
    """The server of the database could not be reached for as long as we wait."""


class StoreInterrupted(StoreError):
    """The server has ended this transaction. Nothing of it was stored, and it may succeed now."""


class StoreUncertain(StoreError):
    """The connection was lost before the server confirmed the change, so it may be stored or not."""
