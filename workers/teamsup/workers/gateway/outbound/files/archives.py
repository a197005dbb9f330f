"""Archives and compressed data: return their content, within limits. Pure."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO

MOST_BYTES = 64 << 20
_DEEPEST = 4
_Stream = IO[bytes] | io.BufferedIOBase
_CHUNK = 1 << 16
_BROKEN = (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, tarfile.TarError)
_UNKNOWN = {
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x04\x22\x4d\x18": "lz4",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!\x1a\x07": "rar",
    b"LZIP": "lzip",
    b"\x1f\x9d": "compress",
}
"""The first bytes of formats that no module of Python can read."""


class UnreadableArchive(Exception):
    """An archive cannot be read. The text is the end of a sentence, after "because"."""


def contents(content: bytes, most: int = MOST_BYTES) -> Iterator[bytes]:
    """Yield the content and everything packed in it, up to ``most`` bytes in total. Raise UnreadableArchive. Yield the
    readable part of a broken archive.
    """
    yield from _Look(most).into(content, 0)


class _Look:
    def __init__(self, most: int) -> None:
        self._most = self._left = most

    def into(self, content: bytes, depth: int) -> Iterator[bytes]:
        yield content
        for stream in _streams(content):
            if depth == _DEEPEST:
                raise UnreadableArchive(f"it is packed more than {_DEEPEST} times, too often to inspect")
            yield from self.into(self._read(stream), depth + 1)

    def _read(self, stream: _Stream) -> bytes:
        found = bytearray()
        try:
            with stream:
                while chunk := stream.read(_CHUNK):
                    found += chunk
                    if len(found) > self._left:
                        raise UnreadableArchive(f"it unpacks to more than {self._most >> 20} MiB, too much to inspect")
        except _BROKEN:
            pass
        self._left -= len(found)
        return bytes(found)


def _streams(content: bytes) -> Iterator[_Stream]:
    """Yield the packed files, one level deep."""
    for begins, kind in _UNKNOWN.items():
        if content.startswith(begins):
            raise UnreadableArchive(f"it is packed with {kind}, which cannot be inspected; use gzip, bzip2, xz or zip")
    file = io.BytesIO(content)
    if content.startswith(b"\x1f\x8b"):
        yield gzip.GzipFile(fileobj=file)
    elif content.startswith(b"BZh"):
        yield bz2.BZ2File(file)
    elif content.startswith((b"\xfd7zXZ\0", b"\x5d\0\0")):
        yield lzma.LZMAFile(file)  # noqa: SIM115 - who reads it closes it
    elif content[257:262] == b"ustar":
        yield from _in_tar(file)
    elif zipfile.is_zipfile(file):
        yield from _in_zip(file)


def _in_tar(file: IO[bytes]) -> Iterator[IO[bytes]]:
    try:
        with tarfile.open(fileobj=file, mode="r:") as archive:
            for member in archive:
                if (stream := archive.extractfile(member) if member.isreg() else None) is not None:
                    yield stream
    except _BROKEN:
        return


def _in_zip(file: IO[bytes]) -> Iterator[IO[bytes]]:
    try:
        with zipfile.ZipFile(file) as archive:
            for member in archive.infolist():
                yield archive.open(member)
    except (NotImplementedError, RuntimeError):
        raise UnreadableArchive("it is packed in a way that cannot be inspected, such as with a password") from None
    except _BROKEN:
        return
