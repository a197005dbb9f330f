"""Open SQLite connections on a team's database, in the same way in every process."""

import functools
import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any

from .migrations import migrate, read_version

# A message changes some ten pages, a few bytes of each, and every changed page is written whole: 1 KiB instead of
# SQLite's 4 carries a quarter more messages a second.
_PAGE_BYTES = 1024
_CHECKPOINT_BYTES = 4 * 2**20


def open_writer(path: Path, run: Path | None) -> sqlite3.Connection:
    """Open a connection that writes, on a database of our schema, which is made if need be."""
    # Only a file nobody can have open yet is touched as a file: closing a descriptor on an open database would
    # drop SQLite's locks in this process.
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    db = _configure_connection(path)
    try:
        if not db.execute("PRAGMA page_count").fetchone()[0]:
            db.execute(f"PRAGMA page_size={_PAGE_BYTES}")
            db.execute("PRAGMA auto_vacuum=INCREMENTAL")
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=NORMAL")
        (page_bytes,) = db.execute("PRAGMA page_size").fetchone()
        db.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT_BYTES // page_bytes}")
        migrate(db, run)
    except BaseException:
        db.close()
        raise
    return db


def open_reader(path: Path) -> sqlite3.Connection:
    """Open a connection that only reads."""
    db = _configure_connection(path)
    try:
        # SQLite opens the log with the first read, which must be that of this database, and of no later one.
        db.execute("PRAGMA data_version").fetchone()
    except BaseException:
        db.close()
        raise
    return db


def begin_immediate(db: sqlite3.Connection) -> None:
    """Begin a transaction that writes. Raises SchemaTooNew when a newer program has changed the tables meanwhile."""
    # A deferred transaction that reads first would fail when it turns to writing.
    db.execute("BEGIN IMMEDIATE")
    check_schema(db)


def run_query(
    db: sqlite3.Connection, sql: str, parameters: tuple[Any, ...] | dict[str, Any], *, is_hint: bool = False
) -> list[sqlite3.Row]:
    """Return all rows of one query. Raises SchemaTooNew as begin() does.

    The rows of a hint lead to a transaction, which looks at the schema itself; only a hint that finds nothing may not.
    """
    rows = []
    try:
        rows = db.execute(sql, parameters).fetchall()
    finally:
        # After the query, because a migration may come between the two; and also when the query has failed for that.
        if not (is_hint and rows):
            check_schema(db)
    return rows


def check_schema(db: sqlite3.Connection) -> None:
    """Raises SchemaTooNew when a newer program has changed the tables since they were opened."""
    read_version(db, "End this program and start it again.")


def _configure_connection(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(str(path), timeout=0, isolation_level=None, check_same_thread=False, cached_statements=256)
    db.row_factory = sqlite3.Row
    # What a foreign program stored as text need not be text; it must not close the mailbox for what comes behind.
    db.text_factory = functools.partial(str, encoding="utf-8", errors="replace")
    return db
