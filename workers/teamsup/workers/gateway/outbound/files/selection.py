"""Select the files to send with an answer, and write a sentence about each file that is not sent."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ...markup import sanitize_file_name
from .sendable_files import FileNotSendable, SendableFiles

MAX_FILES = 10


class LoadedFiles(NamedTuple):
    """Names, contents and paths of selected files, and a sentence for each reason why others are left out."""

    files: tuple[tuple[str, bytes], ...] = ()
    paths: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class FilesDropped(Exception):
    """Some files of a chunk can no longer be sent."""

    def __init__(self, paths: tuple[str, ...], notes: tuple[str, ...]) -> None:
        super().__init__(" ".join(notes))
        self.paths = paths
        """The paths of the files that are still sent."""
        self.notes = notes


def load_files(wanted: object, sendable: SendableFiles, limit: int, most: int = MAX_FILES) -> LoadedFiles:
    """Read the sendable files of the paths in a message's metadata, each of up to ``limit`` bytes."""
    read: list[tuple[str, bytes]] = []
    refused: list[tuple[str, str]] = []
    for path in map(str, wanted if isinstance(wanted, list) else []):
        try:
            if len(read) >= most:
                raise FileNotSendable(f"at most {MAX_FILES} files go with one answer")
            read.append((path, sendable.read(path, limit)))
        except FileNotSendable as error:
            refused.append((path, str(error)))
    files = tuple((file_name_of(path), content) for path, content in read)
    return LoadedFiles(files, tuple(path for path, _ in read), _describe_rejected(refused))


def file_name_of(path: str) -> str:
    """Return the name under which a file of that path is sent."""
    return sanitize_file_name(Path(path).name)


def _describe_rejected(refused: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """Return a sentence for each reason; ``refused`` are paths and reasons."""
    names: dict[str, list[str]] = {}
    for path, why in refused:
        names.setdefault(why, []).append(file_name_of(path))
    return tuple(
        f"{', '.join(of_them)} {'is' if len(of_them) == 1 else 'are'} not attached: {why}."
        for why, of_them in names.items()
    )
