"""The order of one channel: its events are handled one after another, and missed messages before new messages."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class ChannelQueue(Generic[T]):
    """``take`` handles one event and returns when it is done; ``catch_up`` fetches missed messages.

    ``listening`` returns a higher number after each interruption of the connection. Later events wait for the catch-up,
    and the catch-up waits for all earlier events.
    """

    def __init__(
        self,
        listening: Callable[[], int],
        handle: Callable[[T], Awaitable[None]],
        catch_up: Callable[[], Awaitable[None]],
    ) -> None:
        self._session = listening
        self._handle = handle
        self._catch_up = catch_up
        self._caught_up_to = -1  # events up to this number need no catch-up
        self._waiting: deque[tuple[int, T]] = deque()  # each with the value of listening() when it arrived
        self.task: asyncio.Task[None] | None = None

    @property
    def is_idle(self) -> bool:
        return self.task is None or self.task.done()

    def put(self, event: T) -> None:
        """Queue an event."""
        self._waiting.append((self._session(), event))
        self._ensure_running()

    def mark_caught_up(self, listening: int) -> None:
        """Note that the queue may handle events up to the number ``listening`` without a catch-up before them."""
        if self.is_idle:
            self._caught_up_to = listening

    def request_catch_up(self) -> None:
        """Request a catch-up, because messages may be missing even without an interruption."""
        self._caught_up_to = min(self._caught_up_to, self._session() - 1)
        self._ensure_running()

    def _ensure_running(self) -> None:
        if self.is_idle:
            self.task = asyncio.create_task(self._process())

    async def _process(self) -> None:
        while True:
            if self._waiting and self._waiting[0][0] <= self._caught_up_to:
                await self._handle(self._waiting[0][1])
                self._waiting.popleft()
            elif self._caught_up_to < (now := self._session()):
                self._caught_up_to = now
                await self._catch_up()
            else:
                return


async def stop_queues(queues: Iterable[ChannelQueue[Any]], seconds: float) -> None:
    """Stop the queues after ``seconds``. The next catch-up finds messages that are not stored by then."""
    if not (tasks := [queue.task for queue in queues if queue.task is not None]):
        return
    _, unfinished = await asyncio.wait(tasks, timeout=seconds)
    for task in unfinished:
        task.cancel()
    if unfinished:
        await asyncio.wait(unfinished)
