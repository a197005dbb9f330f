"""The functions of a database on a server for tools: search, sizes, checks and space."""

from collections.abc import Callable, Collection, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from ..engine import StoreMetric, StoreSize
from .migrations import SCHEMA_VERSION
from .postgres_store import PostgresStore
from .server_errors import as_store_error, read_only_error
from .server_watch import check_pooler
from .transactions.server_transactions import ServerTransaction

if TYPE_CHECKING:
    from ..component_tables import ComponentTables

_SIZE = """
    SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0) AS bytes FROM pg_class AS c
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r'
"""
_MOST_DEAD, _MOST_DEAD_SHARE = 100_000, 1.0
_MOST_OPEN_SECONDS = 600.0
_MOST_QUEUED, _MOST_CONNECTIONS = 0.5, 0.9
_MOST_AGE = 1_000_000_000

_DEAD_ROWS = """
    SELECT relname AS name, n_live_tup AS live, n_dead_tup AS dead FROM pg_stat_user_tables
    WHERE schemaname = current_schema() AND n_dead_tup > 0 ORDER BY n_dead_tup DESC, relname
"""
_OPEN_TRANSACTIONS = """
    SELECT extract(epoch FROM clock_timestamp() - xact_start) AS seconds, 'Process ' || pid || ' of '
      || coalesce(usename, 'the server') || ' (' || coalesce(nullif(application_name, ''), 'no name') || ')' AS holder,
      'End it, or call pg_terminate_backend(' || pid || ')' AS advice
    FROM pg_stat_activity WHERE backend_xmin IS NOT NULL AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
    UNION ALL
    SELECT extract(epoch FROM clock_timestamp() - prepared), 'Prepared transaction ' || gid,
      'COMMIT PREPARED or ROLLBACK PREPARED ends it' FROM pg_prepared_xacts WHERE database = current_database()
    ORDER BY 1 DESC
"""
_SERVER = """
    SELECT current_setting('transaction_read_only') = 'on' AS only_reads, pg_is_in_recovery() AS is_standby,
      pg_notification_queue_usage() AS queued,
      (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')
        / CAST(current_setting('max_connections') AS DOUBLE PRECISION) AS connections,
      (SELECT age(datfrozenxid) FROM pg_database WHERE datname = current_database()) AS age,
      (SELECT coalesce(max(greatest(age(xmin), age(catalog_xmin))), 0) FROM pg_replication_slots) AS slot_age
"""


@dataclass(frozen=True, slots=True)
class ServerHealth:
    """The figures that show why a server becomes slow over the years."""

    dead_rows: dict[str, tuple[int, int]]
    """The live and the dead rows of each table, as the server estimates them."""
    open_transactions: list[tuple[float, str, str]]
    """Seconds, holder and advice for each transaction, the oldest first. The server cannot remove a row that such a
    transaction may still see.
    """
    notification_queue: float
    connections: float
    """The used connections, and those of this team, as shares of the server's limit."""
    transaction_age: int
    slot_age: int
    """The number of transactions since the oldest one that a replication slot still needs."""
    write_fault: str = ""
    """The reason why the server cannot be written, or an empty text."""


def describe_health(health: ServerHealth) -> list[str]:
    """Return a sentence for each trouble, with what to do."""
    problems = [
        f"{holder} has had a transaction open for {seconds / 60:.0f} minutes, so the server cannot remove old rows. "
        f"{advice}."
        for seconds, holder, advice in health.open_transactions
        if seconds > _MOST_OPEN_SECONDS
    ]
    if health.write_fault:
        problems.insert(0, health.write_fault)
    problems += [
        f"Table {name} has {dead:,} dead rows and {live:,} live ones. Look for old transactions, or run VACUUM {name}."
        for name, (live, dead) in health.dead_rows.items()
        if dead > max(_MOST_DEAD, _MOST_DEAD_SHARE * live)
    ]
    if health.notification_queue > _MOST_QUEUED:
        problems.append(
            f"The server's queue of notifications is {health.notification_queue:.0%} full; when it is full, commits "
            "fail. A program that listens has had a transaction open for long: end it."
        )
    if health.connections > _MOST_CONNECTIONS:
        problems.append(
            f"{health.connections:.0%} of the server's connections are in use. Raise max_connections, or put PgBouncer "
            "in session mode in front of it."
        )
    if health.slot_age > _MOST_AGE // 100:
        problems.append(
            f"A replication slot keeps the rows of the last {health.slot_age:,} transactions. Start its reader, or "
            "drop it."
        )
    if health.transaction_age > _MOST_AGE:
        problems.append(
            f"The oldest rows are {health.transaction_age:,} transactions old; at 2 billion the server stops writing. "
            "Let autovacuum run, or run VACUUM FREEZE."
        )
    return problems


