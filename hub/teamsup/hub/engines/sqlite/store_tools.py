"""The functions of a SQLite database for tools: search, sizes, checks, space and backups."""

import os
import sqlite3
import time
from collections.abc import Collection, Generator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import CallerError, StoreError
from ...validation import check_type, quote
from ..engine import BUSY_SECONDS, StoreMetric, StoreSize
from . import search
from .connection import open_reader
from .migrations import SCHEMA_VERSION
from .store import Store
from .store_errors import as_store_error

if TYPE_CHECKING:
    from ...team import Team
    from ..component_tables import ComponentTables

_VACUUM_PAGES = 2000
_COPY_PAGES = 4000
_STEPS_BETWEEN_CALLS = 100_000


class StoreTools:
    """The verbs for tools on one store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def search(self, words: str, limit: int) -> list[sqlite3.Row]:
        return search.search(self._store, words, limit)

    def remove_from_search(self, db: sqlite3.Connection, ids: Collection[int]) -> None:
        search.remove(db, ids)

    def optimize_search(self, db: sqlite3.Connection) -> None:
        search.optimize(db)

    def measure(self) -> StoreSize:
        return StoreSize(SCHEMA_VERSION, self._file_bytes(""), self._file_bytes("-wal"))

    def metrics(self) -> list[StoreMetric]:
        """Return no figures: a file does not keep rows for other transactions."""
        return []

    def check_integrity(self) -> list[str]:
        self._store.read("SELECT 1")  # finds out whether another file has replaced this one
        try:
            with closing(open_reader(self._store.path)) as db, interruptible(db):
                return [str(row[0]) for row in db.execute("PRAGMA integrity_check") if row[0] != "ok"]
        except sqlite3.Error as error:
            raise as_store_error(self._store.name, error) from error

    def count_orphans(self, table: str, columns: tuple[str, ...]) -> int:
        is_lost = " OR ".join(f"{column} NOT IN (SELECT id FROM messages)" for column in columns)  # noqa: S608
        return int(self._store.read(f"SELECT count(*) FROM {table} WHERE {is_lost}")[0][0])  # noqa: S608

    def reclaim_space(self, pause_seconds: float) -> None:
        """Return free pages to the file system in batches, with a pause after each, and truncate the WAL."""
        while self._store.read("PRAGMA freelist_count")[0][0] and self._store.vacuum(_VACUUM_PAGES):
            time.sleep(pause_seconds)
        self._store.truncate_wal()

    @contextmanager
    def secure_delete(self, db: sqlite3.Connection) -> Generator[None, None, None]:
        before = db.execute("PRAGMA secure_delete").fetchone()[0]
        try:
            db.execute("PRAGMA secure_delete=1")
            yield
        finally:
            db.execute(f"PRAGMA secure_delete={before}")

    def write_backup(self, target: Path, components: "Collection[ComponentTables]") -> None:  # noqa: ARG002
        check_type("target", target, Path)
        partial = Path(f"{target}.partial")
        try:
            if target.exists():
                raise CallerError(f"{target} is there already; choose another name.")
            os.close(os.open(partial, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600))
            with closing(sqlite3.connect(partial)) as copy:
                self._copy_to(copy)
                copy.execute("PRAGMA journal_mode=DELETE")
            partial.replace(target)
        except BaseException as error:
            with suppress(OSError, ValueError):
                partial.unlink()
            if not isinstance(error, OSError | ValueError | sqlite3.Error):
                raise
            why = error.strerror if isinstance(error, OSError) else error
            raise StoreError(f"No backup was written to {quote(str(target))}: {why}.") from error

    def _copy_to(self, target: sqlite3.Connection) -> None:
        """Copy the database while writers continue."""
        self._store.read("SELECT 1")  # finds out whether another file has replaced this one
        with closing(sqlite3.connect(self._store.path, timeout=BUSY_SECONDS)) as source:
            copy_in_batches(source, target)

    def _file_bytes(self, suffix: str) -> int:
        with suppress(OSError):
            return os.stat(f"{self._store.path}{suffix}").st_size
        return 0


@contextmanager
def interruptible(db: sqlite3.Connection) -> Generator[None, None, None]:
    """Let Ctrl-C end a statement that takes minutes. Python handles a signal only when SQLite calls it."""
    db.set_progress_handler(lambda: 0, _STEPS_BETWEEN_CALLS)
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
            raise KeyboardInterrupt from None
        raise


def copy_in_batches(source: sqlite3.Connection, target: sqlite3.Connection) -> None:
    """Copy a whole database in its present state. Ctrl-C ends it after a batch of pages."""
    # All batches are of one state. Without a transaction SQLite would start again after each write.
    source.execute("BEGIN")
    source.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
    source.backup(target, pages=_COPY_PAGES, progress=lambda *_: None)


def read_journal_mode(team: "Team") -> str:
    """Return how SQLite logs the changes of the team's file, such as "wal". Raise StoreError."""
    try:
        with closing(open_reader(team.database)) as db:
            return str(db.execute("PRAGMA journal_mode").fetchone()[0])
    except sqlite3.Error as error:
        raise as_store_error(team.name, error) from error
