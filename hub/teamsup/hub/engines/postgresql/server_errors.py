"""Turn errors of psycopg and the server into StoreErrors with a sentence."""

import re

import psycopg
from psycopg import errors

from ...errors import (
    InvalidValue,
    StoreBusy,
    StoreError,
    StoreFull,
    StoreInterrupted,
    StoreReadOnly,
    StoreUnreachable,
)
from ...validation import MAX_QUOTED_CHARACTERS

POOLER_IN_BETWEEN = (
    "a transaction pooler is in between, which drops locks, settings and notifications. Use its session mode, or the "
    "server itself"
)
_ADVICE_ABOUT_CONNECTIONS = "Raise max_connections there, or end programs that hold connections"
_CLASSES: dict[str, tuple[type[StoreError], str]] = {
    "53100": (StoreFull, "cannot grow: the disk of the server is full. Free some space there"),
    "25006": (
        StoreReadOnly,
        "cannot be written: the server only reads. If it is a standby, use the address of the writable server",
    ),
    "55P03": (StoreBusy, "is held by another program"),
    "53300": (StoreUnreachable, f"has no connection left. {_ADVICE_ABOUT_CONNECTIONS}"),
    "57014": (StoreUnreachable, "has cancelled a statement that took too long"),
    "57P03": (StoreUnreachable, "is starting or stopping"),
    "57P01": (StoreInterrupted, "has ended the connection"),
    "57P02": (StoreInterrupted, "has ended the connection"),
    "40001": (StoreInterrupted, "could not order two transactions"),
    "40P01": (StoreInterrupted, "has ended a deadlock"),
    "23505": (StoreInterrupted, "got the same row twice at once"),
    "42P05": (StoreError, f"got the same statement twice: {POOLER_IN_BETWEEN}"),
    "26000": (StoreError, f"has lost a statement: {POOLER_IN_BETWEEN}"),
    "53200": (StoreError, "has no memory left for the locks of such a large transaction"),
    "25P03": (StoreError, "has undone a transaction that waited for longer than 10 s"),
    "25P04": (StoreError, "has undone a transaction that took longer than 10 s"),
    "0A000": (StoreInterrupted, "has changed its tables"),
}
_REFUSED = ("28", "3D", "42501")
"""The codes of refusals about login, database and privileges. A retry cannot help."""


def as_store_error(name: str, error: psycopg.Error) -> StoreError | InvalidValue:
    """Return the error for the store of this name."""
    code = error.sqlstate or ""
    words = describe_error(error)
    if isinstance(error, psycopg.DataError) or code.startswith("22"):
        return InvalidValue(f"A value cannot be stored: {words}.")
    if code.startswith(_REFUSED):
        return StoreError(f"{name} refuses this program: {words}.")
    if code in _CLASSES:
        kind, why = _CLASSES[code]
        return kind(f"{name} {why}.")
    if is_refusal(error):
        return StoreError(f"{name} refuses this program: {words}. Correct its address, user or password.")
    if is_lost(error):
        return StoreInterrupted(f"{name} does not answer: {words}.")
    return StoreError(f"{name} failed: {words}.")


def read_only_error(name: str, *, is_standby: bool) -> StoreReadOnly:
    """Return the error for a server that can be read and only reads."""
    why = "is a standby, and only reads. Use the address of the writable server, or promote this one"
    if not is_standby:
        why = "only reads, because default_transaction_read_only is on. Switch that setting off"
    return StoreReadOnly(f"{name} cannot be written: the server {why}.")


def describe_error(error: Exception) -> str:
    """Return the error text of the server, or that of libpq without its advice, for the end of a sentence."""
    words = re.sub(r"^(?:connection is bad|connection failed): ", "", " ".join(str(error).split()))
    words = (
        words.partition(" Is the server running")[0][:MAX_QUOTED_CHARACTERS].rstrip(".") or "the connection was lost"
    )
    return f"{words}. {_ADVICE_ABOUT_CONNECTIONS}" if "too many c" in words else words


def is_lost(error: psycopg.Error) -> bool:
    """Return whether the connection is lost."""
    if error.sqlstate is None:
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return isinstance(error, errors.AdminShutdown | errors.CrashShutdown | errors.IdleInTransactionSessionTimeout)


def is_refusal(error: psycopg.Error) -> bool:
    """Return whether later attempts to connect would fail too. The server reports this only as text, without a code."""
    text = str(error)
    return any(
        words in text
        for words in ("authentication failed", "no password supplied", "does not exist", "no pg_hba.conf entry")
    )
