"""How often we log in: Discord takes the token away from a bot that does it a thousand times in a day."""

import json
import time
from collections.abc import Callable, Sequence

from teamsup.hub import MessageHub

from .facts import fact, note

_A_DAY = 86_400.0
MOST = 500
APART_SECONDS = 5.0
_FACT = "logins"


class TooManyLogins(Exception):
    """There were too many logins in the last day; the next may be at this time, in Unix seconds."""

    def __init__(self, at: float) -> None:
        super().__init__(f"{MOST} logins in 24 hours")
        self.at = at


class Logins:
    """Counted across restarts."""

    def __init__(self, hub: MessageHub, clock: Callable[[], float] = time.time) -> None:
        self._hub = hub
        self._clock = clock

    def count(self) -> None:
        """Count one more, which then may happen. Raises TooManyLogins."""
        now = self._clock()
        with self._hub.transaction():
            logins = recent(json.loads(fact(self._hub, _FACT) or "[]"), now)
            if len(logins) >= MOST:
                raise TooManyLogins(logins[-MOST] + _A_DAY)
            note(self._hub, _FACT, json.dumps([*logins, round(now, 1)]))


def recent(logins: Sequence[float], now: float) -> list[float]:
    """Those of the last day; and of the next, if the clock was put back."""
    return sorted(at for at in logins if abs(now - at) < _A_DAY)
