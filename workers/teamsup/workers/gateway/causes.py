"""Why a connection ended, in words, and what helps where trying again soon does not. Pure."""

from dataclasses import dataclass

from teamsup.hub import StoreError

from .line import Hopeless


@dataclass(frozen=True, slots=True)
class Help:
    """What a person can do."""

    sentence: str
    may_pass: bool
    """Whether it may also be mended elsewhere: by Discord itself, or on the bot's page there. No file then changes."""


_REFUSED = "Discord refused the token. If that lasts, copy a new one from the bot's page in the portal."
_MANY_GUILDS = (
    "Discord wants this bot in several parts, as it is in thousands of servers: make a bot of its own for the team."
)
_OLD = "Discord does not take this way of connecting any more: install a newer teamsup and discord.py."
_INTENT = "The bot may not read messages: switch on 'Message Content Intent' on its page in the Discord portal."
_BY_CODE = {
    4004: Help(_REFUSED, may_pass=True),
    4010: Help(_MANY_GUILDS, may_pass=False),
    4011: Help(_MANY_GUILDS, may_pass=False),
    4012: Help(_OLD, may_pass=False),
    4013: Help(_OLD, may_pass=False),
    4014: Help(_INTENT, may_pass=True),
}


def real_cause(error: Exception) -> Exception:
    """What really went wrong: where the first connection fails, discord.py stumbles over its own missing one."""
    context = error.__context__
    return context if isinstance(error, AttributeError) and isinstance(context, Exception) else error


def is_usual(error: Exception) -> bool:
    """Whether it is the network's, Discord's or the hub's, so that its words say enough."""
    import aiohttp
    import discord

    return isinstance(error, OSError | StoreError | Hopeless | discord.DiscordException | aiohttp.ClientError)


def in_words(error: Exception) -> str:
    """For people: its first line."""
    first = str(error).strip().split("\n")[0][:200]
    return first or type(error).__name__


def what_helps(error: Exception) -> Help | None:
    """Return what helps, where trying again soon does not."""
    import discord

    if isinstance(error, discord.LoginFailure):
        return _BY_CODE[4004]
    if isinstance(error, discord.PrivilegedIntentsRequired):
        return _BY_CODE[4014]
    if isinstance(error, discord.ConnectionClosed):
        return _BY_CODE.get(error.code)
    return None