class ServerTools:
    """The verbs for tools on one store."""

    def __init__(self, store: PostgresStore, back_up: "Callable[[Path, Collection[ComponentTables]], None]") -> None:
        """``back_up`` writes the backup, which is a SQLite file."""
        self._store = store
        self._back_up = back_up
        self._must_rewrite = False

    def search(self, words: str, limit: int) -> list[Any]:
        given = words.split()
        matches = " AND ".join(
            ["to_tsvector('simple', content) @@ phraseto_tsquery('simple', CAST(? AS TEXT))"] * len(given)
        )
        return self._store.read(f"SELECT * FROM messages WHERE {matches} ORDER BY id DESC LIMIT ?", (*given, limit))  # noqa: S608

    def remove_from_search(self, db: ServerTransaction, ids: Collection[int]) -> None:
        """Do nothing, because the index follows the messages."""

    def optimize_search(self, db: ServerTransaction) -> None:
        """Do nothing, because reclaim_space() rewrites the index with its table."""

    def measure(self) -> StoreSize:
        return StoreSize(SCHEMA_VERSION, int(self._store.read(_SIZE)[0]["bytes"]), 0)

    def read_health(self) -> ServerHealth:
        (server,) = self._store.read(_SERVER)
        fault = read_only_error(self._store.name, is_standby=server["is_standby"]) if server["only_reads"] else ""
        return ServerHealth(
            {row["name"]: (row["live"], row["dead"]) for row in self._store.read(_DEAD_ROWS)},
            [(float(seconds), holder, advice) for seconds, holder, advice in self._store.read(_OPEN_TRANSACTIONS)],
            server["queued"],
            server["connections"],
            server["age"],
            server["slot_age"],
            str(fault),
        )

    def metrics(self) -> list[StoreMetric]:
        health = self.read_health()
        oldest = health.open_transactions[0][0] if health.open_transactions else 0.0
        return [
            *(
                StoreMetric("dead_rows", "Dead rows of a table", dead, name)
                for name, (_, dead) in health.dead_rows.items()
            ),
            StoreMetric("oldest_transaction_seconds", "Age of the oldest open transaction", oldest),
            StoreMetric("notification_queue_ratio", "Share of the queue of notifications", health.notification_queue),
            StoreMetric("connections_ratio", "Share of the server's connections in use", health.connections),
            StoreMetric("transaction_age", "Transactions since the oldest row was frozen", health.transaction_age),
            StoreMetric("slot_age", "Transactions that a replication slot keeps", health.slot_age),
        ]

    def check_integrity(self) -> list[str]:
        """Return the faults that keep the server from its work. The server itself checks its pages."""
        problems = describe_health(self.read_health())
        try:
            check_pooler(self._store.address)
        except psycopg.Error as error:
            raise as_store_error(self._store.name, error) from error
        return problems

    def count_orphans(self, table: str, columns: tuple[str, ...]) -> int:
        is_lost = " OR ".join(f"{column} NOT IN (SELECT id FROM messages)" for column in columns)  # noqa: S608
        return int(self._store.read(f"SELECT count(*) FROM {table} WHERE {is_lost}")[0][0])  # noqa: S608

    def reclaim_space(self, pause_seconds: float) -> None:  # noqa: ARG002 - VACUUM holds up no writer
        """Let the server use freed space again. After secure_delete() it rewrites the tables."""
        verb = "VACUUM FULL" if self._must_rewrite else "VACUUM"
        self._store.vacuum(f"{verb} messages")
        self._store.vacuum(f"{verb} deliveries")
        self._must_rewrite = False

    @contextmanager
    def secure_delete(self, db: ServerTransaction) -> Generator[None, None, None]:  # noqa: ARG002
        """Make the next reclaim_space() rewrite the tables. The server's log and backups keep the content."""
        self._must_rewrite = True
        yield

    def write_backup(self, target: Path, components: "Collection[ComponentTables]") -> None:
        self._back_up(target, components)
