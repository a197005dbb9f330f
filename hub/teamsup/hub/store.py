"""One SQLite connection that many threads may share: retries, transactions, errors in words."""

import functools
import itertools
import os
import random
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Literal, TypeVar

from .errors import StoreBusy, StoreCorrupt, StoreError, StoreFull, StoreReadOnly
from .migration import migrate

T = TypeVar("T")
Durability = Literal["full", "normal"]

_BUSY_SECONDS = 10.0
_FIRST_PAUSES = (0.0001,) * 4
_PAUSE = 0.001
# A message changes some ten pages, a few bytes of each, and every changed page is written whole: 1 KiB instead of
# SQLite's 4 carries a quarter more messages a second.
_PAGE_BYTES = 1024
_CHECKPOINT_BYTES = 4 * 2**20
_LOG_BYTES = 8 * 2**20
_TRIM_TRIES = 20
_TRIM_EVERY = 4
_ERRORS: dict[int, tuple[type[StoreError], str]] = {
    sqlite3.SQLITE_BUSY: (StoreBusy, "is held by another program"),
    sqlite3.SQLITE_LOCKED: (StoreBusy, "is held by another program"),
    sqlite3.SQLITE_FULL: (StoreFull, "cannot grow: the disk is full"),
    sqlite3.SQLITE_READONLY: (StoreReadOnly, "cannot be written"),
    sqlite3.SQLITE_CANTOPEN: (StoreReadOnly, "cannot be opened"),
    sqlite3.SQLITE_CORRUPT: (StoreCorrupt, "is damaged; restore a backup"),
    sqlite3.SQLITE_NOTADB: (StoreCorrupt, "is not a SQLite database"),
}


