"""From requests into the hub: what arrives together is stored together, and is said to be stored only then.

A request of very many alerts is stored in parts. When that ends in the middle, its source comes again, and counts the
first ones twice.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from teamsup.hub import MessageHub
from teamsup.hub.errors import SchemaTooNew, StoreBusy, StoreCorrupt, StoreFull, StoreReadOnly

from .sources import News

Take = Callable[[str, News], None]
"""Stores what a source says, or raises StoreError and stores nothing. It may block. Called in a transaction."""
Prepare = Callable[[News], News]
"""What is to be done with it before, and may take a while."""

_TOGETHER = 200
"""So many alerts share a transaction, more or less: the hub is others' too."""
_WAITING = 1000
"""So many requests may wait."""
_CANNOT_STORE = (SchemaTooNew, StoreBusy, StoreCorrupt, StoreFull, StoreReadOnly)
"""Troubles that are the same for everybody."""


class TooMany(Exception):
    """More waits already than is good; come again."""


class _TakenBack(Exception):
    """Rolls back what was only rehearsed."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    source: str
    news: News
    stored: asyncio.Future[None]


class Intake:
    """Hands what requests say to ``take``, in the order of arrival, on a thread."""

    def __init__(self, hub: MessageHub, take: Take, prepare: Prepare) -> None:
        self._hub = hub
        self._take = take
        self._prepare = prepare
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

    async def rehearse(self, source: str, news: News) -> None:
        """Do all that store() does, and take it back. Raises what store() raises."""
        await asyncio.to_thread(self._rehearse, source, news)

    def _rehearse(self, source: str, news: News) -> None:
        with contextlib.suppress(_TakenBack):
            prepared = self._prepare(news)
            with self._hub.transaction():
                self._take(source, prepared)
                raise _TakenBack

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
        for waiting in self._waiting:
            alerts += len(waiting.news)
            if count and alerts > _TOGETHER:
                break
            count += 1
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        return batch

    def _store(self, batch: list[_Waiting]) -> list[Exception | None]:
        if len(batch) == 1:
            return [self._store_in_parts(batch[0].source, batch[0].news, _TOGETHER)]
        if error := self._store_at_once([(each.source, each.news) for each in batch]):
            return (
                [error] * len(batch) if isinstance(error, _CANNOT_STORE) else [self._store([each])[0] for each in batch]
            )
        return [None] * len(batch)

    def _store_in_parts(self, source: str, news: News, size: int) -> Exception | None:
        """A large one in several transactions; of one that cannot be taken all that can be. What failed first."""
        failed: Exception | None = None
        for begin in range(0, max(len(news), 1), size):
            part = news[begin : begin + size]
            error = self._store_at_once([(source, part)])
            if isinstance(error, _CANNOT_STORE):
                return error
            if error is not None and len(part) > 1:
                error = self._store_in_parts(source, part, 1)
            failed = failed or error
        return failed

    def _store_at_once(self, all_news: Sequence[tuple[str, News]]) -> Exception | None:
        try:
            prepared = [(source, self._prepare(news)) for source, news in all_news]
            with self._hub.transaction():
                for source, news in prepared:
                    self._take(source, news)
        except Exception as error:
            return error
        return None
