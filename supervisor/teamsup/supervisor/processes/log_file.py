"""One log file: append, rotate, reopen after another program has moved it, and report lost lines."""

import errno
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

_CHECK_SECONDS = 1.0
_DISK_FULL_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class LogFile:
    """A log file whose methods do not raise errors. It counts lines that it cannot write, and writes the count before
    the next line.
    """

    def __init__(self, path: Path, size: int, kept: int) -> None:
        """Keep at most ``size`` bytes in the file, and ``kept`` older files, whose names end in .1, .2 …"""
        self._max_bytes = size
        self._kept_files = kept
        self._path = path
        self._file: int | None = None
        self._bytes = 0
        self._check_at = 0.0
        self._lost_lines = 0
        self._loss_reason = ""
        with suppress(OSError):
            self._open()

    def set_limits(self, size: int, kept: int) -> None:
        """Keep at most ``size`` bytes and ``kept`` older files from now on."""
        self._max_bytes, self._kept_files = size, kept

    def write(self, at: str, lines: Sequence[str]) -> None:
        """Append lines, each with the time in front."""
        shown = [f"{self._lost_lines} lines were lost {self._loss_reason}", *lines] if self._lost_lines else lines
        data = "".join(f"{at} {line}\n" for line in shown).encode("utf-8", "replace")
        try:
            self._write(data)
        except OSError as error:
            if not self._lost_lines:
                full = error.errno in _DISK_FULL_ERRORS
                self._loss_reason = "while the disk was full" if full else f"because of an error: {error.strerror}"
            self._lost_lines += len(lines)
        else:
            self._lost_lines = 0

    def reopen(self) -> None:
        """Let the next write check at once whether another file has the name now."""
        self._check_at = 0.0
        with suppress(OSError):
            self._reopen_if_moved()

    def require_writable(self) -> None:
        """Raise OSError unless the file can be opened."""
        if self._file is None:
            self._open()

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _write(self, data: bytes) -> None:
        """Append the whole text or nothing. Raise OSError."""
        self._reopen_if_moved()
        if self._bytes and self._bytes + len(data) > self._max_bytes:
            self._rotate()
        if self._file is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        written = 0
        try:
            while written < len(data):
                written += os.write(self._file, data[written:])
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._file, os.fstat(self._file).st_size - written)
            raise
        self._bytes += written

    def _reopen_if_moved(self) -> None:
        """At most once a second, check whether another file has the name now, and open it. While that fails, continue
        to write to the old file. Its folder may have been moved, and may return.
        """
        now = time.monotonic()
        if now < self._check_at:
            return
        self._check_at = now + _CHECK_SECONDS
        if self._file is not None:
            found = os.fstat(self._file)
            with suppress(OSError):
                if os.path.samestat(found, os.stat(self._path)):
                    self._bytes = found.st_size
                    return
        try:
            self._open()
        except OSError:
            if self._file is None:
                raise

    def _open(self) -> None:
        """Open the file of this name, or create it. Raise OSError."""
        with suppress(OSError):
            self._path.parent.mkdir(mode=0o700)
        file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self.close()
        self._file, self._bytes = file, os.fstat(file).st_size

    def _rotate(self) -> None:
        """Begin another file. If that is impossible, the open file grows."""
        names = [self._path, *(Path(f"{self._path}.{number}") for number in range(1, self._kept_files + 1))]
        with suppress(OSError):
            for older, newer in zip(reversed(names[1:]), reversed(names[:-1]), strict=True):
                with suppress(FileNotFoundError):
                    newer.replace(older)
            self._open()
