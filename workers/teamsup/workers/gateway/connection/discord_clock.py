"""Discord's time. Messages are stamped with it, and the clock of this host may be wrong by minutes or days."""

import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from types import SimpleNamespace

import aiohttp

from teamsup.terminal.formatting import format_duration

_AGREEMENT_SECONDS = 2.0  # Discord tells whole seconds, and an answer takes a moment
_TOLERANCE_SECONDS = 60.0
_API_PATH = "/api/"


def _steady_seconds() -> float:
    """Return the seconds of a clock that cannot be set. Where the system allows it, the clock goes on while the host
    sleeps.
    """
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class DiscordClock:
    """Discord's time in Unix seconds, learnt from its answers. Until the first answer it uses the host's time."""

    def __init__(self, steady: Callable[[], float] = _steady_seconds, host: Callable[[], float] = time.time) -> None:
        self._steady = steady
        self._host = host
        self._started_at = steady()
        self._ahead: float | None = None  # Discord's time minus the steady seconds

    def now(self) -> float:
        """Return the time at Discord."""
        return self._host() if self._ahead is None else self._steady() + self._ahead

    def started_at(self) -> float:
        """Return the time at Discord when this clock was made, which is the start of the process."""
        return self.now() - (self._steady() - self._started_at)

    def learn(self, seconds: float) -> None:
        """Set the clock to this time, which Discord has just sent."""
        if abs(self._host() - seconds) <= _AGREEMENT_SECONDS:
            seconds = self._host()  # the host's clock is more exact, and its logs show the same time
        elif self._ahead is not None and abs(self.now() - seconds) <= _AGREEMENT_SECONDS:
            return
        self._ahead = seconds - self._steady()

    def describe_skew(self) -> str:
        """Return a sentence about the host's clock, or an empty text if it agrees with Discord's."""
        skew = self._host() - self.now()
        if abs(skew) <= _TOLERANCE_SECONDS:
            return ""
        shown = format_duration(round(abs(skew), -1))  # no more is known for certain, and the text rarely changes
        return f"this host's clock is {shown} {'ahead of' if skew > 0 else 'behind'} Discord's"

    def trace(self) -> aiohttp.TraceConfig:
        """Return the hooks with which aiohttp tells this clock the date of each answer of the API.

        Ignore other answers, such as the answer to a new connection: a cache or a proxy may have set their date.
        """

        async def on_answer(
            _session: aiohttp.ClientSession, _context: SimpleNamespace, answer: aiohttp.TraceRequestEndParams
        ) -> None:
            date = answer.response.headers.get("Date") if answer.url.path.startswith(_API_PATH) else None
            if date and answer.response.status < HTTPStatus.BAD_REQUEST:
                try:
                    self.learn(parsedate_to_datetime(date).timestamp() + 0.5)
                except ValueError:
                    return  # not a date

        hooks = aiohttp.TraceConfig()
        hooks.on_request_end.append(on_answer)
        return hooks
