"""Decide whether messages.db is the same file as before, a new file, or another database in its place.

SQLite finds the write-ahead log (``-wal``) by its name. If another database takes the place of the old one, SQLite
would write pages of the old log into it. Everything here uses stat alone: a plain open and close of the database or its
``-shm`` drops SQLite's locks in this process.
"""

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from ...errors import StoreError, StoreReplaced, StoreUnavailable

Inode = tuple[int, int]
"""st_dev and st_ino."""

_RECORD_FILE = "database.json"


class DatabaseFiles(NamedTuple):
    """The identities of the team's folder, its database, and its log; None for a file that is missing."""

    folder: Inode | None
    database: Inode | None
    log: Inode | None


def find_inode(path: str) -> Inode | None:
    """Return the identity of the file with this name, or None if there is none. Raise StoreError when it cannot be
    read.
    """
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"{path} cannot be looked up: {error.strerror}.") from error
    return found.st_dev, found.st_ino


def find_files(path: Path) -> DatabaseFiles:
    """Return the present files. Raise the errors of find_inode()."""
    return DatabaseFiles(find_inode(str(path.parent)), find_inode(str(path)), find_inode(f"{path}-wal"))


def check_open(path: Path, known: DatabaseFiles, found: DatabaseFiles) -> None:
    """Raise an error unless a process may keep the files ``known`` open while the files ``found`` have the same names.

    Only a database that was removed together with its log may be created again. Raise StoreUnavailable while the folder
    is away. Raise StoreReplaced while the log of the known database is beside another database, or alone.
    """
    if found.database is None and found.folder != known.folder:
        raise StoreUnavailable(f"{path.parent} is not there at present. Move or mount it back; nothing was changed.")
    check_log(path, known, found)


def check_log(path: Path, known: DatabaseFiles, found: DatabaseFiles) -> None:
    """Raise StoreReplaced when the log does not belong to the present database."""
    if found.log is None or found.log != known.log or found.database == known.database:
        return
    if found.database is None:
        raise StoreReplaced(
            f"{path} is gone, but its log {path.name}-wal is there. Move {path.name} back, or restore a backup with: "
            "teamsup hub restore FILE"
        )
    raise StoreReplaced(
        f"{path} was replaced by another file while its log {path.name}-wal was in use. Move the new file away and "
        "restore it with: teamsup hub restore FILE"
    )


def read_record(run: Path) -> DatabaseFiles | None:
    """Return the files that the last process found when it opened the database; None if unknown."""
    try:
        data = json.loads(run.joinpath(_RECORD_FILE).read_text("utf-8"))
        return DatabaseFiles(
            *(None if data[name] is None else (int(data[name][0]), int(data[name][1])) for name in _RECORD_KEYS)
        )
    except (OSError, ValueError, TypeError, KeyError, IndexError, RecursionError):
        return None


def write_record(run: Path, found: DatabaseFiles) -> None:
    """Record the found files for the next process. If this write fails, the next process may not notice a replaced
    file.
    """
    new = run / f"{_RECORD_FILE}.{os.getpid()}"
    with suppress(OSError):
        descriptor = os.open(new, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            json.dump(found._asdict(), file)
        new.replace(run / _RECORD_FILE)


_RECORD_KEYS = ("folder", "database", "log")
