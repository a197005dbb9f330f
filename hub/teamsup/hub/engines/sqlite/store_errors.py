"""Turn errors of SQLite and the system into StoreErrors with a sentence, and retry while the database is busy."""

import errno
import itertools
import math
import os
import random
import sqlite3
import stat
import time
from collections.abc import Callable
from typing import TypeVar

from ...errors import InvalidValue, StoreBusy, StoreCorrupt, StoreError, StoreFull, StoreReadOnly
from ...validation import MAX_QUOTED_CHARACTERS
from ..engine import BUSY_SECONDS, log_waiting

T = TypeVar("T")

FIRST_RETRY_SECONDS = (0.0001,) * 4
RETRY_SECONDS = 0.001
_ERRORS: dict[int, tuple[type[StoreError], str]] = {
    sqlite3.SQLITE_BUSY: (StoreBusy, "is held by another program"),
    sqlite3.SQLITE_LOCKED: (StoreBusy, "is held by another program"),
    sqlite3.SQLITE_FULL: (StoreFull, "cannot grow: the disk is full"),
    sqlite3.SQLITE_READONLY: (StoreReadOnly, "cannot be written"),
    sqlite3.SQLITE_CANTOPEN: (StoreReadOnly, "cannot be opened"),
    sqlite3.SQLITE_CORRUPT: (StoreCorrupt, "is damaged; restore a backup"),
    sqlite3.SQLITE_NOTADB: (StoreCorrupt, "is not a SQLite database"),
}


def retry_busy(name: str, action: Callable[[], T], busy_seconds: float = 0.0) -> T:
    """Run an action, and repeat it while the database is busy. A failed action must not leave changes behind.

    It ends after ``busy_seconds``, but not before BUSY_SECONDS, and logs a longer wait once. SQLite's own busy handler
    sleeps in fixed steps, which can starve a writer for seconds. A short random pause avoids that.
    """
    now = time.monotonic()
    usual, deadline = now + BUSY_SECONDS, now + max(BUSY_SECONDS, busy_seconds)
    pauses = itertools.chain(FIRST_RETRY_SECONDS, itertools.repeat(RETRY_SECONDS))
    while True:
        try:
            return action()
        except (UnicodeError, OverflowError) as error:
            raise InvalidValue(f"A value cannot be stored: {error}.") from error
        except (sqlite3.Error, OSError) as error:
            busy = _primary_code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
            if not busy or time.monotonic() > deadline:
                raise as_store_error(name, error) from error
            if time.monotonic() > usual:
                usual = math.inf
                log_waiting(as_store_error(name, error))
        longest = next(pauses)
        time.sleep(random.uniform(longest / 4, longest))  # noqa: S311


def as_store_error(name: str, error: sqlite3.Error | OSError) -> StoreError | InvalidValue:
    """Return the StoreError for an error of the database of this name."""
    if "binding parameter" in str(error):
        return InvalidValue(f"A value cannot be stored: {error}.")
    if isinstance(error, OSError):
        return StoreError(f"{name} cannot be opened: {error.strerror}.")
    code = _primary_code(error)
    kind, words = _ERRORS.get(code, (StoreError, f"failed: {str(error)[:MAX_QUOTED_CHARACTERS]}"))
    why = f": {_find_obstacle(name)}" if code == sqlite3.SQLITE_CANTOPEN else ""
    return kind(f"{name} {words}{why}.")


def _find_obstacle(name: str) -> str:
    """Return the reason why a database cannot be opened. SQLite itself does not report it."""
    try:
        if stat.S_ISDIR(os.stat(name).st_mode):
            return os.strerror(errno.EISDIR)
        if not os.access(name, os.R_OK | os.W_OK):
            return os.strerror(errno.EACCES)
        os.close(os.open(os.devnull, os.O_RDONLY))  # never open the database itself: that would drop locks
    except OSError as error:
        return error.strerror or str(error)
    return "its folder or its log cannot be used"


def _primary_code(error: sqlite3.Error | OSError) -> int:
    """Return SQLite's primary error code; -1 for errors of Python."""
    code = getattr(error, "sqlite_errorcode", None)
    return -1 if code is None else int(code) & 0xFF
