"""Keep a SQLite database small and sound, apart from the work on its rows."""

import sqlite3
import time
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

from .store import Store

_VACUUM_PAGES = 2000


def check_integrity(store: Store) -> list[str]:
    """Return the faults of the file; empty: it is sound."""
    return [str(row[0]) for row in store.read("PRAGMA integrity_check") if row[0] != "ok"]


def count_orphans(store: Store, table: str, columns: tuple[str, ...]) -> int:
    """Return the number of rows of a component's table that have a missing message in one of these columns."""
    is_lost = " OR ".join(f"{column} NOT IN (SELECT id FROM messages)" for column in columns)  # noqa: S608
    return int(store.read(f"SELECT count(*) FROM {table} WHERE {is_lost}")[0][0])  # noqa: S608


def reclaim_space(store: Store, pause_seconds: float) -> None:
    """Return free pages to the file system in batches, with a pause after each, and truncate the WAL."""
    while store.read("PRAGMA freelist_count")[0][0] and store.vacuum(_VACUUM_PAGES):
        time.sleep(pause_seconds)
    store.truncate_wal()


@contextmanager
def secure_delete(db: sqlite3.Connection) -> Generator[None, None, None]:
    """Overwrite the content that is deleted inside the block."""
    before = db.execute("PRAGMA secure_delete").fetchone()[0]
    try:
        db.execute("PRAGMA secure_delete=1")
        yield
    finally:
        db.execute(f"PRAGMA secure_delete={before}")


def write_backup(store: Store, target: Path) -> None:
    """Copy the database in its present state to a file. Raise sqlite3.Error and StoreError."""
    with closing(sqlite3.connect(target)) as copy:
        store.copy_to(copy)
        copy.execute("PRAGMA journal_mode=DELETE")
