"""A team's database on a PostgreSQL server, for all hosts of the team."""

import time
from collections.abc import Generator, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import psycopg

from ...errors import StoreError
from ..engine import Durability, TransactionHook, Values
from ..hosts.role_fence import process_fence
from ..signal_safety import signal_safe
from .address import ServerAddress
from .connection import ServerConnection, run_script
from .host_identity import find_host
from .migrations import migrate, migrate_component
from .server_errors import as_store_error
from .server_watch import ServerWatch, check_pooler
from .transactions.server_connections import ServerConnections
from .transactions.server_statements import run_alone
from .transactions.server_transactions import ServerTransaction, ServerTransactions

if TYPE_CHECKING:
    from pathlib import Path

    from ..component_tables import ComponentTables

_VERSION_SECONDS = 10.0
"""Seconds after which a waiting reader looks, even if its doorbell has not rung."""


class PostgresStore:
    """The open database.

    A commit is visible at once, and on the server's disk once flush() has returned. Every error of psycopg becomes a
    StoreError, and its transaction is undone.
    """

    has_cheap_looks = False

    def __init__(self, address: ServerAddress, durability: Durability, run: "Path", team: str) -> None:
        """Connect, and create or migrate the tables. ``run`` is the folder of this host's doorbells.

        Raise StoreError, also if the schema belongs to a team other than ``team``.
        """
        self.address = address
        self.name = address.name
        self.team = team
        self._host = find_host(run)
        self._is_durable = durability == "full"
        self.connections = ServerConnections(address)
        self._transactions = ServerTransactions(self.connections, self._host, process_fence())
        try:
            if self.connections.retry(lambda: migrate(self.connections.writer(), team)):
                self.connections.retry(lambda: check_pooler(self.address))
        except BaseException:
            self.close()
            raise

    @property
    def own_tables(self) -> "ComponentTables | None":
        return self._transactions.own_tables

    @own_tables.setter
    def own_tables(self, tables: "ComponentTables | None") -> None:
        self._transactions.use_tables(tables)

    def close(self) -> None:
        self.connections.close()

    def is_in_transaction(self) -> bool:
        return self._transactions.is_inside()

    def read(self, sql: str, parameters: Values = ()) -> list[Any]:
        return self._read(sql, parameters, is_planned=True)

    def read_on_writer(self, sql: str, parameters: Values) -> list[Any]:
        return self._read(sql, parameters, is_planned=False)

    def _read(self, sql: str, parameters: Values, *, is_planned: bool) -> list[Any]:
        def run(connection: ServerConnection) -> list[Any]:
            return run_alone(connection, sql, parameters, is_planned=is_planned).rows

        connections, transaction = self.connections, self._transactions.open
        if transaction is not None and self.is_in_transaction():
            self._transactions.check_deadline()
            try:
                return transaction.execute(sql, parameters).fetchall()
            except psycopg.Error as error:
                raise as_store_error(self.name, error) from error
        rows = None
        try:
            if connections.write_lock.acquire(blocking=False):
                rows = connections.retry(lambda: run(connections.idle_writer()))
        finally:
            # A signal may strike before we know the result of acquire(). release() refuses a lock that is not ours.
            try:  # noqa: SIM105 - suppress() would be one more place for a signal
                connections.write_lock.release()
            except RuntimeError:
                pass
        if rows is not None:
            return rows
        with connections.read_lock:
            return connections.retry(lambda: run(connections.second_reader()))

    def data_version(self) -> int:
        """Return a number that changes every ten seconds. Doorbells ring for every commit. If a ring was lost, readers
        look because of the new number.
        """
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
        yield from self._transactions.transact(on_begin, on_end, longest, busy_seconds, shared=shared)

    def flush(self) -> None:
        """Flush every commit so far to the server's disk, unless durability is "normal". Raise StoreUncertain."""
        if self._is_durable:
            self._transactions.flush()

    def tidy_up(self) -> None:
        """Do nothing, because the server does its own upkeep."""

    def correct_values(self, db: ServerTransaction) -> None:
        """Do nothing, because the server refuses such values."""

    def newest_id(self) -> int:
        """Return the largest ``id`` at a moment without an open send. Sends share a lock, which this method takes
        exclusively.
        """
        with self.transaction() as db:
            return int(db.execute("SELECT coalesce(max(id), 0) FROM messages").fetchall()[0][0])

    def ring_elsewhere(self, agents: Iterable[str]) -> None:
        """Let the watchers of other hosts ring these agents. Without a ring, a watcher looks after ten seconds."""
        names = "\n".join(sorted(set(agents)))
        if not names or not self._transactions.is_watched_elsewhere:
            return
        with self.connections.write_lock, suppress(psycopg.Error, StoreError):
            payload = f"{self._host}\n{names}" if len(names.encode()) < 7000 else self._host
            self.connections.writer().execute("SELECT pg_notify('teamsup ' || current_schema(), $1)", (payload,))

    def migrate_component(self, tables: "ComponentTables") -> None:
        self.connections.retry(lambda: check_pooler(self.address))  # at each start of the team and of its workers
        with self.connections.write_lock:
            try:
                self.connections.retry(lambda: migrate_component(self.connections.idle_writer(), tables))
            except BaseException:
                if self.connections.current is not None:
                    self.connections.current.close()  # psycopg may count an open transaction of its own
                raise

    def use_component(self, tables: "ComponentTables") -> None:
        self.migrate_component(tables)
        self.own_tables = tables

    def watch_foreign_writes(self) -> ServerWatch:
        return ServerWatch(self.address, self._host)

    def vacuum(self, statement: str) -> None:
        """Run one statement that cannot run in a transaction."""
        with self.connections.write_lock:
            self.connections.retry(lambda: run_script(self.connections.idle_writer(), statement))
