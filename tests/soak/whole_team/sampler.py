"""Looks at the team every second or two: memory of each process, files, and what has arrived."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import psutil

from helpers.support import run_foreign_sql

from .growth import Sample
from .rig import TeamRig

_MIB = 1 << 20


@dataclass
class Sampler:
    """Keeps the samples of a run."""

    rig: TeamRig
    began: float
    count_completed: Callable[[], Mapping[str, int]]
    """How many of each kind of traffic are complete."""
    memory: list[Sample] = field(default_factory=list)
    files: list[Sample] = field(default_factory=list)
    store: list[tuple[float, int, int]] = field(default_factory=list)
    """Seconds, bytes and messages."""
    series: list[dict[str, Any]] = field(default_factory=list)
    """For the plot: one entry a look."""

    async def run(self, every: float) -> None:
        while True:
            await asyncio.to_thread(self.look)
            await asyncio.sleep(every)

    def look(self) -> None:
        seconds = time.monotonic() - self.began
        found = {**self.rig.workers(), **{f"mcp {name}": one for name, one in self.rig.sessions().items()}}
        memory = {}
        for name, process in found.items():
            with contextlib.suppress(psutil.Error):
                if not (value := process.memory_info().rss / _MIB):
                    continue  # it has ended, and nobody has reaped it yet
                age = time.time() - process.create_time()
                self.memory.append(Sample(seconds, name, process.pid, value, age))
                memory[name] = round(value, 1)
        number, size = self.rig.count_files()
        self.files.append(Sample(seconds, "files", 0, number))
        self.files.append(Sample(seconds, "files besides the store", 0, size / _MIB))
        self.series.append({"seconds": round(seconds, 1), "completed": dict(self.count_completed()), "memory": memory})

    def look_at_store(self) -> None:
        """Note the size of the store and the number of its messages."""
        with contextlib.suppress(Exception):  # the store may be away; the next look will do
            ((messages,),) = run_foreign_sql(self.rig.team, "SELECT count(*) FROM messages")
            if self.rig.server is None:
                size = self.rig.team.database.stat().st_size
            else:
                ((size,),) = run_foreign_sql(self.rig.team, "SELECT pg_database_size(current_database())")
            self.store.append((time.monotonic() - self.began, size, messages))

    def bytes_per_message(self) -> tuple[float, float]:
        """Return the bytes by which the store has grown for each message, in the first and in the second half."""
        middle = len(self.store) // 2
        return _grown(self.store[: middle + 1]), _grown(self.store[middle:])


def _grown(looks: list[tuple[float, int, int]]) -> float:
    if not looks:
        return 0.0
    _, size, messages = (last - first for first, last in zip(looks[0], looks[-1], strict=True))
    return size / max(messages, 1)
