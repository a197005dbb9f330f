"""Files that agents send: those that go with an answer, a sentence for each that does not, and their names."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from .sendable_files import NotSent, SendableFiles

MOST_FILES = 10


class Chosen(NamedTuple):
    """The paths of those that go, and a sentence for each reason why others do not."""

    paths: tuple[str, ...]
    notes: tuple[str, ...]


class Attached(NamedTuple):
    """Names and contents of those that go, their paths, and a sentence for each reason why others do not."""

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
    refused: list[tuple[str, str]] = []
    for path in map(str, wanted if isinstance(wanted, list) else []):
        try:
            if len(paths) >= most:
                raise NotSent(f"at most {MOST_FILES} files go with one answer")
            sendable.read(path, limit)
        except NotSent as error:
            refused.append((path, str(error)))
        else:
            paths.append(path)
    return Chosen(tuple(paths), _notes(refused))


def attach(paths: list[str], sendable: SendableFiles, limit: int) -> Attached:
    """Read these files."""
    files: list[tuple[str, bytes]] = []
    read: list[str] = []
    refused: list[tuple[str, str]] = []
    for path in paths:
        try:
            files.append((safe_name(path), sendable.read(path, limit)))
        except NotSent as error:
            refused.append((path, str(error)))
        else:
            read.append(path)
    return Attached(tuple(files), tuple(read), _notes(refused))


def safe_name(path: str) -> str:
    """The file's own name, of characters that mean nothing anywhere."""
    return re.sub(r"[^\w.+-]+", "_", Path(path).name, flags=re.ASCII).strip(".")[-100:] or "file"


def _notes(refused: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """A sentence for each reason; ``refused`` are paths and reasons."""
    names: dict[str, list[str]] = {}
    for path, why in refused:
        names.setdefault(why, []).append(safe_name(path))
    return tuple(
        f"{', '.join(of_them)} {'is' if len(of_them) == 1 else 'are'} not attached: {why}."
        for why, of_them in names.items()
    )
