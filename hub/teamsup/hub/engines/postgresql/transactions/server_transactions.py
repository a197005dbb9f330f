"""Begin and end the transactions of a store, with the lock of the team. Statements wait until a result is needed.

Transactions read committed rows, and take locks: one lock for each conversation, and one for the team. A single verb
shares the team's lock. A longer transaction holds it exclusively.
"""

import math
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

import psycopg
from psycopg.pq import TransactionStatus

from ....errors import StoreError, StoreInterrupted, StoreUncertain
from ...engine import BUSY_SECONDS, MAX_TRANSACTION_SECONDS, TransactionHook, Values
from ...hosts.role_fence import RoleFence, check_fence
from ..connection import ServerConnection, is_usable, run_script
from ..migrations import check_versions
from ..rows import NamedRow
from ..server_errors import as_store_error, describe_error, is_lost
from ..server_hosts import fence_column
from .server_connections import ServerConnections
from .server_statements import Statement, StatementAnswer, make_statement, run_statements, run_with_psycopg

if TYPE_CHECKING:
    from ...component_tables import ComponentTables

_LOCK_SHARED = "SELECT pg_advisory_xact_lock_shared(hashtextextended('teamsup ' || current_schema(), 0))"
_LOCK_ALONE = "SELECT pg_advisory_xact_lock(hashtextextended('teamsup ' || current_schema(), 0))"
_VERSIONS = """
    SELECT component, version, EXISTS (SELECT 1 FROM listening_hosts WHERE host <> ?
      AND seen_at > clock_timestamp() - interval '90 seconds') AS is_heard, {fence} AS role_seconds
    FROM schema_versions WHERE component IN ('hub', ?)
"""
COMMIT = Statement("COMMIT", is_prepared=False)
_FLUSH = "BEGIN; SET LOCAL synchronous_commit = 'on'; SELECT pg_logical_emit_message(true, 'flush', ''); COMMIT"
_UNDONE = (TransactionStatus.IDLE, TransactionStatus.INERROR)
_MOST_WAITING = 500
_STATEMENT_SECONDS = 60.0
"""Seconds after which a statement is cancelled, unless maintenance was announced. The server's disk may hang."""


class ServerResult:
    """The result of a statement. The statement runs no later than when its result is needed."""

    __slots__ = ("_run", "answer")

    def __init__(self, run: Callable[[], object]) -> None:
        self._run = run
        self.answer: StatementAnswer | None = None

    def take(self, answer: StatementAnswer) -> None:
        self.answer = answer

    @property
    def rowcount(self) -> int:
        return self._answered().rowcount

    @property
    def lastrowid(self) -> object:
        return self._answered().lastrowid

    def fetchone(self) -> NamedRow | None:
        return self._answered().fetchone()

    def fetchall(self) -> list[NamedRow]:
        return self._answered().fetchall()

    def __iter__(self) -> Iterator[NamedRow]:
        return iter(self._answered())

    def _answered(self) -> StatementAnswer:
        if self.answer is None:
            self._run()
        if self.answer is None:
            raise StoreError("An earlier error has undone this statement.")
        return self.answer


class ServerTransaction:
    """The hub's SQL in one transaction. ``begin`` opens it with the first message, and calls send_on()."""

    def __init__(self, begin: "Callable[[ServerTransaction], ServerConnection]") -> None:
        self._begin = begin
        self.connection: ServerConnection | None = None
        """None until the transaction begins. Until then the server has none of its statements."""
        self._error: Exception | None = None  # why it could not begin, also if its caller has ignored that
        self._waiting: list[tuple[Statement, ServerResult]] = []

    @property
    def is_waiting(self) -> bool:
        """Whether the transaction has statements that have not been sent."""
        return bool(self._waiting)

    def execute(self, sql: str, values: Values = (), /) -> "ServerResult | StatementAnswer":
        statement = make_statement(sql, values)
        if statement is None:
            return run_with_psycopg(self.run(), sql, values)
        return self.add(statement)

    def executemany(self, sql: str, values: Iterable[Values], /) -> None:
        for each in values:
            self.execute(sql, each)
            if len(self._waiting) >= _MOST_WAITING:
                self.run()

    def add(self, statement: Statement) -> ServerResult:
        result = ServerResult(self.run)
        self._waiting.append((statement, result))
        return result

    def drop_waiting(self, first: ServerResult) -> bool:
        """Forget this statement and later statements. If they have been sent, do nothing and return False."""
        for number, (_, result) in enumerate(self._waiting):
            if result is first:
                del self._waiting[number:]
                return True
        return False

    def run(self) -> ServerConnection:
        """Send the waiting statements; first begin the transaction if needed. Raise psycopg.Error and StoreError."""
        if self._error is not None:
            raise self._error
        if self.connection is None:
            self._error = StoreError("An earlier error has undone this transaction.")
            try:
                self.connection, self._error = self._begin(self), None
            except (psycopg.Error, StoreError) as error:
                self._error = error
                raise
        elif self._waiting:
            try:
                self.send_on(self.connection)
            finally:
                self._waiting.clear()
        return self.connection

    def send_on(self, connection: ServerConnection, opening: Iterable[Statement] = ()) -> list[StatementAnswer]:
        """Send ``opening`` and the waiting statements in one message. Return the answers to ``opening``."""
        opening, waiting = list(opening), self._waiting
        answers = run_statements(connection, [*opening, *(statement for statement, _ in waiting)])
        for (_, result), answer in zip(waiting, answers[len(opening) :], strict=True):
            result.take(answer)
        waiting.clear()
        return answers[: len(opening)]


