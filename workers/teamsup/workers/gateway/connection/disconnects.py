"""Describe why a connection ended, and the remedy if a retry does not help. Pure."""

from dataclasses import dataclass

import aiohttp
import discord

from teamsup.hub import StoreError

from .health import ReconnectRequired


@dataclass(frozen=True, slots=True)
class Remedy:
    """The remedy for a person."""

    sentence: str
    is_temporary: bool
    """Whether a change at Discord, such as on the bot's page, may be enough, without a change of a file on this host.
    """


_TOKEN_REJECTED = "Discord refused the token. If that lasts, copy a new one from the bot's page in the portal."  # noqa: S105
_SHARDING_REQUIRED = (
    "Discord requires sharding, because this bot is in thousands of servers. Make a separate bot for the team."
)
_OUTDATED_CLIENT = "Discord no longer accepts this version of its gateway. Install a newer teamsup and discord.py."
_INTENT_MISSING = "The bot may not read messages: switch on 'Message Content Intent' on its page in the Discord portal."
_REMEDY_BY_CODE = {
    4004: Remedy(_TOKEN_REJECTED, is_temporary=True),
    4010: Remedy(_SHARDING_REQUIRED, is_temporary=False),
    4011: Remedy(_SHARDING_REQUIRED, is_temporary=False),
    4012: Remedy(_OUTDATED_CLIENT, is_temporary=False),
    4013: Remedy(_OUTDATED_CLIENT, is_temporary=False),
    4014: Remedy(_INTENT_MISSING, is_temporary=True),
}


def root_cause(error: Exception) -> Exception:
    """Return the original error. After a failed first connection, discord.py raises a second error about the missing
    connection.
    """
    context = error.__context__
    return context if isinstance(error, AttributeError) and isinstance(context, Exception) else error


def is_expected(error: Exception) -> bool:
    """Return whether the error comes from the network, Discord or the hub, so that its text is enough."""
    return isinstance(error, OSError | StoreError | ReconnectRequired | discord.DiscordException | aiohttp.ClientError)


def describe(error: Exception) -> str:
    """Return the error's first line, for people."""
    first = str(error).strip().split("\n")[0][:200]
    return first or type(error).__name__


def find_remedy(error: Exception) -> Remedy | None:
    """Return the remedy where a retry does not help."""
    if isinstance(error, discord.LoginFailure):
        return _REMEDY_BY_CODE[4004]
    if isinstance(error, discord.PrivilegedIntentsRequired):
        return _REMEDY_BY_CODE[4014]
    if isinstance(error, discord.ConnectionClosed):
        return _REMEDY_BY_CODE.get(error.code)
    return None
