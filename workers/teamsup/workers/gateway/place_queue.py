"""One place's order: what is heard there is dealt with one after another, and what was missed before it comes first."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class PlaceQueue(Generic[T]):
    """``take`` deals with one thing and returns when it is done with; ``catch_up`` brings what was missed up to now.

    Whenever listening was broken off somewhere, ``listening`` gives a higher number. Everything put here afterwards
    waits until what was missed is caught up, and that waits for everything put here before.
    """

    def __init__(
        self,
        listening: Callable[[], int],
        take: Callable[[T], Awaitable[None]],
        catch_up: Callable[[], Awaitable[None]],
    ) -> None:
        self._listening = listening
        self._take = take
        self._catch_up = catch_up
        self._caught_up = -1  # up to this number of listening
        self._waiting: deque[tuple[int, T]] = deque()  # each with the number at which it was put here
        self.task: asyncio.Task[None] | None = None

    @property
    def is_idle(self) -> bool:
        return self.task is None or self.task.done()

    def put(self, thing: T) -> None:
        """Deal with it in its turn."""
        self._waiting.append((self._listening(), thing))
        self._go()

    def missed_nothing(self, listening: int) -> None:
        """Up to that number of ``listening`` there is nothing to catch up, so nobody has to wait for it."""
        if self.is_idle:
            self._caught_up = listening

    def catch_up_again(self) -> None:
        """Something may have been missed, also if listening was not broken off."""
        self._caught_up = min(self._caught_up, self._listening() - 1)
        self._go()

    def _go(self) -> None:
        if self.is_idle:
            self.task = asyncio.create_task(self._work())

    async def _work(self) -> None:
        while True:
            if self._waiting and self._waiting[0][0] <= self._caught_up:
                await self._take(self._waiting[0][1])
                self._waiting.popleft()
            elif self._caught_up < (now := self._listening()):
                self._caught_up = now
                await self._catch_up()
            else:
                return


async def end(queues: Iterable[PlaceQueue[Any]], seconds: float) -> None:
    """Stop, after that time wherever they are: what is not stored then is found again by the next catch-up."""
    if not (tasks := [queue.task for queue in queues if queue.task is not None]):
        return
    _, unfinished = await asyncio.wait(tasks, timeout=seconds)
    for task in unfinished:
        task.cancel()
    if unfinished:
        await asyncio.wait(unfinished)
