"""Users without access: they learn once how to get it, and may use a code."""

import json
import logging
import time
from enum import Enum

from teamsup.hub import MessageHub

from ..message import InboundMessage
from ..tables.state import get_state, set_state
from . import pairing

_HOUR = 3600.0
_MAX_TRIES = 5
_MAX_REMEMBERED = 1000

PAIRING_HINT = (
    "I answer only people that I know. Ask the operator for a code (`teamsup pair`), and send it to me in a "
    "direct message: `pair CODE`"
)
WELCOME = "Welcome! You may write to the team now."
ALREADY_PAIRED = "You need no code: you may write already."
WRONG_CODE = "This code is wrong, used, or older than ten minutes. Ask for a new one."
TOO_MANY_TRIES = "Too many wrong codes. Try again in an hour."


class _Counter(Enum):
    HINTS = "hints"
    WRONG_CODES = "wrong codes"


class UnknownUsers:
    """Answer users without access. Its methods block, and raise StoreError."""

    def __init__(self, hub: MessageHub, log: logging.Logger) -> None:
        self._hub = hub
        self._log = log

    def reply_to(self, inbound: InboundMessage, *, is_new: bool) -> str | None:
        """Return the reply to a user without access, if any."""
        user, is_direct = inbound.author.user, inbound.author.guild is None
        if inbound.author.is_bot:
            return None
        code = pairing.parse_code(inbound.text) if is_direct else None
        if code is not None:
            return self._redeem(code, inbound)
        if is_new and (is_direct or inbound.mentions_bot) and self._try_count(_Counter.HINTS, user, 1):
            return PAIRING_HINT
        return None

    def _redeem(self, code: str, inbound: InboundMessage) -> str | None:
        user = inbound.author.user
        with self._hub.transaction():
            tries = self._count(_Counter.WRONG_CODES, user)
            if tries > _MAX_TRIES:
                return None
            if tries < _MAX_TRIES and pairing.redeem_code(self._hub, code, user, inbound.name):
                self._log.info("paired: user %d", user)
                return WELCOME
            self._record(_Counter.WRONG_CODES, user)
        self._log.warning("wrong code from user %d", user)
        return WRONG_CODE if tries < _MAX_TRIES else TOO_MANY_TRIES

    def _try_count(self, what: _Counter, user: int, most: int) -> bool:
        with self._hub.transaction():
            if self._count(what, user) >= most:
                return False
            self._record(what, user)
        return True

    def _count(self, what: _Counter, user: int) -> int:
        return [who for who, _ in self._recent_entries(what)].count(user)

    def _record(self, what: _Counter, user: int) -> None:
        counted = [*self._recent_entries(what), (user, time.time())][-_MAX_REMEMBERED:]
        set_state(self._hub, what.value, json.dumps(counted))

    def _recent_entries(self, what: _Counter) -> list[tuple[int, float]]:
        found = json.loads(get_state(self._hub, what.value) or "[]")
        return [(user, at) for user, at in found if time.time() - at < _HOUR]
