"""Bots for the tests of this Discord: unmodified discord.py that remembers what it was told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import discord
from discord.gateway import DiscordWebSocket

from .redirect import redirect_to
from .rules import TOKEN
from .server import FakeDiscord

# Its warnings that voice is not supported are of no use here.
discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False


def some_intents() -> discord.Intents:
    intents = discord.Intents.none()
    intents.guilds = intents.messages = intents.reactions = intents.typing = intents.message_content = True
    return intents


class Bot(discord.Client):
    def __init__(self, discord_: FakeDiscord, **options: Any) -> None:  # noqa: ANN401 - discord.py's own
        redirect_to(discord_.url)
        options.setdefault("intents", some_intents())
        super().__init__(guild_ready_timeout=0.02, **options)
        self.server = discord_
        self.received_events: list[tuple[str, tuple[Any, ...]]] = []
        self.tree = discord.app_commands.CommandTree(self)

    def dispatch(self, event: str, /, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - discord.py's own
        self.received_events.append((event, args))
        super().dispatch(event, *args, **kwargs)

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """No pause of five seconds before another login."""

    def all(self, event: str) -> list[Any]:
        """The first argument of each event of this name."""
        return [args[0] if args else None for name, args in self.received_events if name == event]

    async def hears(self, event: str, count: int = 1) -> Any:  # noqa: ANN401 - discord.py's objects
        """The last of so many."""
        await self.server.until(lambda: len(self.all(event)) >= count, f"{count} x {event}")
        return self.all(event)[-1]

    async def texts(self, *, until: str) -> list[str]:
        """What it read, when it has read this."""
        await self.server.until(lambda: until in self.read, f"the bot has read {until!r}, not only {self.read}")
        return self.read

    @property
    def read(self) -> list[str]:
        return [message.content for message in self.all("message") if message.author.id != self.application_id]

    @property
    def socket(self) -> DiscordWebSocket:
        return self.ws

    def place(self, channel: int) -> discord.PartialMessageable:
        return self.get_partial_messageable(channel)


@asynccontextmanager
async def running(bot: Bot, token: str = TOKEN) -> AsyncIterator[Bot]:
    """Logs in and gets its guilds; leaves Discord as it should in the end."""
    task = asyncio.create_task(bot.start(token))
    try:
        await bot.server.until(lambda: task.done() or bot.is_ready(), "the bot is ready")
        if task.done():
            await task
        yield bot
    finally:
        while not task.done():
            # Once may be lost in asyncio.wait_for (Python 3.11), when an attempt to connect fails at this moment.
            task.cancel()
            await asyncio.wait([task], timeout=0.5)
        # While its own task reads, discord.py would close with 4000.
        await bot.close()
