"""A claim beside an event loop, which leaves nothing leased when nobody waits for its result any more."""

import threading
from collections.abc import Callable
from contextlib import suppress

from .errors import TeamsupError
from .messages import Delivery


class Taking:
    """``take`` and, if need be, ``give_back`` in threads, since they wait for commits."""

    def __init__(self, take: Callable[[], list[Delivery]], give_back: Callable[[Delivery], None]) -> None:
        self._take = take
        self._give_back = give_back
        self._one_by_one = threading.Lock()
        self._is_unwanted = False
        self._taken: list[Delivery] = []

    async def result(self) -> list[Delivery]:
        """What was taken. Cancelled, also more than once, it is given back."""
        import asyncio  # not for those who have no event loop

        # Futures of the executor rather than tasks: the end of the loop cancels all of its tasks, but waits for these.
        loop = asyncio.get_running_loop()
        try:
            return await asyncio.shield(loop.run_in_executor(None, self._run))
        except asyncio.CancelledError:
            await asyncio.shield(loop.run_in_executor(None, self._undo))
            raise

    def _run(self) -> list[Delivery]:
        with self._one_by_one:
            if not self._is_unwanted:
                self._taken = self._take()
            return self._taken

    def _undo(self) -> None:
        with self._one_by_one:
            self._is_unwanted = True
            for delivery in self._taken:
                # What cannot be given back now comes back when its lease ends.
                with suppress(TeamsupError):
                    self._give_back(delivery)
