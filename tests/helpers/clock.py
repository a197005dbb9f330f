"""Clocks that a test sets."""

import mmap
import struct
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass
class ManualClock:
    """Return ``now``, in Unix seconds, until the test changes it."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class SharedClock:
    """The wall clock of all processes that map this file, wrong by as many seconds as stand in it."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(8))
        self._read = time.time  # also if this clock takes its place later
        with path.open("r+b") as file:
            self._offset = mmap.mmap(file.fileno(), 8)

    def __call__(self) -> float:
        return self._read() + float(struct.unpack("d", self._offset[:])[0])

    def jump(self, offset: float) -> None:
        self._offset[:] = struct.pack("d", offset)
