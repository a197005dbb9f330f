"""People whom nobody has let in: they are told once how to be, and may use a code."""

import json
import logging
import time
from enum import Enum

from teamsup.hub import MessageHub

from . import pairing
from .facts import fact, note
from .heard import Heard

_HOUR = 3600.0
_TRIES = 5
_REMEMBERED = 1000

HINT = (
    "I only listen to people whom I know. Ask whoever runs me for a code (`teamsup pair`), and send it to me in a "
    "direct message: `pair CODE`"
)
WELCOME = "Welcome! From now on I hear you."
KNOWN = "You need no code: I hear you already."
WRONG = "This code is wrong, used, or older than ten minutes. Ask for a new one."
TOO_OFTEN = "Too many wrong codes. Try again in an hour."


class _Counted(Enum):
    HINTS = "hints"
    WRONG_CODES = "wrong codes"


class Strangers:
    """What is said to them. Blocks, and raises StoreError."""

    def __init__(self, hub: MessageHub, log: logging.Logger) -> None:
        self._hub = hub
        self._log = log

    def answer(self, heard: Heard, *, is_new: bool) -> str | None:
        """What to say to somebody who is not admitted, if anything."""
        user, is_direct = heard.author.user, heard.author.guild is None
        if heard.author.is_bot:
            return None
        code = pairing.code_in(heard.text) if is_direct else None
        if code is not None:
            return self._try(code, heard)
        if is_new and (is_direct or heard.is_addressed) and self._may(_Counted.HINTS, user, 1):
            return HINT
        return None

    def _try(self, code: str, heard: Heard) -> str | None:
        user = heard.author.user
        with self._hub.transaction():
            tries = self._count(_Counted.WRONG_CODES, user)
            if tries > _TRIES:
                return None
            if tries < _TRIES and pairing.redeem(self._hub, code, user, heard.name):
                self._log.info("paired: user %d", user)
                return WELCOME
            self._note(_Counted.WRONG_CODES, user)
        self._log.warning("wrong code from user %d", user)
        return WRONG if tries < _TRIES else TOO_OFTEN

    def _may(self, what: _Counted, user: int, most: int) -> bool:
        with self._hub.transaction():
            if self._count(what, user) >= most:
                return False
            self._note(what, user)
        return True

    def _count(self, what: _Counted, user: int) -> int:
        return [who for who, _ in self._recent(what)].count(user)

    def _note(self, what: _Counted, user: int) -> None:
        counted = [*self._recent(what), (user, time.time())][-_REMEMBERED:]
        note(self._hub, what.value, json.dumps(counted))

    def _recent(self, what: _Counted) -> list[tuple[int, float]]:
        found = json.loads(fact(self._hub, what.value) or "[]")
        return [(user, at) for user, at in found if time.time() - at < _HOUR]
