"""Why a connection ended, in words, and what helps where trying again does not. Pure."""

from teamsup.hub import StoreError

from .line import Hopeless

_REFUSED = "Discord refused the token: copy a new one from the bot's page in the portal."
_MANY_GUILDS = (
    "Discord wants this bot in several parts, as it is in thousands of servers: make a bot of its own for the team."
)
_OLD = "Discord does not take this way of connecting any more: install a newer teamsup and discord.py."
_NOT_MENDED_BY_TRYING = {
    4004: _REFUSED,
    4010: _MANY_GUILDS,
    4011: _MANY_GUILDS,
    4012: _OLD,
    4013: _OLD,
    4014: "The bot may not read messages: switch on 'Message Content Intent' on its page in the Discord portal.",
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


def what_helps(error: Exception) -> str | None:
    """What helps, where trying again does not."""
    import discord

    if isinstance(error, discord.LoginFailure):
        return _REFUSED
    if isinstance(error, discord.PrivilegedIntentsRequired):
        return _NOT_MENDED_BY_TRYING[4014]
    if isinstance(error, discord.ConnectionClosed):
        return _NOT_MENDED_BY_TRYING.get(error.code)
    return None
