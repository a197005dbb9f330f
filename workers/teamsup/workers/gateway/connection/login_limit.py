"""Limit the bot's logins: Discord revokes the token of a bot that logs in a thousand times in a day."""

import json
import time
from collections.abc import Callable, Sequence

from teamsup.hub import MessageHub

from ..tables.state import get_state, set_state

_WINDOW_SECONDS = 86_400.0
MAX_LOGINS = 500
MIN_INTERVAL_SECONDS = 5.0
_STATE_KEY = "logins"


class LoginLimitReached(Exception):
    """There were too many logins in the last 24 hours. The next login is allowed at this time, in Unix seconds."""

    def __init__(self, at: float) -> None:
        super().__init__(f"{MAX_LOGINS} logins in 24 hours")
        self.retry_at = at


class LoginLimit:
    """A count of logins that survives restarts."""

    def __init__(self, hub: MessageHub, clock: Callable[[], float] = time.time) -> None:
        self._hub = hub
        self._clock = clock

    def record_login(self) -> None:
        """Permit one more login, and count it. Raise LoginLimitReached."""
        now = self._clock()
        with self._hub.transaction():
            logins = recent_logins(json.loads(get_state(self._hub, _STATE_KEY) or "[]"), now)
            if len(logins) >= MAX_LOGINS:
                raise LoginLimitReached(logins[-MAX_LOGINS] + _WINDOW_SECONDS)
            set_state(self._hub, _STATE_KEY, json.dumps([*logins, round(now, 1)]))


def recent_logins(logins: Sequence[float], now: float) -> list[float]:
    """Return the logins of the last 24 hours. Include those of the next 24 hours, in case the clock was set back."""
    return sorted(at for at in logins if abs(now - at) < _WINDOW_SECONDS)
