"""All pages that are open in browsers: look for changes, and render the pages after each.

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
"""Seconds after which pages are rendered without a change, because time alone also changes a state."""
_MAX_SHARE = 0.1
"""The share of a core that rendering for open pages may take. So many changes are reported together."""


class LivePages:
    """All open pages. ``find_change`` returns a value that differs after each change, and takes no time."""

    def __init__(self, find_change: Callable[[], object], log: logging.Logger) -> None:
        self._find_change = find_change
        self._log = log
        self._pages: dict[Hashable, OpenPage] = {}
        self._loop: asyncio.Task[None] | None = None
        self._is_closed = False

    @property
    def count(self) -> int:
        """The number of open pages, each window for itself."""
        return sum(len(page.streams) for page in self._pages.values())

    @asynccontextmanager
    async def follow(self, key: Hashable, render: RenderRegions) -> AsyncIterator[Stream]:
        """Return the stream of a page that has been opened. ``render`` runs in a thread. Pages with the same ``key``
        show the same.
        """
        stream = Stream()
        page = self._pages.get(key)
        if page is None:
            page = self._pages[key] = OpenPage(render, self._log)
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
        """Return the content of a region that an open page shows now; None if none shows it."""
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
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            change, now = self._look(), time.monotonic()
            if change == known and now - rendered_at < _RENEWAL_SECONDS:
                continue
            known, rendered_at = change, now
            for page in list(self._pages.values()):
                await page.report_changes()
            spent = time.monotonic() - rendered_at
            await asyncio.sleep(spent / _MAX_SHARE)

    def _look(self) -> object:
        try:
            return self._find_change()
        except (TeamsupError, OSError) as error:
            return str(error)
