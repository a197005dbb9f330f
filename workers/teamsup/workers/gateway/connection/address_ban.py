"""Cloudflare's ban of this host's address. During a ban, try only now and then, because every request prolongs it."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus

import discord

from teamsup.terminal.formatting import format_clock

_FIRST_PAUSE_SECONDS, _MAX_PAUSE_SECONDS = 60.0, 900.0
_TRY_SECONDS = 30.0  # for the answer to a try; after that another request may try
_CLOUDFLARE_CODES = ("1015", "1020")
ADDRESS_BLOCKED = "Cloudflare blocks this host's address"


class BanError(discord.RateLimited):
    """Cloudflare refuses all requests of this host, and this one was not sent. ``note`` is a sentence about it."""

    def __init__(self, seconds: float, note: str) -> None:
        super().__init__(seconds)
        self.args = (note,)


class AddressBan:
    """The ban, for all clients of this process. Each refusal doubles the pause until the next try."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._pause = 0.0
        self._next_try_at = 0.0
        self.note = ""
        """A sentence about the ban; empty if there is none. The sentence changes only when a request is tried."""

    def check(self) -> None:
        """Return normally if a request may be sent. During a ban, permit only one request at a time. Raise BanError
        otherwise.
        """
        if not self._pause:
            return
        now = self._clock()
        if now < self._next_try_at:
            raise BanError(self._next_try_at - now, self.note)
        self._wait(_TRY_SECONDS)

    def record(self, error: discord.HTTPException | None) -> None:
        """Note how a request ended. Raise BanError if Cloudflare refused it."""
        if error is None or not is_address_ban(error):
            self._pause, self.note = 0.0, ""
            return
        self._pause = min(_MAX_PAUSE_SECONDS, 2 * self._pause or _FIRST_PAUSE_SECONDS)
        self._wait(self._pause)
        raise BanError(self._pause, self.note) from error

    def _wait(self, seconds: float) -> None:
        self._next_try_at = self._clock() + seconds
        then = datetime.fromtimestamp(time.time() + seconds, UTC)
        self.note = f"{ADDRESS_BLOCKED}; next try at {format_clock(then)}"


def is_address_ban(error: discord.HTTPException) -> bool:
    """Return whether Cloudflare has refused a request before Discord saw it. Such an answer is a page, not JSON."""
    if error.status == HTTPStatus.TOO_MANY_REQUESTS:
        return True  # discord.py waits by itself for the end of Discord's own limits
    is_page = error.status == HTTPStatus.FORBIDDEN and error.code == 0
    return is_page and any(f"error code: {code}" in error.text.lower() for code in _CLOUDFLARE_CODES)
