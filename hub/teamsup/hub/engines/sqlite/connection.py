"""Open SQLite connections on a team's database, in the same way in every process."""

import functools
import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..stored_json import metadata_text
from .migrations import migrate, read_version

LIBRARY_VERSION = sqlite3.sqlite_version
# A message changes a few bytes in each of some ten pages, and SQLite writes whole pages. With 1 KiB instead of SQLite's
# 4, a quarter more messages a second pass.
_PAGE_BYTES = 1024
_CHECKPOINT_BYTES = 4 * 2**20


def open_writer(path: Path, run: Path | None) -> sqlite3.Connection:
    """Open a connection that writes. If needed, create the database or migrate it to this program's schema."""
    # Touch only a file that no process has open yet. Closing a descriptor on an open database would drop SQLite's locks
    # in this process.
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
        # SQLite opens the log at the first read. So read now, because another database may come to this place later.
        db.execute("PRAGMA data_version").fetchone()
    except BaseException:
        db.close()
        raise
    return db


def open_observer(path: Path) -> sqlite3.Connection:
    """Open a second connection to an existing database. It waits for writers for a second."""
    db = sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, isolation_level=None, timeout=1)
    try:
        db.execute("PRAGMA query_only=1")
    except BaseException:
        db.close()
        raise
    return db


def begin_immediate(db: sqlite3.Connection) -> None:
    """Begin a transaction that writes. Raise SchemaTooNew if a newer program has changed the tables since they were
    opened.
    """
    # A deferred transaction that reads first could fail at its first write.
    db.execute("BEGIN IMMEDIATE")
    check_schema(db)


def run_query(
    db: sqlite3.Connection, sql: str, parameters: tuple[Any, ...] | dict[str, Any], *, is_hint: bool = False
) -> list[sqlite3.Row]:
    """Return all rows of one query. Raise SchemaTooNew as begin() does.

    Check the schema only if there are no rows. Otherwise a transaction follows, which checks it.
    """
    rows = []
    try:
        rows = db.execute(sql, parameters).fetchall()
    finally:
        # Check after the query, because another program may migrate the database meanwhile. Check even if the query has
        # failed, because that migration may be the cause.
        if not (is_hint and rows):
            check_schema(db)
    return rows


def check_schema(db: sqlite3.Connection) -> None:
    """Raise SchemaTooNew if a newer program has changed the tables since this program opened them."""
    read_version(db, "End this program and start it again.")


def configure_rows(db: sqlite3.Connection) -> None:
    """Give rows names, and accept texts with invalid bytes: a foreign program's text must not block later messages."""
    db.row_factory = sqlite3.Row
    db.text_factory = functools.partial(str, encoding="utf-8", errors="replace")


def _configure_connection(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(str(path), timeout=0, isolation_level=None, check_same_thread=False, cached_statements=256)
    configure_rows(db)
    # Never use this function in a trigger, a view or an index: the sqlite3 shell and foreign programs do not know it.
    db.create_function("metadata_text", 2, metadata_text, deterministic=True)
    return db
