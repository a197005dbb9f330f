"""From requests into the hub: what arrives together is stored together, and is said to be stored only then."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from teamsup.hub import MessageHub
from teamsup.hub.errors import StoreBusy, StoreCorrupt, StoreFull, StoreReadOnly

from .sources import News

Take = Callable[[str, News], None]
"""Stores what a source says, or raises StoreError and stores nothing. It may block. Called in a transaction."""

_TOGETHER = 200
"""So many alerts share a transaction, more or less: the hub is others' too."""
_WAITING = 1000
"""So many requests may wait."""
_CANNOT_STORE = (StoreBusy, StoreCorrupt, StoreFull, StoreReadOnly)
"""Troubles that are the same for everybody."""


class TooMany(Exception):
    """More waits already than is good; come again."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    source: str
    news: News
    stored: asyncio.Future[None]


class Intake:
    """Hands what requests say to ``take``, in the order of arrival, on a thread."""

    def __init__(self, hub: MessageHub, take: Take) -> None:
        self._hub = hub
        self._take = take
        self._waiting: list[_Waiting] = []
        self._at_work: asyncio.Task[None] | None = None

    async def store(self, source: str, news: News) -> None:
        """Returns when it is stored. Raises StoreError, TooMany, or whatever take() has raised; then nothing is."""
        if len(self._waiting) >= _WAITING:
            raise TooMany
        waiting = _Waiting(source, news, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._at_work is None:
            self._at_work = asyncio.create_task(self._work())
        await waiting.stored

    async def close(self) -> None:
        """Store what waits."""
        if self._at_work is not None:
            await self._at_work

    async def _work(self) -> None:
        try:
            while batch := self._next():
                for waiting, error in zip(batch, await asyncio.to_thread(self._store, batch), strict=True):
                    # Whoever asked may have gone; what they said is stored all the same.
                    if waiting.stored.done():
                        continue
                    if error is None:
                        waiting.stored.set_result(None)
                    else:
                        waiting.stored.set_exception(error)
        finally:
            self._at_work = None

    def _next(self) -> list[_Waiting]:
        count = alerts = 0
        while count < len(self._waiting) and alerts < _TOGETHER:
            alerts += len(self._waiting[count].news)
            count += 1
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        return batch

    def _store(self, batch: list[_Waiting]) -> list[Exception | None]:
        try:
            with self._hub.transaction():
                for waiting in batch:
                    self._take(waiting.source, waiting.news)
        except _CANNOT_STORE as error:
            return [error] * len(batch)
        except Exception as error:
            # One that cannot be taken must not be the end of the others.
            if len(batch) == 1:
                return [error]
            return [outcome for waiting in batch for outcome in self._store([waiting])]
        return [None] * len(batch)
