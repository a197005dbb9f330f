"""A team's database on a PostgreSQL server, for all hosts of the team.

Transactions read what is committed, and take locks: one for each conversation, and one of the team. A single verb
shares that of the team; a longer transaction has it alone.
"""

import math
import threading
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
from psycopg.pq import TransactionStatus

from ...errors import StoreError, StoreInterrupted, StoreUncertain, StoreUnreachable
from ..engine import BUSY_SECONDS, MAX_TRANSACTION_SECONDS, Durability, TransactionHook, Values, log_waiting
from ..hosts.role_fence import check_fence, process_fence
from ..signal_safety import signal_safe
from .address import ServerAddress
from .connection import ServerConnection, ServerTransaction, is_usable, open_connection, quote_text, run_script
from .host_identity import find_host
from .migrations import check_versions, migrate, migrate_component
from .server_errors import as_store_error, describe_error, is_lost, is_refusal
from .server_hosts import fence_column
from .server_watch import ServerWatch, check_pooler

if TYPE_CHECKING:
    from pathlib import Path

    from ..component_tables import ComponentTables

T = TypeVar("T")

_RETRY_SECONDS = 0.05
_VERSION_SECONDS = 10.0
"""A waiting reader looks after so many seconds, even if no doorbell has rung."""

_BEGIN = """
    BEGIN; SELECT {lock}(hashtextextended('teamsup ' || current_schema(), 0));
    SELECT component, version, EXISTS (SELECT 1 FROM listening_hosts WHERE host <> {host}
      AND seen_at > clock_timestamp() - interval '90 seconds') AS is_heard, {fence} AS role_seconds
    FROM schema_versions WHERE component IN ('hub', {component})
"""
_FLUSH = """
    BEGIN; SET LOCAL synchronous_commit = 'on'; SELECT pg_logical_emit_message(true, 'flush', ''); COMMIT
"""


