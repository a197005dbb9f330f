"""Kill orphans of many workers at once, because each search reads all processes.

It is separate from orphans.py, which commands import: asyncio would cost each of them 30 ms.
"""

import asyncio
from collections.abc import Callable

from . import orphans

_AFTER_START_SECONDS = 0.05


class OrphanKiller:
    """Kills orphans after each end of a worker's process. ``log`` writes a line."""

    def __init__(self, log: Callable[[str], None]) -> None:
        self._log = log
        self._pause = _AFTER_START_SECONDS
        self._names: dict[str, str] = {}
        """Names of workers, by the tags of their ended processes."""
        self._task: asyncio.Task[None] | None = None

    def add(self, name: str, tag: str) -> None:
        """Note that a process of this worker has ended, and search for processes with its tag."""
        self._names[tag] = name
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._kill_orphans())

    def skip_pause(self) -> None:
        """From now on, do not wait for further starts."""
        self._pause = 0.0

    async def wait(self) -> None:
        """Wait until no orphan of the added workers is left."""
        if self._task is not None:
            await self._task

    async def _kill_orphans(self) -> None:
        """Kill orphans after the next processes have started. The search must not take processor time from them."""
        while self._names:
            await asyncio.sleep(self._pause)
            names, self._names = self._names, {}
            try:
                left = await asyncio.to_thread(orphans.kill_orphans_of_workers, names)
            except Exception as error:
                # Continue after any error: the next search is for other processes.
                self._log(f"orphans of {', '.join(names.values())} cannot be found: {type(error).__name__}: {error}")
                continue
            for tag, killed in left.items():
                pids = ", ".join(map(str, killed))
                self._log(f"{names[tag]} had left {len(killed)} processes, which are killed: {pids}")
