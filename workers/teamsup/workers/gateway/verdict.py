"""What becomes of an answer after an error of Discord's or of the way there. Pure."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import discord

_SHORTEST, _LONGEST = 1.0, 30.0
_BAN_SECONDS = 60.0
_TOO_LARGE = (413, 40005)
_PASSING = (401, 408, 425, 429)  # a wrong token is the connection's affair


@dataclass(frozen=True, slots=True)
class Again:
    """It may have arrived or not: to be tried again after so long."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Never:
    """Discord does not take it."""

    why: str
    perhaps_without_files: bool = False


def verdict(client: "discord.Client", error: Exception, age: float = 0.0) -> Again | Never | None:
    """``age`` is for how long it has been tried. None: no error of Discord's, so one of ours."""
    import aiohttp
    import discord

    if client.is_closed():
        return Again(_SHORTEST)
    pause = min(_LONGEST, max(_SHORTEST, age / 2))
    match error:
        case discord.RateLimited():
            return Again(error.retry_after)
        case discord.HTTPException(status=429):
            # discord.py waits by itself, unless the whole address is banned.
            return Again(_BAN_SECONDS)
        case discord.HTTPException(status=status) if status >= 500 or status in _PASSING:
            return Again(pause)
        case discord.Forbidden(code=0):
            # Not Discord's own words: something on the way to it.
            return Again(_LONGEST)
        case discord.HTTPException(status=status, code=code):
            why = " ".join(error.text.split())[:300] or f"error {status}"
            return Never(why, status == 403 or status in _TOO_LARGE or code in _TOO_LARGE)
        case discord.ClientException() | discord.GatewayNotFound() | aiohttp.ClientError() | OSError():
            return Again(pause)
    return None