class PostgresStore:
    """The open database. One connection writes, and reads while it is free; another one reads meanwhile.

    A commit is visible at once, and on the server's disk after flush(). An error of psycopg becomes a StoreError.
    """

    def __init__(self, address: ServerAddress, durability: Durability, run: "Path", team: str) -> None:
        """Connect, and create or migrate the tables. ``run`` is the folder of this host's doorbells.

        Raise StoreError, also if another ``team`` is in there.
        """
        self.address = address
        self.name = address.name
        self.team = team
        self.own_tables: ComponentTables | None = None
        self._host = find_host(run)
        self._fence = process_fence()
        self._is_durable = durability == "full"
        self._write_lock = threading.RLock()
        self._read_lock = threading.RLock()
        self._writer_thread: int | None = None
        self._depth = self._savepoints = 0
        self._deadline = math.inf
        self._unflushed = self._is_watched_elsewhere = False
        self._db: ServerConnection | None = None
        self._reader: ServerConnection | None = None
        try:
            if self._retry(lambda: migrate(self._writer(), team)):
                self._retry(lambda: check_pooler(self.address))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        with self._write_lock, self._read_lock:
            for connection in filter(None, (self._db, self._reader)):
                connection.close()
            self._db = self._reader = None

    def is_in_transaction(self) -> bool:
        return self._writer_thread == threading.get_ident()

    def read(self, sql: str, parameters: Values = ()) -> list[Any]:
        if self.is_in_transaction():
            self._check_deadline()
            try:
                return ServerTransaction(self._writer()).execute(sql, parameters).fetchall()
            except psycopg.Error as error:
                raise as_store_error(self.name, error) from error
        rows = None
        try:
            if self._write_lock.acquire(blocking=False):
                rows = self._retry(lambda: ServerTransaction(self._idle_writer()).execute(sql, parameters).fetchall())
        finally:
            # A signal may strike before we know the result of acquire(). release() refuses a lock that is not ours.
            try:  # noqa: SIM105 - suppress() would be one more place for a signal
                self._write_lock.release()
            except RuntimeError:
                pass
        if rows is not None:
            return rows
        with self._read_lock:
            return self._retry(lambda: ServerTransaction(self._second_reader()).execute(sql, parameters).fetchall())

    def read_on_writer(self, sql: str, parameters: Values) -> list[Any]:
        return self.read(sql, parameters)

    def data_version(self) -> int:
        """Return a number that changes every ten seconds. Doorbells ring for every commit; this is for a lost ring."""
        return int(time.monotonic() / _VERSION_SECONDS)

    @signal_safe
    def transaction(self) -> Generator[ServerTransaction, None, None]:
        yield from self.transact()

    def transact(
        self,
        on_begin: TransactionHook = lambda _: None,
        on_end: TransactionHook = lambda _: None,
        longest: float | None = None,
        busy_seconds: float = 0.0,
        *,
        shared: bool = False,
    ) -> Generator[ServerTransaction, None, None]:
        with self._write_lock:
            try:
                yield from (
                    self._run_inner()
                    if self.is_in_transaction()
                    else self._run_outermost(on_begin, on_end, longest, busy_seconds, shared=shared)
                )
            except psycopg.Error as error:
                raise as_store_error(self.name, error) from error

    def _run_outermost(
        self,
        on_begin: TransactionHook,
        on_end: TransactionHook,
        longest: float | None,
        busy_seconds: float,
        *,
        shared: bool,
    ) -> Generator[ServerTransaction, None, None]:
        try:
            self._retry(lambda: self._begin(shared=shared, longest=longest, busy_seconds=busy_seconds), busy_seconds)
            db = ServerTransaction(self._writer())
            self._deadline = time.monotonic() + (MAX_TRANSACTION_SECONDS if longest is None else longest)
            self._writer_thread = threading.get_ident()
            on_begin(db)
            yield db
            self._check_deadline()
            on_end(db)
            self._commit()
        finally:
            self._writer_thread = None
            self._depth = self._savepoints = 0
            self._roll_back()

    def _run_inner(self) -> Generator[ServerTransaction, None, None]:
        self._check_deadline()
        connection, depth = self._writer(), self._depth
        name = f"inner{depth}"
        is_made = is_undone = False
        try:
            self._depth = depth + 1
            # The next one at this depth releases this one, or the commit does: that saves a message to the server.
            release = f"RELEASE {name}; " if depth < self._savepoints else ""
            run_script(connection, f"{release}SAVEPOINT {name}")
            is_made = True
            self._savepoints = depth + 1
            yield ServerTransaction(connection)
            self._check_deadline()
        except BaseException:
            try:
                # An earlier savepoint may have this name, if a signal came before ours was made.
                if is_made and is_usable(connection):
                    with suppress(psycopg.Error):
                        run_script(connection, f"ROLLBACK TO {name}; RELEASE {name}")
                        self._savepoints = depth
                        is_undone = True
            finally:
                if not is_undone:
                    connection.close()
            raise
        finally:
            self._depth = depth

    def flush(self) -> None:
        """Flush every commit so far to the server's disk, unless durability is "normal". Raise StoreUncertain."""
        if not self._is_durable or not self._unflushed:
            return
        with self._write_lock:
            try:
                run_script(self._writer(), _FLUSH)
                self._unflushed = False
            except (psycopg.Error, StoreError) as error:
                raise StoreUncertain(
                    f"{self.name} was written, but may not be on its disk: {describe_error(error)}."
                ) from error
            finally:
                self._roll_back()

    def tidy_up(self) -> None:
        """Do nothing: the server tidies up by itself."""

    def correct_values(self, db: ServerTransaction) -> None:
        """Do nothing: the server refuses what it cannot count on."""

    def newest_id(self) -> int:
        """Return the largest ``id`` when no single send was under way: each of them shares the lock."""
        with self.transaction() as db:
            return int(db.execute("SELECT coalesce(max(id), 0) FROM messages").fetchall()[0][0])

    def ring_elsewhere(self, agents: Iterable[str]) -> None:
        """Let the watchers of other hosts ring these agents. A watcher that is not rung looks after ten seconds."""
        names = "\n".join(sorted(set(agents)))
        if not names or not self._is_watched_elsewhere:
            return
        with self._write_lock, suppress(psycopg.Error, StoreError):
            payload = f"{self._host}\n{names}" if len(names.encode()) < 7000 else self._host
            self._writer().execute("SELECT pg_notify('teamsup ' || current_schema(), $1)", (payload,))

    def migrate_component(self, tables: "ComponentTables") -> None:
        self._retry(lambda: check_pooler(self.address))  # at each start of the team and of its workers
        with self._write_lock:
            try:
                self._retry(lambda: migrate_component(self._idle_writer(), tables))
            except BaseException:
                if self._db is not None:
                    self._db.close()  # psycopg may count an open transaction of its own
                raise

    def use_component(self, tables: "ComponentTables") -> None:
        self.migrate_component(tables)
        self.own_tables = tables

    def watch_foreign_writes(self) -> ServerWatch:
        return ServerWatch(self.address, self._host)

    def vacuum(self, statement: str) -> None:
        """Run one statement that cannot run in a transaction."""
        with self._write_lock:
            self._retry(lambda: run_script(self._idle_writer(), statement))

    def _begin(self, *, shared: bool, longest: float | None, busy_seconds: float) -> None:
        """Begin a transaction, with its lock, in one message. Raise SchemaTooNew and ComponentTooNew."""
        self._roll_back()
        connection = self._writer()
        if connection.info.transaction_status != TransactionStatus.IDLE:
            raise StoreInterrupted(f"{self.name} has an open transaction.")
        component = "hub" if (own := self.own_tables) is None else own.component
        lock = "pg_advisory_xact_lock_shared" if shared else "pg_advisory_xact_lock"
        names = {"host": quote_text(self._host), "component": quote_text(component)}
        script, asked_at = _BEGIN.format(lock=lock, fence=fence_column(self._fence), **names), time.monotonic()
        if busy_seconds > BUSY_SECONDS:
            script = script.replace("BEGIN;", f"BEGIN; SET LOCAL lock_timeout = '{busy_seconds:.0f}s';")
        if longest is not None:
            script = script.replace("BEGIN;", "BEGIN; SET LOCAL idle_in_transaction_session_timeout = 0;")
        rows = run_script(connection, script)
        check_versions(self.name, {row["component"]: row["version"] for row in rows}, own)
        check_fence(self._fence, rows[0]["role_seconds"], asked_at)
        self._is_watched_elsewhere = bool(rows and rows[0]["is_heard"])

    def _commit(self) -> None:
        connection = self._writer()
        if connection.info.transaction_status == TransactionStatus.INERROR:
            raise StoreError(f"{self.name}: an earlier error has undone this whole transaction.")
        self._unflushed = True  # also if a signal comes during the COMMIT
        try:
            run_script(connection, "COMMIT")
        except psycopg.Error as error:
            if is_lost(error):
                raise StoreUncertain(f"{self.name} did not confirm a change: {describe_error(error)}.") from error
            raise

    def _check_deadline(self) -> None:
        if not is_usable(self._db) or self._db.info.transaction_status == TransactionStatus.IDLE:
            raise StoreError(f"{self.name}: an earlier error has undone this whole transaction.")
        if time.monotonic() > self._deadline:
            raise StoreError(
                f"{self.name}: this transaction took longer than {MAX_TRANSACTION_SECONDS:.0f} s and was undone. "
                "Do slow work before it begins."
            )

    def _roll_back(self) -> None:
        """Undo the open transaction. Close a connection that is lost, or that an interrupt has left at work."""
        connection = self._db
        if connection is None:
            return
        try:
            if not is_usable(connection):
                connection.close()
            elif connection.info.transaction_status != TransactionStatus.IDLE:
                run_script(connection, "ROLLBACK")
        except BaseException as error:
            connection.close()
            if not isinstance(error, psycopg.Error):
                raise

    def _writer(self) -> ServerConnection:
        if not is_usable(self._db):
            if self.is_in_transaction():
                raise StoreInterrupted(f"{self.name} has ended the connection, and the transaction with it.")
            if self._db is not None:
                self._db.close()
            self._db = open_connection(self.address)
        return self._db

    def _idle_writer(self) -> ServerConnection:
        """Return the writer's connection. An interrupt may have left it at work."""
        self._roll_back()
        return self._writer()

    def _second_reader(self) -> ServerConnection:
        if not is_usable(self._reader):
            if self._reader is not None:
                self._reader.close()
            self._reader = open_connection(self.address)
        return self._reader

    def _retry(self, action: Callable[[], T], busy_seconds: float = 0.0) -> T:
        """Run an action outside of a transaction, and repeat it while the server cannot be reached.

        It ends after ``busy_seconds``, but not before BUSY_SECONDS, and logs a longer wait once.
        """
        began, is_logged = time.monotonic(), False
        deadline = began + max(BUSY_SECONDS, busy_seconds)
        while True:
            try:
                return action()
            except psycopg.Error as error:
                found = as_store_error(self.name, error)
                if not isinstance(found, StoreInterrupted | StoreUnreachable) or is_refusal(error):
                    raise found from error
                if time.monotonic() > deadline:
                    raise StoreUnreachable(f"{self.name} cannot be reached: {describe_error(error)}.") from error
                if not is_logged and time.monotonic() > began + 1.0:
                    is_logged = True
                    log_waiting(found)
            time.sleep(_RETRY_SECONDS)
