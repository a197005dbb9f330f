"""Read the output of one process on the event loop, and show a line without an end after a second."""

import asyncio
from collections.abc import Callable

from .child import Child

_SHOW_AFTER_SECONDS = 1.0
"""Seconds without new output after which an unfinished line is shown."""
_SHOW_EVERY_SECONDS = 10.0
"""Seconds between two displays of a line that keeps changing, such as a progress bar."""


class LineReader:
    """Passes on the lines of a process; ``record`` gets them."""

    def __init__(self, child: Child, record: Callable[[list[str]], None]) -> None:
        self._child = child
        self._record = record
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._began_at: float | None = None
        """The time on the loop's clock when the unfinished line was first seen."""
        self._loop.add_reader(child.output, self._read)

    def close(self) -> None:
        """Pass on the last lines of an ended process."""
        self._loop.remove_reader(self._child.output)
        self._cancel_timer()
        self._child.close(self._record)

    def flush(self) -> None:
        """Pass on the unfinished line now."""
        self._cancel_timer()
        self._show_unfinished()

    def _read(self) -> None:
        if not self._child.read_lines(self._record):
            self._loop.remove_reader(self._child.output)
        self._cancel_timer()
        if not self._child.has_unfinished:
            self._began_at = None
            return
        now = self._loop.time()
        self._began_at = now if self._began_at is None else self._began_at
        due = min(now + _SHOW_AFTER_SECONDS, self._began_at + _SHOW_EVERY_SECONDS)
        self._timer = self._loop.call_at(due, self._show_unfinished)

    def _show_unfinished(self) -> None:
        self._timer, self._began_at = None, None
        self._child.flush(self._record)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
