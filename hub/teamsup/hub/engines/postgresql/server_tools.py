"""What tools need of a database on a server: search, sizes, checks and space."""

from collections.abc import Callable, Collection, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from ..engine import StoreSize
from .connection import ServerTransaction
from .migrations import SCHEMA_VERSION
from .postgres_store import PostgresStore
from .server_errors import as_store_error
from .server_watch import check_pooler

if TYPE_CHECKING:
    from ..component_tables import ComponentTables

_OLD_SNAPSHOT = """
    SELECT pid, usename, application_name, extract(epoch FROM clock_timestamp() - xact_start) AS seconds
    FROM pg_stat_activity WHERE backend_xmin IS NOT NULL AND xact_start < clock_timestamp() - interval '10 minutes'
"""
_SIZE = """
    SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0) AS bytes FROM pg_class AS c
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r'
"""


class ServerTools:
    """The verbs for tools on one store."""

    def __init__(self, store: PostgresStore, back_up: "Callable[[Path, Collection[ComponentTables]], None]") -> None:
        """``back_up`` writes a file of another engine."""
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
        """Do nothing: the index follows the messages."""

    def optimize_search(self, db: ServerTransaction) -> None:
        """Do nothing: reclaim_space() rewrites the index with its table."""

    def measure(self) -> StoreSize:
        return StoreSize(SCHEMA_VERSION, int(self._store.read(_SIZE)[0]["bytes"]), 0)

    def check_integrity(self) -> list[str]:
        """Return what keeps the server from its work. The server itself checks its pages."""
        problems = [
            f"Process {row['pid']} of {row['usename']} ({row['application_name']}) has had a transaction open for "
            f"{row['seconds'] / 60:.0f} minutes, so the server cannot remove old rows."
            for row in self._store.read(_OLD_SNAPSHOT)
        ]
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
        self._store.vacuum("VACUUM FULL messages" if self._must_rewrite else "VACUUM messages")
        self._store.vacuum("VACUUM FULL deliveries" if self._must_rewrite else "VACUUM deliveries")
        self._must_rewrite = False

    @contextmanager
    def secure_delete(self, db: ServerTransaction) -> Generator[None, None, None]:  # noqa: ARG002
        """Let the next reclaim_space() rewrite the tables. The server's log and backups keep the content."""
        self._must_rewrite = True
        yield

    def write_backup(self, target: Path, components: "Collection[ComponentTables]") -> None:
        self._back_up(target, components)
