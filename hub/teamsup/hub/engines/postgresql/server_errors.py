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

_CLASSES: dict[str, tuple[type[StoreError], str]] = {
    "53100": (StoreFull, "cannot grow: the disk of the server is full"),
    "25006": (StoreReadOnly, "cannot be written: the server only reads, perhaps as a standby"),
    "55P03": (StoreBusy, "is held by another program"),
    "53300": (StoreUnreachable, "has no connection left"),
    "57014": (StoreUnreachable, "has cancelled a statement that took too long"),
    "57P03": (StoreUnreachable, "is starting or stopping"),
    "57P01": (StoreInterrupted, "has ended the connection"),
    "57P02": (StoreInterrupted, "has ended the connection"),
    "40001": (StoreInterrupted, "could not order two transactions"),
    "40P01": (StoreInterrupted, "has ended a deadlock"),
    "23505": (StoreInterrupted, "got the same row twice at once"),
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
    if is_lost(error):
        return StoreInterrupted(f"{name} does not answer: {words}.")
    return StoreError(f"{name} failed: {words}.")


def describe_error(error: Exception) -> str:
    """Return the error text of the server, or that of libpq without its advice, for the end of a sentence."""
    words = re.sub(r"^(?:connection is bad|connection failed): ", "", " ".join(str(error).split()))
    return words.partition(" Is the server running")[0][:MAX_QUOTED_CHARACTERS].rstrip(".") or "the connection was lost"


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
