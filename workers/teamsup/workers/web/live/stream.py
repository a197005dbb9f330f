"""Server-sent events for one open page: the versions that the page does not know yet."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping

BEAT_SECONDS = 15.0
"""Seconds between two signs of life. If none arrives for 20 seconds, the page shows that it is not live."""


class Stream:
    """The events that one open page must get. Only the newest version of a region is kept, so a slow page costs no
    memory."""

    def __init__(self, find_trouble: Callable[[], str] = str) -> None:
        """``find_trouble`` returns why the state is unknown now, or an empty text."""
        self._find_trouble = find_trouble
        self._whole: Mapping[str, str] | None = None
        self._changed: dict[str, str] = {}
        self._trouble: str | None = None
        self._is_closed = False
        self._wake = asyncio.Event()

    def report_all(self, versions: Mapping[str, str]) -> None:
        """Report the versions of all regions, which contain all changes so far."""
        self._whole, self._trouble = versions, None
        self._changed.clear()
        self._wake.set()

    def report(self, region: str, version: str) -> None:
        """Report the new version of a region."""
        self._changed[region] = version
        self._wake.set()

    def report_trouble(self, sentence: str) -> None:
        """Report why the state is unknown now. This lasts until the next ``report_all``."""
        self._whole, self._trouble = None, sentence
        self._changed.clear()
        self._wake.set()

    def close(self) -> None:
        """End the stream when the worker or the session ends."""
        self._is_closed = True
        self._wake.set()

    async def events(self, now: Callable[[], float], beat_seconds: float = BEAT_SECONDS) -> AsyncIterator[bytes]:
        """Yield the events in the form for the browser, and a sign of life when there are no events. ``now`` returns
        Unix seconds.
        """
        while True:
            try:
                async with asyncio.timeout(beat_seconds):
                    await self._wake.wait()
            except TimeoutError:
                # A connection that lives does not show that somebody still reads the state.
                if trouble := self._find_trouble():
                    self.report_trouble(trouble)
                else:
                    # A script does not see a comment, so an event follows it.
                    yield b": beat\n" + _event("beat", {"now": now()})
            if self._is_closed:
                return
            self._wake.clear()
            for event in self._take_events(now()):
                yield event

    def _take_events(self, now: float) -> list[bytes]:
        whole, trouble, changed = self._whole, self._trouble, self._changed
        self._whole, self._trouble, self._changed = None, None, {}
        if trouble is not None:
            return [_event("trouble", {"now": now, "sentence": trouble})]
        events = [] if whole is None else [_event("whole", {"now": now, "regions": dict(whole)})]
        events += [_event("region", {"now": now, "id": region, "version": each}) for region, each in changed.items()]
        return events


def _event(name: str, data: Mapping[str, object]) -> bytes:
    return f"event: {name}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()
