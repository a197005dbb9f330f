"""One SQLite connection that threads may share, with retries, transactions, and errors as sentences."""

import math
import os
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ...errors import StoreError
from ..engine import MAX_TRANSACTION_SECONDS, Durability, TransactionHook, Values
from ..signal_safety import signal_safe
from . import database_file
from .component_migration import migrate_component, read_component_version
from .connection import begin_immediate, open_reader, open_writer, run_query
from .disk_flush import DiskFlush
from .foreign_values import limit_counters
from .store_errors import FIRST_RETRY_SECONDS, RETRY_SECONDS, as_store_error, retry_busy

if TYPE_CHECKING:
    from ..component_tables import ComponentTables
    from .foreign_writes import FileWatch

T = TypeVar("T")

_MAX_WAL_BYTES = 8 * 2**20
_CHECKPOINT_TRIES = 20
_CHECKPOINT_EVERY_COMMITS = 4


class Store:
    """The team's database.

    A commit survives the death of the process. It survives a power loss once flush() has returned. Every sqlite3 error
    becomes a StoreError, and its transaction is undone.
    """

    has_cheap_looks = True

    def __init__(self, path: Path, durability: Durability = "full", run: Path | None = None) -> None:
        """Open the database, or create it. ``run`` is the folder that records which database was opened last."""
        self.path = path
        self.name = str(path)
        self._run = run
        self._is_durable = durability == "full"
        self._commits = 0
        self._disk = DiskFlush(path, lambda: self._commits)
        self._wal_limit = _MAX_WAL_BYTES
        self._write_lock = threading.RLock()
        self._writer_thread: int | None = None
        self._depth = 0
        self._deadline = math.inf
        self._generation = 0
        self._is_broken = False
        self.own_tables: ComponentTables | None = None
        """The tables of the component that this program belongs to."""
        # Reads have their own connection, so that a reader never waits for a writer of this process.
        self._read_lock = threading.Lock()
        self._db, self._reader, self._files = self._open_all()

    def close(self) -> None:
        with self._write_lock, self._read_lock:
            self._reader.close()
            self._db.close()

    def is_in_transaction(self) -> bool:
        """Return whether this thread is inside a transaction."""
        return self._writer_thread == threading.get_ident()

    def read(self, sql: str, parameters: Values = ()) -> list[sqlite3.Row]:
        """Return all rows of one query. Inside a transaction of this thread they include its changes."""
        if self.is_in_transaction():
            self._check_deadline()
            return self._retry_busy(lambda: self._db.execute(sql, parameters).fetchall())
        self._reopen_if_replaced()
        with self._read_lock:
            return self._retry_busy(lambda: run_query(self._reader, sql, parameters))

    def read_on_writer(self, sql: str, parameters: Values) -> list[sqlite3.Row]:
        """Return all rows of a short query that decides whether a transaction is useful.

        If the writer's connection is free, the query runs there. Then the transaction does not have to read the same
        pages again.
        """
        if self.is_in_transaction():
            return self.read(sql, parameters)
        found = None
        try:
            if self._write_lock.acquire(blocking=False):
                self._reopen_if_replaced()
                found = self._retry_busy(lambda: run_query(self._db, sql, parameters, is_hint=True))
        finally:
            # A signal may strike before we know the result of acquire(); release() refuses a lock that is not ours.
            try:  # noqa: SIM105 - suppress() would be one more place for a signal
                self._write_lock.release()
            except RuntimeError:
                pass
        return self.read(sql, parameters) if found is None else found

    def data_version(self) -> int:
        """Return a number that changes when another connection commits."""
        return self._generation << 32 | int(self.read("PRAGMA data_version")[0][0])

    def _reopen_if_replaced(self) -> None:
        """Open the file that now has the database's name. Raise StoreUnavailable, or StoreReplaced for a wrong file."""
        if database_file.find_inode(self.name) == self._files.database and not self._is_broken:
            return
        with self._write_lock, self._read_lock:
            database_file.check_open(self.path, self._files, database_file.find_files(self.path))
            before = self._db, self._reader
            self._db, self._reader, self._files = self._open_all()
            self._is_broken = False
            self._generation += 1
            for connection in before:
                with suppress(sqlite3.Error):
                    connection.close()

    def overwrite(self, source: sqlite3.Connection, pages: int, step: Callable[[int, int, int], None]) -> None:
        """Replace the whole content with that of another database, in one transaction that others see as one commit.

        ``step`` is called after each batch of pages, with SQLite's result, the remaining pages, and all pages.
        """
        with self._write_lock:
            self._reopen_if_replaced()
            self._roll_back()
            try:
                source.backup(self._db, pages=pages, progress=step, sleep=RETRY_SECONDS)
            except sqlite3.Error as error:
                raise as_store_error(self.name, error) from error
            self._commits += 1

    def migrate_component(self, tables: "ComponentTables") -> None:
        """Migrate the tables of a component to its version. Raise UnusableComponent and StoreError."""
        with self._write_lock:
            self._reopen_if_replaced()
            self._retry_busy(lambda: migrate_component(self._db, tables, self._run))

    def use_component(self, tables: "ComponentTables") -> None:
        """Use the component's tables too. After another program has migrated them to a newer version, refuse further
        transactions.
        """
        self.migrate_component(tables)
        self.own_tables = tables

    def vacuum(self, pages: int) -> bool:
        """Give up to ``pages`` free pages back to the file system. Return whether there were any.

        Do nothing inside a transaction.
        """
        before = self.read("PRAGMA freelist_count")[0][0]
        with self._write_lock:
            if not self.is_in_transaction():
                # execute() would run only one step of this statement, which frees one page.
                self._retry_busy(lambda: self._db.executescript(f"PRAGMA incremental_vacuum({pages})"))
        return bool(self.read("PRAGMA freelist_count")[0][0] < before)

    def truncate_wal(self) -> bool:
        """Move the WAL's content into the database and empty the WAL. Return False if a reader still needs it."""
        with self._write_lock:
            rows = self._retry_busy(lambda: self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall())
        return not rows[0]["busy"]

    @signal_safe
    def transaction(self) -> Generator[sqlite3.Connection, None, None]:
        """Store all changes inside together, or none of them. An inner transaction is part of the outer one.

        Raise StoreError if the transaction took longer than LONGEST_SECONDS. This is checked when an inner transaction
        begins or ends, at a read, and at the commit.
        """
        yield from self.transact()

    def transact(
        self,
        on_begin: TransactionHook = lambda _: None,
        on_end: TransactionHook = lambda _: None,
        longest: float | None = None,
        busy_seconds: float = 0.0,
        *,
        shared: bool = False,  # noqa: ARG002 - SQLite's writers take turns
    ) -> Generator[sqlite3.Connection, None, None]:
        """Do the same as transaction(), as a generator, with the first and last actions of an outermost transaction.

        ``longest`` in seconds replaces MAX_TRANSACTION_SECONDS. ``busy_seconds`` is the time to wait while another
        program holds the database, if it is longer than usual.
        """
        with self._write_lock:
            try:
                yield from (
                    self._run_inner()
                    if self.is_in_transaction()
                    else self._run_outermost(on_begin, on_end, longest, busy_seconds)
                )
            except sqlite3.Error as error:
                raise as_store_error(self.name, error) from error

    def _run_outermost(
        self, on_begin: TransactionHook, on_end: TransactionHook, longest: float | None, busy_seconds: float
    ) -> Generator[sqlite3.Connection, None, None]:
        self._reopen_if_replaced()
        try:
            self._roll_back()
            retry_busy(self.name, self._begin, busy_seconds)
            self._deadline = time.monotonic() + (MAX_TRANSACTION_SECONDS if longest is None else longest)
            self._writer_thread = threading.get_ident()
            on_begin(self._db)
            yield self._db
            self._check_deadline()
            on_end(self._db)
            self._db.execute("COMMIT")
            self._commits += 1
        finally:
            self._writer_thread = None
            self._depth = 0
            self._roll_back()

    def _run_inner(self) -> Generator[sqlite3.Connection, None, None]:
        self._check_deadline()
        depth = self._depth
        name = f"inner{depth}"
        try:
            self._depth = depth + 1
            self._db.execute(f"SAVEPOINT {name}")
            yield self._db
            self._check_deadline()
            self._db.execute(f"RELEASE {name}")
        except BaseException:
            # After some errors (disk full, I/O) SQLite has undone everything by itself.
            if self._db.in_transaction:
                self._roll_back_to(name)
            raise
        finally:
            self._depth = depth

    def tidy_up(self) -> None:
        """Check the length of the WAL once in a number of commits, and truncate a long WAL.

        SQLite's own checkpoint after 4 MiB needs a moment without readers. Busy processes may not leave one for
        minutes.
        """
        if self._commits % _CHECKPOINT_EVERY_COMMITS:
            return
        try:
            size = os.stat(f"{self.name}-wal").st_size
        except OSError:
            return
        if size <= self._wal_limit:
            return
        self._wal_limit = size + _MAX_WAL_BYTES // 8
        # Pages that cannot be moved now, perhaps because of a full disk, are equally safe in the WAL.
        with suppress(StoreError):
            for _ in range(_CHECKPOINT_TRIES):
                if self.truncate_wal():
                    self._wal_limit = _MAX_WAL_BYTES
                    return
                time.sleep(random.uniform(0, FIRST_RETRY_SECONDS[0]))  # noqa: S311

    correct_values = staticmethod(limit_counters)

    def newest_id(self) -> int:
        """Return the largest ``id`` so far. All later ids are above it, because writers take turns."""
        return int(self.read("SELECT coalesce(max(id), 0) FROM messages")[0][0])

    def ring_elsewhere(self, agents: Iterable[str]) -> None:
        """Do nothing, because all programs of the team are on this host."""

    def watch_foreign_writes(self) -> "FileWatch":
        from .foreign_writes import FileWatch  # only one process watches

        return FileWatch(self.path)

    def flush(self) -> None:
        """Flush every commit so far to the disk, unless durability is "normal"."""
        if self._is_durable:
            self._disk.flush()

    def _roll_back_to(self, name: str) -> None:
        try:
            self._db.execute(f"ROLLBACK TO {name}")
            self._db.execute(f"RELEASE {name}")
        except sqlite3.Error as error:
            # There is no such savepoint if a signal came before it was made, or after it was released.
            if "no such savepoint" not in str(error):
                self._roll_back()

    def _begin(self) -> None:
        try:
            begin_immediate(self._db)
            if self.own_tables is not None:
                read_component_version(self._db, self.own_tables)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_BUSY_SNAPSHOT:
                # A cursor that was not read to its end keeps this connection at an old state.
                self._reopen()
            raise

    def _check_deadline(self) -> None:
        if not self._db.in_transaction:
            raise StoreError(f"{self.path}: an earlier error has undone this whole transaction.")
        if time.monotonic() > self._deadline:
            raise StoreError(
                f"{self.path}: this transaction took longer than {MAX_TRANSACTION_SECONDS:.0f} s and was undone. "
                "Do slow work before it begins."
            )

    def _roll_back(self) -> None:
        """Undo the open transaction."""
        try:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
        except sqlite3.Error:
            # After a failed write a connection may refuse every statement.
            self._reopen()

    def _reopen(self) -> None:
        """Replace the writer's connection. If that fails now, the next call does it."""
        self._is_broken = True
        # Close the old connection first, because it may hold the lock.
        with suppress(sqlite3.Error):
            self._db.close()
        with suppress(StoreError):
            self._db = self._retry_busy(lambda: open_writer(self.path, self._run))
            self._is_broken = False

    def _open_all(self) -> tuple[sqlite3.Connection, sqlite3.Connection, database_file.DatabaseFiles]:
        """Open the writer's and the reader's connection. Raise StoreReplaced."""
        known = None if self._run is None else database_file.read_record(self._run)
        if known is not None:
            database_file.check_log(self.path, known, database_file.find_files(self.path))
        db = self._retry_busy(lambda: open_writer(self.path, self._run))
        try:
            reader = self._retry_busy(lambda: open_reader(self.path))
            found = database_file.find_files(self.path)
        except BaseException:
            db.close()
            raise
        if self._run is not None and found != known:
            database_file.write_record(self._run, found)
        return db, reader, found

    def _retry_busy(self, action: Callable[[], T]) -> T:
        return retry_busy(self.name, action)
