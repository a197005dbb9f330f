"""Files that agents send: which may go, and under what name."""

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from teamsup.hub import Team

MOST_FILES = 10
_MIB = 1 << 20


class Chosen(NamedTuple):
    """The paths of those that go, and a sentence for each that does not."""

    paths: tuple[str, ...]
    notes: tuple[str, ...]


def choose(wanted: object, team: Team, limit: int, most: int = MOST_FILES) -> Chosen:
    """Of the paths in a message's metadata those that are files which fit; relative ones are in the team's folder."""
    paths: list[str] = []
    notes: list[str] = []
    for name in wanted if isinstance(wanted, list) else []:
        path = Path(str(name))
        try:
            found = _file(path, team)
            size = found.stat().st_size
        except (OSError, ValueError, RuntimeError):
            notes.append(f"{safe_name(path)} is not attached: there is no such file that may be read.")
            continue
        if size > limit:
            shown = f"{size / _MIB:.1f} MiB, and at most {limit / _MIB:.0f} MiB may be sent here"
            notes.append(f"{safe_name(path)} is not attached: it has {shown}.")
        elif len(paths) >= most:
            notes.append(f"{safe_name(path)} is not attached: at most {MOST_FILES} files go with one answer.")
        else:
            paths.append(str(found))
    return Chosen(tuple(paths), tuple(notes))


def read(path: str, team: Team, limit: int) -> bytes:
    """The content of a chosen file. Raises OSError when it is not there any more, or has grown."""
    with _file(Path(path), team).open("rb") as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise OSError(f"{path} has grown")
    return content


def safe_name(path: Path) -> str:
    """The file's own name, of characters that mean nothing anywhere."""
    return re.sub(r"[^\w.+-]+", "_", path.name, flags=re.ASCII).strip(".")[-100:] or "file"


def _file(path: Path, team: Team) -> Path:
    """Raises OSError unless it is a regular file that we can read."""
    folder = team.folder.resolve()
    found = (folder / path).resolve(strict=True)
    if not path.is_absolute() and not found.is_relative_to(folder):
        raise PermissionError(f"{path} is outside the team's folder")
    state = found.stat()
    # Opening the database as a file would drop SQLite's locks.
    if not stat.S_ISREG(state.st_mode) or (state.st_dev, state.st_ino) in _database(team):
        raise PermissionError(f"{path} is no file to send")
    if not os.access(found, os.R_OK):
        raise PermissionError(f"{path} cannot be read")
    return found


def _database(team: Team) -> Iterator[tuple[int, int]]:
    for suffix in ("", "-wal", "-shm"):
        try:
            state = os.stat(f"{team.database}{suffix}")
        except OSError:
            continue
        yield state.st_dev, state.st_ino
