"""All pages that are open in browsers: look for changes, and render the pages after each change.

Nothing here runs while no page is open.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import asynccontextmanager

from teamsup.hub import TeamsupError

from ..page import RenderedRegion
from .open_page import OpenPage, RenderRegions
from .stream import Stream

LOOK_SECONDS = 0.05
"""Seconds between two looks for a change. A look takes some microseconds."""
_RENEWAL_SECONDS = 5.0
"""Seconds after which pages are rendered even without a change, because time alone can change a state."""
MAX_SHARE = 0.3
"""The share of a core that rendering for open pages may take over time. If it is used up, changes wait and are reported
together.
"""
MAX_CREDIT_SECONDS = 0.5
"""Seconds of rendering that may be saved in quiet times, for use in a burst of changes."""


class RenderingBudget:
    """Decides how long to rest after each rendering, so that all renderings together stay within MAX_SHARE."""

    def __init__(self, now: float) -> None:
        self._credit = MAX_CREDIT_SECONDS
        self._at = now

    def seconds_to_rest(self, begin: float, end: float) -> float:
        """Return the seconds to rest after a rendering from ``begin`` to ``end``."""
        earned = (begin - self._at) * MAX_SHARE
        self._credit = min(MAX_CREDIT_SECONDS, self._credit + earned) - (end - begin)
        self._at = end
        return max(0.0, -self._credit / MAX_SHARE)


class LivePages:
    """All open pages. ``find_change`` is quick, and returns a value that differs after each change."""

    def __init__(self, find_change: Callable[[], object], log: logging.Logger) -> None:
        self._find_change = find_change
        self._log = log
        self._pages: dict[Hashable, OpenPage] = {}
        self._loop: asyncio.Task[None] | None = None
        self._is_closed = False

    @property
    def count(self) -> int:
        """The number of open pages. Each window counts."""
        return sum(len(page.streams) for page in self._pages.values())

    @asynccontextmanager
    async def follow(self, key: Hashable, render: RenderRegions) -> AsyncIterator[Stream]:
        """Return the stream of a page that has been opened. ``render`` runs in a thread. Pages with the same ``key``
        have the same content.
        """
        page = self._pages.get(key)
        if page is None:
            page = self._pages[key] = OpenPage(render, self._log)
        stream = Stream(page.find_trouble)
        if self._loop is None:
            self._loop = asyncio.create_task(self._run())
        try:
            await page.join(stream)
            if self._is_closed:
                stream.close()
            yield stream
        finally:
            page.streams.discard(stream)
            if not page.streams and self._pages.get(key) is page:
                del self._pages[key]
            if not self._pages and self._loop is not None:
                self._loop.cancel()
                self._loop = None

    def find_region(self, key: Hashable, region: str) -> RenderedRegion | None:
        """Return the content of a region that an open page shows now, or None."""
        page = self._pages.get(key)
        return None if page is None else page.find_region(region)

    def close(self) -> None:
        """End all streams."""
        self._is_closed = True
        for page in self._pages.values():
            for stream in page.streams:
                stream.close()

    async def _run(self) -> None:
        known, rendered_at = self._look(), time.monotonic()
        budget = RenderingBudget(rendered_at)
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            change, now = self._look(), time.monotonic()
            if change == known and now - rendered_at < _RENEWAL_SECONDS:
                continue
            known, rendered_at = change, now
            for page in list(self._pages.values()):
                await page.report_changes()
            await asyncio.sleep(budget.seconds_to_rest(now, time.monotonic()))

    def _look(self) -> object:
        try:
            return self._find_change()
        except (TeamsupError, OSError) as error:
            return str(error)
