"""All errors, in two families: mistakes of the caller, and failures of the store.

Every error is one sentence for a person. A command that fails with an error exits with the error's ExitCode.
"""

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit codes of commands; docs/commands.md has the same table. The codes from 64 on follow sysexits.h."""

    DONE = 0
    """The command is done, and everything that it has checked is in order."""
    NOT_RUNNING = 3
    """The team, or the part of it that the command is about, does not run."""
    UNWELL = 4
    """Something has a fault, is unknown, or needs a person."""
    USAGE = 64
    """The command cannot be understood, or it needs a confirmation."""
    BAD_DATA = 65
    """A given text, value or file is not valid."""
    NO_TEAM = 66
    """There is no such team, project or log."""
    UNKNOWN = 67
    """The name or number is unknown."""
    UNAVAILABLE = 69
    """The agent or worker is away, has not answered in time, or has refused; or another program holds the hub."""
    INTERNAL = 70
    """An error of teamsup itself, or of a worker."""
    STORE_FAILED = 74
    """The disk or the hub failed. Nothing was stored."""
    NOT_NOW = 75
    """The present state does not permit it: the subject already runs, has already ended, or is in use."""
    OUTDATED = 76
    """A newer teamsup has changed the hub. Start this program again, or update it."""
    NOT_ALLOWED = 77
    """This user or agent is not permitted to do that."""
    NOT_CONFIGURED = 78
    """A setting is missing or wrong."""
    INTERRUPTED = 130
    """Ctrl-C has ended the command."""
    NO_READER = 141
    """The reader of the command's output has ended."""


class TeamsupError(Exception):
    """An error that teamsup reports as one clear sentence."""

    exit_code: int = ExitCode.INTERNAL


class CallerError(TeamsupError):
    """The request is wrong. A retry cannot help."""

    exit_code: int = ExitCode.USAGE


class InvalidName(CallerError):
    """A team or agent name that does not match the rule for names."""


class InvalidMessage(CallerError):
    """The content, metadata, priority or expiry is not allowed in a message."""

    exit_code = ExitCode.BAD_DATA


class InvalidValue(CallerError):
    """An argument has the wrong type: it must be a text, a number or an object of the hub."""

    exit_code = ExitCode.BAD_DATA


class InvalidDuration(CallerError):
    """The number of seconds is not allowed for a lease, delay or expiry."""

    exit_code = ExitCode.BAD_DATA


class UnknownRecipient(CallerError):
    """No agent of this name has ever taken part in the team."""

    exit_code = ExitCode.UNKNOWN


class UnknownTeam(CallerError):
    """There is no team of this name."""

    exit_code = ExitCode.NO_TEAM


class NoAnswer(CallerError):
    """The question is stored, but no answer arrived in time."""

    exit_code = ExitCode.UNAVAILABLE


class UnknownMessage(CallerError):
    """No message has this message_id."""

    exit_code = ExitCode.UNKNOWN


class MessageConflict(CallerError):
    """Another message with other content has this message_id."""

    exit_code = ExitCode.BAD_DATA


class StaleLease(CallerError):
    """The reader no longer holds the delivery: its lease ended, or another program ended the delivery."""

    exit_code = ExitCode.NOT_NOW


class ReplyLoop(CallerError):
    """Two agents have answered each other too often without a person or a daemon in between."""

    exit_code = ExitCode.NOT_ALLOWED


class RateLimited(CallerError):
    """A model has sent too many messages in a short time; it may continue soon."""

    exit_code = ExitCode.NOT_NOW


class NotConfigured(CallerError):
    """A setting that only a person can supply is missing or wrong. Another start cannot help."""

    exit_code = ExitCode.NOT_CONFIGURED


class UnusableComponent(NotConfigured):
    """The tables of one component cannot be made or used. Only this component is held."""


class ComponentTooNew(UnusableComponent):
    """A newer version of one component has migrated its tables. Only this component must be updated."""


class OptionalNotConfigured(NotConfigured):
    """An optional part of the team is not configured, which is not a fault."""


class UnsafeFile(NotConfigured):
    """Another user owns a file of the team, or may write it. A chmod or chown corrects that."""

    exit_code = ExitCode.NOT_ALLOWED


class StoreError(TeamsupError):
    """The database failed; nothing of the request was stored."""

    exit_code = ExitCode.STORE_FAILED


class StoreBusy(StoreError):
    """Another program held the database for longer than this program waits."""

    exit_code = ExitCode.UNAVAILABLE


class StoreFull(StoreError):
    """The disk is full."""


class StoreReadOnly(StoreError):
    """The database or its folder cannot be written."""


class StoreUnavailable(StoreError):
    """The team's folder is missing at present."""

    exit_code = ExitCode.UNAVAILABLE


class StoreReplaced(StoreError):
    """Another file has replaced the database, and the log of the former database is still there."""


class StoreCorrupt(StoreError):
    """The file is not a SQLite database, or it is damaged."""


class SchemaTooNew(StoreError):
    """A newer teamsup has migrated this database, perhaps after this program opened it. A retry cannot help."""

    exit_code = ExitCode.OUTDATED


class StoreUnreachable(StoreBusy):
    """The server of the database could not be reached within the waiting time."""


class StoreInterrupted(StoreError):
    """The server has ended this transaction. Nothing of it was stored, and it may succeed now."""


class StoreUncertain(StoreError):
    """The connection was lost before the server confirmed the change, so it may be stored or not."""


class RoleLost(StoreError):
    """This process has lost the right to run its worker's role. Another host may have started that worker."""

    exit_code = ExitCode.NOT_NOW
