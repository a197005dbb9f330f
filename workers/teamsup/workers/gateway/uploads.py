"""Files that agents send: those that go with an answer, a sentence for each that does not, and their names."""

import re
from pathlib import Path
from typing import NamedTuple

from .sendable_files import NotSent, SendableFiles

MOST_FILES = 10


class Chosen(NamedTuple):
    """The paths of those that go, and a sentence for each that does not."""

    paths: tuple[str, ...]
    notes: tuple[str, ...]


class Attached(NamedTuple):
    """Names and contents of those that go, their paths, and a sentence for each that does not."""

    files: tuple[tuple[str, bytes], ...]
    paths: tuple[str, ...]
    notes: tuple[str, ...]


class LeftOut(Exception):
    """Some of the files of a piece cannot go any more."""

    def __init__(self, paths: tuple[str, ...], notes: tuple[str, ...]) -> None:
        super().__init__(" ".join(notes))
        self.paths = paths
        """Of those that still go."""
        self.notes = notes


def choose(wanted: object, sendable: SendableFiles, limit: int, most: int = MOST_FILES) -> Chosen:
    """Of the paths in a message's metadata those of files that may be sent, each of up to ``limit`` bytes."""
    paths: list[str] = []
    notes: list[str] = []
    for name in wanted if isinstance(wanted, list) else []:
        if len(paths) >= most:
            notes.append(_note(str(name), f"at most {MOST_FILES} files go with one answer"))
            continue
        found = attach([str(name)], sendable, limit)
        paths += found.paths
        notes += found.notes
    return Chosen(tuple(paths), tuple(notes))


def attach(paths: list[str], sendable: SendableFiles, limit: int) -> Attached:
    """Read these files."""
    files: list[tuple[str, bytes]] = []
    read: list[str] = []
    notes: list[str] = []
    for path in paths:
        try:
            files.append((safe_name(path), sendable.read(path, limit)))
        except NotSent as error:
            notes.append(_note(path, str(error)))
        else:
            read.append(path)
    return Attached(tuple(files), tuple(read), tuple(notes))


def safe_name(path: str) -> str:
    """The file's own name, of characters that mean nothing anywhere."""
    return re.sub(r"[^\w.+-]+", "_", Path(path).name, flags=re.ASCII).strip(".")[-100:] or "file"


def _note(path: str, why: str) -> str:
    return f"{safe_name(path)} is not attached: {why}."