class ServerTransactions:
    """The transactions of a store: one at a time, in any thread. An inner transaction is a savepoint of the outer."""

    def __init__(self, connections: ServerConnections, host: str, fence: RoleFence | None) -> None:
        self._connections = connections
        self._name = connections.address.name
        self._host = host
        self._fence = fence
        self._versions = _VERSIONS.format(fence=fence_column(fence))
        self.own_tables: ComponentTables | None = None
        self.is_watched_elsewhere = False
        """Whether another host listened when the last transaction began."""
        self._unflushed = False
        self.open: ServerTransaction | None = None
        self._thread: int | None = None
        self._depth = self._savepoints = 0
        self._deadline = math.inf

    def use_tables(self, tables: "ComponentTables | None") -> None:
        """Let each transaction check the version of these tables."""
        self.own_tables = tables

    def flush(self) -> None:
        """Flush every commit so far to the server's disk. Raise StoreUncertain."""
        if not self._unflushed:
            return
        with self._connections.write_lock:
            try:
                run_script(self._connections.writer(), _FLUSH)
                self._unflushed = False
            except (psycopg.Error, StoreError) as error:
                why = f"{self._name} was written, but may not be on its disk: {describe_error(error)}."
                raise StoreUncertain(why) from error
            finally:
                self._connections.roll_back()

    def is_inside(self) -> bool:
        """Return whether this thread is inside a transaction."""
        return self._thread == threading.get_ident()

    def transact(
        self,
        on_begin: TransactionHook,
        on_end: TransactionHook,
        longest: float | None,
        busy_seconds: float,
        shared: bool,
    ) -> Generator[ServerTransaction, None, None]:
        """Do the same as Engine.transact()."""
        with self._connections.write_lock:
            try:
                yield from (
                    self._run_inner(self.open)
                    if self.open is not None and self.is_inside()
                    else self._run_outermost(on_begin, on_end, longest, busy_seconds, shared=shared)
                )
            except psycopg.Error as error:
                raise as_store_error(self._name, error) from error

    def _run_outermost(
        self,
        on_begin: TransactionHook,
        on_end: TransactionHook,
        longest: float | None,
        busy_seconds: float,
        *,
        shared: bool,
    ) -> Generator[ServerTransaction, None, None]:
        def begin(transaction: ServerTransaction) -> ServerConnection:
            return self._begin(transaction, shared=shared, longest=longest, busy_seconds=busy_seconds)

        try:
            self._deadline = math.inf
            self.open = ServerTransaction(begin)
            if not shared:
                self.open.run()  # the caller may work before its first statement, and must be alone then too
            self._thread = threading.get_ident()
            on_begin(self.open)
            yield self.open
            self.check_deadline()
            on_end(self.open)
            self._commit(self.open)
        finally:
            self.open = self._thread = None
            self._depth = self._savepoints = 0
            self._connections.roll_back()

    def _run_inner(self, transaction: ServerTransaction) -> Generator[ServerTransaction, None, None]:
        self.check_deadline()
        if transaction.is_waiting:
            transaction.run()  # an error of the outer transaction is not one of ours
        depth, savepoints = self._depth, self._savepoints
        name = f"inner{depth}"
        first = made = None
        try:
            self._depth = depth + 1
            # The next savepoint at this depth, or the commit, releases this one. That saves a statement.
            if depth < savepoints:
                first = transaction.add(Statement(f"RELEASE {name}", is_prepared=False))
            made = transaction.add(Statement(f"SAVEPOINT {name}", is_prepared=False))
            self._savepoints = depth + 1
            yield transaction
            self.check_deadline()
            if transaction.is_waiting:
                transaction.run()
        except BaseException:
            self._savepoints = savepoints
            if (began := first or made) is not None and not transaction.drop_waiting(began):
                self._undo_inner(transaction.connection, name, is_made=made is not None and made.answer is not None)
                self._savepoints = depth
            raise
        finally:
            self._depth = depth

    def _undo_inner(self, connection: ServerConnection | None, name: str, *, is_made: bool) -> None:
        """Go back to a savepoint, or close the connection if that is impossible.

        If a signal came before this savepoint was made, an earlier savepoint may have its name.
        """
        if connection is None:
            return
        is_undone = False
        try:
            if is_usable(connection) and (is_made or connection.info.transaction_status == TransactionStatus.INERROR):
                with suppress(psycopg.Error):
                    run_script(connection, f"ROLLBACK TO {name}; RELEASE {name}")
                    is_undone = True
        finally:
            if not is_undone:
                connection.close()

    def check_deadline(self) -> None:
        """Raise StoreError if the open transaction was undone, or took too long."""
        connection = self.open.connection if self.open else None
        if connection is not None and not is_usable(connection):
            raise StoreInterrupted(f"{self._name} has ended the connection, so this whole transaction was undone.")
        if connection is not None and connection.info.transaction_status in _UNDONE:
            raise StoreError(f"{self._name}: an earlier error has undone this whole transaction.")
        if time.monotonic() > self._deadline:
            raise StoreError(
                f"{self._name}: this transaction took longer than {MAX_TRANSACTION_SECONDS:.0f} s and was undone. "
                "Do slow work before it begins."
            )

    def _begin(
        self, transaction: ServerTransaction, *, shared: bool, longest: float | None, busy_seconds: float
    ) -> ServerConnection:
        """Begin a transaction with its lock, and send the waiting statements. Raise SchemaTooNew and
        ComponentTooNew.
        """
        own = self.own_tables
        opening = self._make_opening(shared=shared, longest=longest, busy_seconds=busy_seconds)

        def send() -> tuple[ServerConnection, float, list[StatementAnswer]]:
            connection = self._connections.idle_writer()
            if connection.info.transaction_status != TransactionStatus.IDLE:
                raise StoreInterrupted(f"{self._name} has an open transaction.")
            asked_at = time.monotonic()
            return connection, asked_at, transaction.send_on(connection, opening)

        connection, asked_at, answers = self._connections.retry(send, busy_seconds, only_lost=transaction.is_waiting)
        rows = answers[-1].fetchall()
        check_versions(self._name, {row["component"]: row["version"] for row in rows}, own)
        check_fence(self._fence, rows[0]["role_seconds"], asked_at)
        self.is_watched_elsewhere = bool(rows and rows[0]["is_heard"])
        self._deadline = time.monotonic() + (MAX_TRANSACTION_SECONDS if longest is None else longest)
        return connection

    def _make_opening(self, *, shared: bool, longest: float | None, busy_seconds: float) -> list[Statement]:
        commands = ["BEGIN"]
        if busy_seconds > BUSY_SECONDS:
            commands.append(f"SET LOCAL lock_timeout = '{busy_seconds:.0f}s'")
        if longest is None:
            seconds = max(_STATEMENT_SECONDS, busy_seconds + BUSY_SECONDS)
            commands.append(f"SET LOCAL statement_timeout = '{seconds:.0f}s'")
        else:
            commands.append("SET LOCAL idle_in_transaction_session_timeout = 0")
        component = "hub" if self.own_tables is None else self.own_tables.component
        lock = make_statement(_LOCK_SHARED if shared else _LOCK_ALONE, ())
        versions = make_statement(self._versions, (self._host, component))
        assert lock is not None  # noqa: S101 - for mypy
        assert versions is not None  # noqa: S101
        return [*(Statement(command, is_prepared=False) for command in commands), lock, versions]

    def _commit(self, transaction: ServerTransaction) -> None:
        """Send the waiting statements and commit, in one message. A transaction without a statement does not need a
        commit.
        """
        if transaction.connection is None:
            if not transaction.is_waiting:
                return
            transaction.run()  # before COMMIT a lost connection has stored nothing
        self._unflushed = True  # even if a signal comes during the COMMIT
        transaction.add(COMMIT)
        try:
            transaction.run()
        except psycopg.Error as error:
            if is_lost(error):
                raise StoreUncertain(f"{self._name} did not confirm a change: {describe_error(error)}.") from error
            raise
