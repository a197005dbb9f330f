"""A claim beside an event loop, which leaves nothing leased when nobody waits for its result any more."""

import threading
from collections.abc import Callable
from contextlib import suppress

from ..errors import TeamsupError
from ..models import Delivery


class CancellableClaim:
    """``take`` and, if need be, ``give_back`` in threads, since they wait for commits."""

    def __init__(self, take: Callable[[], list[Delivery]], give_back: Callable[[Delivery], None]) -> None:
        self._claim = take
        self._release = give_back
        self._lock = threading.Lock()
        self._is_cancelled = False
        self._claimed: list[Delivery] = []

    async def result(self) -> list[Delivery]:
        """What was taken. Cancelled, also more than once, it is given back."""
        import asyncio  # not for those who have no event loop

        # Futures of the executor rather than tasks: the end of the loop cancels all of its tasks, but waits for these.
        loop = asyncio.get_running_loop()
        try:
            return await asyncio.shield(loop.run_in_executor(None, self._run))
        except asyncio.CancelledError:
            await asyncio.shield(loop.run_in_executor(None, self._release_claimed))
            raise

    def _run(self) -> list[Delivery]:
        with self._lock:
            if not self._is_cancelled:
                self._claimed = self._claim()
            return self._claimed

    def _release_claimed(self) -> None:
        with self._lock:
            self._is_cancelled = True
            for delivery in self._claimed:
                # What cannot be given back now comes back when its lease ends.
                with suppress(TeamsupError):
                    self._release(delivery)