class Store:
    """The team's database.

    A commit survives the death of the process; it survives a power loss once flush() has returned. Every sqlite3 error
    becomes a StoreError whose transaction left nothing behind.
    """

    def __init__(self, path: Path, durability: Durability = "full") -> None:
        self.path = path
        self._name = str(path)
        self._flushes = durability == "full"
        self._flushing = threading.Lock()
        self._committed = 0
        self._flushed = 0
        self._lost = 0
        self._longest_log = _LOG_BYTES
        self._writing = threading.RLock()
        self._writer_thread: int | None = None
        self._depth = 0
        self._undone = False
        self._generation = 0
        self._db = self._translate(self._connect)
        self._file = self._identity()
        # Reads have a connection of their own, so that whoever only looks never waits for a writer of this process.
        self._reading = threading.Lock()
        self._reader = self._translate(self._open)

    def close(self) -> None:
        with self._writing, self._reading:
            self._reader.close()
            self._db.close()

    def is_writing(self) -> bool:
        """Whether this thread is inside of a transaction."""
        return self._writer_thread == threading.get_ident()

    def read(self, sql: str, parameters: tuple[Any, ...] | dict[str, Any] = ()) -> list[sqlite3.Row]:
        """All rows of one query; inside a transaction of this thread as that has changed them."""
        if self.is_writing():
            return self._translate(lambda: self._db.execute(sql, parameters).fetchall())
        self._follow_file()
        with self._reading:
            return self._translate(lambda: self._reader.execute(sql, parameters).fetchall())

    def look(self, sql: str, parameters: dict[str, Any]) -> list[sqlite3.Row]:
        """The same for a query that is over at once. Where the writer's connection is free it is asked there, so that a
        transaction that follows need not read the same pages again."""
        if self._depth or not self._writing.acquire(blocking=False):
            return self.read(sql, parameters)
        try:
            self._follow_file()
            return self._translate(lambda: self._db.execute(sql, parameters).fetchall())
        finally:
            self._writing.release()

    def data_version(self) -> int:
        """A number that changes when another connection has committed."""
        return self._generation << 32 | int(self.read("PRAGMA data_version")[0][0])

    def _identity(self) -> tuple[int, int] | None:
        """Which file has our name now. Looked up with stat alone: opening it here would drop SQLite's locks."""
        try:
            found = os.stat(self._name)
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _follow_file(self) -> None:
        """When somebody has removed or replaced the file, what we hold is nobody's any more: go on with the new one."""
        if self._file == self._identity():
            return
        with self._writing, self._reading:
            self._reader.close()
            self._db.close()
            self._db = self._translate(self._connect)
            self._reader = self._translate(self._open)
            self._file = self._identity()
            self._generation += 1

    def copy_to(self, target: sqlite3.Connection) -> None:
        """Copy all of it as it is at this moment; writers go on. Raises sqlite3.Error."""
        with closing(sqlite3.connect(self.path, timeout=_BUSY_SECONDS)) as source:
            source.backup(target)

    def vacuum(self, pages: int) -> bool:
        """Give up to so many free pages back to the file system; whether there were any to give.

        Not inside of a transaction, where it gives none.
        """
        before = self.read("PRAGMA freelist_count")[0][0]
        with self._writing:
            if not self._depth:
                # execute() would take one step of this statement, which is one page.
                self._translate(lambda: self._db.executescript(f"PRAGMA incremental_vacuum({pages})"))
        return bool(self.read("PRAGMA freelist_count")[0][0] < before)

    def empty_wal(self) -> bool:
        """Move the WAL's content into the database and cut it to nothing; False when a reader needs it at present."""
        with self._writing:
            rows = self._translate(lambda: self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall())
        return not rows[0]["busy"]

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Everything inside is stored together, or nothing of it; an inner transaction is part of the outer one."""
        with self._writing:
            outermost = not self._depth
            try:
                self._begin()
                try:
                    yield self._db
                    self._commit()
                except BaseException:
                    self._roll_back()
                    raise
                finally:
                    self._depth -= 1
            except sqlite3.Error as error:
                raise self._in_words(error) from error
            finally:
                if outermost:
                    self._writer_thread = None
                    self._undone = False

    def trim_log(self) -> None:
        """Empty the WAL when it has grown too long, which is looked at once in so many commits.

        SQLite's own checkpoint after 4 MiB can begin the WAL anew only in a moment without readers, which two
        busy processes may not leave it for minutes.
        """
        if self._committed % _TRIM_EVERY:
            return
        try:
            size = os.stat(f"{self._name}-wal").st_size
        except OSError:
            return
        if size <= self._longest_log:
            return
        self._longest_log = size + _LOG_BYTES // 8
        # What cannot be moved now, for want of space perhaps, stands in the WAL as safely.
        with suppress(StoreError):
            for _ in range(_TRIM_TRIES):
                if self.empty_wal():
                    self._longest_log = _LOG_BYTES
                    return
                time.sleep(random.uniform(0, _FIRST_PAUSES[0]))  # noqa: S311

    def flush(self) -> None:
        """Bring every commit so far onto the disk, unless durability is "normal".

        This is what synchronous=FULL does inside of a commit. Outside, readers need not wait for the disk, and threads
        that have committed meanwhile share one fsync.
        """
        if not self._flushes:
            return
        # On the core that it was woken on, a reader would have to wait until the disk is under way.
        if sys.platform == "linux":
            os.sched_yield()
        mine = self._committed
        with self._flushing:
            if self._flushed < mine:
                covered = self._committed
                try:
                    _fsync(f"{self._name}-wal")
                except OSError as error:
                    # The kernel reports a lost write once; the next fsync would succeed without it.
                    self._lost = covered
                    raise StoreError(f"{self.path} was written, but not onto the disk: {error.strerror}.") from error
                self._flushed = covered
            if mine <= self._lost:
                raise StoreError(f"{self.path} was written, but may not be on the disk.")

    def _begin(self) -> None:
        if self._depth:
            self._refuse_if_undone()
            self._db.execute(f"SAVEPOINT inner{self._depth + 1}")
        else:
            self._follow_file()
            # A deferred transaction that reads first would fail when it turns to writing.
            self._translate(lambda: self._db.execute("BEGIN IMMEDIATE"))
            self._writer_thread = threading.get_ident()
        self._depth += 1

    def _commit(self) -> None:
        self._refuse_if_undone()
        if self._depth > 1:
            self._db.execute(f"RELEASE inner{self._depth}")
        else:
            self._db.execute("COMMIT")
            self._committed += 1

    def _refuse_if_undone(self) -> None:
        if self._undone:
            raise StoreError(f"{self.path}: an earlier error has undone this whole transaction.")

    def _roll_back(self) -> None:
        try:
            if self._depth > 1:
                # After some errors (disk full, I/O) SQLite has undone everything by itself.
                self._undone = not self._db.in_transaction
            if self._depth > 1 and not self._undone:
                self._db.execute(f"ROLLBACK TO inner{self._depth}")
                self._db.execute(f"RELEASE inner{self._depth}")
            elif self._db.in_transaction:
                self._db.execute("ROLLBACK")
        except sqlite3.Error:
            # A failed write can leave a connection that refuses everything.
            self._db.close()
            self._db = self._translate(self._connect)

    def _connect(self) -> sqlite3.Connection:
        """The writer's connection, on a database of our schema."""
        # Only a file nobody can have open yet is touched as a file: closing a descriptor on an open database would
        # drop SQLite's locks in this process.
        with suppress(FileExistsError):
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        db = self._open()
        try:
            if not db.execute("PRAGMA page_count").fetchone()[0]:
                db.execute(f"PRAGMA page_size={_PAGE_BYTES}")
                db.execute("PRAGMA auto_vacuum=INCREMENTAL")
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=NORMAL")
            (page_bytes,) = db.execute("PRAGMA page_size").fetchone()
            db.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT_BYTES // page_bytes}")
            migrate(db)
        except BaseException:
            db.close()
            raise
        return db

    def _open(self) -> sqlite3.Connection:
        db = sqlite3.connect(
            self._name, timeout=0, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        db.row_factory = sqlite3.Row
        # What a foreign program stored as text need not be text; it must not close the mailbox for what comes behind.
        db.text_factory = functools.partial(str, encoding="utf-8", errors="replace")
        return db

    def _translate(self, action: Callable[[], T]) -> T:
        """Run an action that leaves nothing behind when it fails, again and again while the database is busy.

        SQLite's own busy handler sleeps in fixed steps, which starves a writer for seconds; a short random pause
        does not.
        """
        deadline = time.monotonic() + _BUSY_SECONDS
        pauses = itertools.chain(_FIRST_PAUSES, itertools.repeat(_PAUSE))
        while True:
            try:
                return action()
            except (sqlite3.Error, OSError) as error:
                busy = _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
                if not busy or time.monotonic() > deadline:
                    raise self._in_words(error) from error
            longest = next(pauses)
            time.sleep(random.uniform(longest / 4, longest))  # noqa: S311

    def _in_words(self, error: sqlite3.Error | OSError) -> StoreError:
        kind, words = _ERRORS.get(_code(error), (StoreError, f"failed: {error}"))
        return kind(f"{self.path} {words}.")


def _fsync(path: str) -> None:
    """Bring a file onto the disk. SQLite holds no lock on a WAL, so opening and closing one harms nobody."""
    file = os.open(path, os.O_RDWR)
    try:
        if sys.platform == "darwin":
            import fcntl

            fcntl.fcntl(file, fcntl.F_FULLFSYNC)
        else:
            os.fdatasync(file)
    finally:
        os.close(file)


def _code(error: sqlite3.Error | OSError) -> int:
    """SQLite's primary error code; -1 for errors of Python's own."""
    code = getattr(error, "sqlite_errorcode", None)
    return -1 if code is None else int(code) & 0xFF
