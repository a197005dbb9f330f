"""Keep a copy of the database before a migration, so that a person can go back to an older teamsup."""

import logging
import os
import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from ...errors import StoreError, StoreFull

_log = logging.getLogger(__name__)

_FOLDER = "backups"
_NAME = re.compile(r"schema-\d+-\d{8}-\d{6}\.db")
_KEPT_COPIES = 3
_PAGES_PER_STEP = 1000
_SPARE_BYTES = 2**20


@contextmanager
def keep_copy(db: sqlite3.Connection, version: int, report: Callable[[float], None]) -> Iterator[None]:
    """Copy the database of a connection that holds the write lock; keep the copy if the ``with`` block has committed
    its change.

    ``version`` is the schema's version before the change. ``report`` is called with the copied part, from 0 to 1. Raise
    StoreFull and StoreError; then nothing has changed.
    """
    database = Path(db.execute("PRAGMA database_list").fetchone()["file"])
    folder = database.with_name(_FOLDER)
    partial = folder / "copy.partial"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        _check_space(db, database)
        _write_copy(database, partial, report)
    except OSError as error:
        raise StoreError(
            f"{database} was not changed, because no copy could be written to {folder}: {error}."
        ) from error
    try:
        yield
    except BaseException:
        # The migration has changed nothing, so keep the older copy and remove this one.
        with suppress(OSError):
            partial.unlink()
        raise
    copy = folder / f"schema-{version}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}.db"
    try:
        partial.replace(copy)
        for old in sorted(_copies_in(folder), key=lambda path: path.stat().st_mtime)[:-_KEPT_COPIES]:
            old.unlink()
    except OSError as error:
        _log.warning("%s was changed, but its copy is still named %s: %s", database, partial, error)
    else:
        _log.warning("The tables in %s were changed for a newer version. %s is a copy from before.", database, copy)


def _copies_in(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if _NAME.fullmatch(path.name)]


def _check_space(db: sqlite3.Connection, database: Path) -> None:
    """Raise StoreFull unless the disk has room for a copy, and for the same size again in the log."""
    (pages,), (page_bytes,) = db.execute("PRAGMA page_count").fetchone(), db.execute("PRAGMA page_size").fetchone()
    needed = 2 * pages * page_bytes + _SPARE_BYTES
    disk = os.statvfs(database.parent)
    free = disk.f_bavail * disk.f_frsize
    if free < needed:
        raise StoreFull(
            f"{database} must be changed for this version of teamsup. For a copy and the change that needs "
            f"{needed / 2**20:,.0f} MiB of free space; the disk has {free / 2**20:,.0f} MiB. Nothing was changed."
        )


def _write_copy(database: Path, target: Path, report: Callable[[float], None]) -> None:
    # A second connection sees the committed state, while the first one keeps writers away.
    os.close(os.open(target, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600))
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(target)) as copy:
        copy.execute("PRAGMA synchronous=OFF")
        source.backup(
            copy, pages=_PAGES_PER_STEP, progress=lambda _, left, total: report((total - left) / max(1, total))
        )
        copy.execute("PRAGMA journal_mode=DELETE")
    descriptor = os.open(target, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
