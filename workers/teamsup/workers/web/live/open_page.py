"""One page as one person sees it, in one or more windows: its present content, and the content that its streams have
reported.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping

from teamsup.hub import TeamsupError

from ..page import RenderedRegion
from .stream import Stream

STUCK_SECONDS = 30.0
"""After this time without a rendering, a page reports its state as unknown, because the hub or a component may hang."""
EVIDENCE_SECONDS = 10.0
"""The minimum seconds between two reports of a region that differs only in ages and figures."""

Regions = Mapping[str, RenderedRegion]
RenderRegions = Callable[[], Regions]


class OpenPage:
    """A page that is open. ``render`` returns its regions; it runs in a thread."""

    def __init__(self, render: RenderRegions, log: logging.Logger) -> None:
        self.streams: set[Stream] = set()
        self._render = render
        self._log = log
        self._lock = asyncio.Lock()
        self._current: Regions | None = None
        self._rendered_at = time.monotonic()
        self._trouble = ""
        """The reason why the regions are unknown now; empty if they are known."""
        self._reported: dict[str, tuple[RenderedRegion, float]] = {}
        """The last reported form of each region, with its monotonic second."""

    def find_region(self, region: str) -> RenderedRegion | None:
        """Return the present content of a region, or None if it is not known."""
        return None if self._trouble or self._current is None else self._current.get(region)

    def find_trouble(self) -> str:
        """Return why the state is unknown now, or an empty text. A rendering that does not end is a reason too."""
        seconds = time.monotonic() - self._rendered_at
        if seconds > STUCK_SECONDS and not self._trouble:
            self._trouble = f"The state of the team could not be read for {seconds:.0f} seconds."
        return self._trouble

    async def join(self, stream: Stream) -> None:
        """Report the whole state to a new stream, and add the stream to those that get changes. No change is lost in
        between.
        """
        self.streams.add(stream)
        async with self._lock:
            await self._refresh()
            self._report_all((stream,))

    async def report_changes(self) -> None:
        """Render, and report the regions that differ from those that were reported."""
        async with self._lock:
            if had_trouble := await self._refresh():
                self._report_all(self.streams)
            if self._trouble or had_trouble or self._current is None:
                return
            now = time.monotonic()
            for region, shown in self._current.items():
                before, at = self._reported.get(region, (None, now))
                if before is None or is_due(before, shown, now - at):
                    self._reported[region] = shown, now
                    for stream in self.streams:
                        stream.report(region, shown.version)

    async def _refresh(self) -> bool:
        """Render. Only one rendering runs at a time, so an old result never replaces a newer result.

        Return whether a trouble has begun or ended.
        """
        try:
            self._current, trouble = await asyncio.to_thread(self._render), ""
        except (TeamsupError, OSError) as error:
            trouble = str(error)
        except Exception as error:
            trouble = f"This page cannot be rendered: {type(error).__name__}."
            if trouble != self._trouble:
                self._log.exception("a page cannot be rendered")
        before, self._trouble, self._rendered_at = self._trouble, trouble, time.monotonic()
        return before != trouble

    def _report_all(self, streams: Iterable[Stream]) -> None:
        regions = {} if self._current is None else self._current
        if not self._trouble and not self._reported:
            now = time.monotonic()
            self._reported = {region: (shown, now) for region, shown in regions.items()}
        for stream in streams:
            if self._trouble:
                stream.report_trouble(self._trouble)
            else:
                stream.report_all({region: shown.version for region, shown in regions.items()})


def is_due(reported: RenderedRegion, shown: RenderedRegion, seconds: float) -> bool:
    """Return whether to report a region again after this many seconds. Pure."""
    if reported.version == shown.version:
        return False
    return reported.meaning != shown.meaning or seconds >= EVIDENCE_SECONDS
