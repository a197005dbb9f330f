"""The supervisor's own troubles, which make it degraded."""

import asyncio
import time
from collections.abc import Awaitable, Callable


class Troubles:
    """The supervisor's own troubles, by cause: a key such as ``configuration``.

    ``log`` shows a line to the operator; ``on_change`` is called when the troubles change.
    """

    def __init__(self, log: Callable[[str], None], on_change: Callable[[], None]) -> None:
        self.since: float | None = None
        """Unix seconds of the first trouble."""
        self.log = log
        self._on_change = on_change
        self._reasons: dict[str, str] = {}

    def begin(self, cause: str, reason: str) -> None:
        """Note a trouble, until ``end(cause)``. ``reason`` is a sentence for people."""
        if self._reasons.get(cause) != reason:
            self._reasons[cause] = reason
            self.since = self.since or time.time()
            self.log(reason)
            self._on_change()

    def end(self, cause: str) -> None:
        """Note that the trouble of this ``cause`` is over."""
        if (reason := self._reasons.pop(cause, None)) is not None:
            self.since = self.since if self._reasons else None
            self.log(f"over: {reason}")
            self._on_change()

    async def attempt(self, action: Callable[[], Awaitable[None]], trouble: str) -> None:
        """Run the action. A bug in the action does not end the supervisor, but is a trouble until the
        action succeeds.
        """
        try:
            await action()
        except Exception as error:
            self.begin(trouble, f"{trouble}: {type(error).__name__}: {error}.")
        else:
            self.end(trouble)

    async def repeat(
        self, seconds: float | Callable[[], float], action: Callable[[], Awaitable[None]], trouble: str
    ) -> None:
        """Run the action at this interval until cancelled; a failure is a trouble.

        All actions run at multiples of their intervals, so that one wake-up of the processor is enough for several.
        """
        while True:
            interval = seconds() if callable(seconds) else seconds
            await asyncio.sleep(seconds_to_multiple(interval, time.monotonic()))
            await self.attempt(action, trouble)

    def __contains__(self, cause: str) -> bool:
        return cause in self._reasons

    def __bool__(self) -> bool:
        return bool(self._reasons)

    def __str__(self) -> str:
        return " ".join(self._reasons.values())


def seconds_to_multiple(interval: float, now: float) -> float:
    """Return the seconds until the next multiple of the interval. Pure.

    A timer may end a little early, so a multiple that is very near is the present one.
    """
    left = interval - now % interval
    return left if left > interval / 20 else left + interval
