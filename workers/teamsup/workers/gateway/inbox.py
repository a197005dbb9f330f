"""From Discord into the hub: every message of an allowed person, once, in order."""

import asyncio
import logging
from typing import TYPE_CHECKING

from teamsup.hub import CallerError, MessageHub, StoreError
from teamsup.hub.sections import GatewaySection

from .access import Author, admits

if TYPE_CHECKING:
    import discord

_RECIPIENT = "user_comm"


class Inbox:
    """What was heard waits here until the hub has it."""

    def __init__(self, hub: MessageHub, section: GatewaySection, log: logging.Logger) -> None:
        self._hub = hub
        self._section = section
        self._log = log
        self._heard: asyncio.Queue[discord.Message] = asyncio.Queue()

    def hear(self, message: "discord.Message") -> None:
        """Discord's order is kept by doing nothing here that waits."""
        if message.content.strip() and not message.author.bot:
            self._heard.put_nowait(message)

    async def run(self) -> None:
        """Store until cancelled, and then what is left."""
        try:
            while True:
                message = await self._heard.get()
                while not await self._take(message):  # noqa: ASYNC110 - nobody tells when the hub can store again
                    await asyncio.sleep(1)
        finally:
            while not self._heard.empty():
                await self._take(self._heard.get_nowait())

    async def _take(self, message: "discord.Message") -> bool:
        """Whether it is done with, one way or the other."""
        author = Author(message.author.id, message.channel.id, None if message.guild is None else message.guild.id)
        if not admits(self._section, (), author):
            self._log.info("not allowed: user %d in channel %d", message.author.id, message.channel.id)
            return True
        try:
            await asyncio.to_thread(self._store, message)
        except StoreError as error:
            self._log.error("%s Trying again.", error)
            return False
        except CallerError as error:
            self._log.error("message %d of user %d cannot be kept: %s", message.id, message.author.id, error)
        return True

    def _store(self, message: "discord.Message") -> None:
        self._hub.send(
            _RECIPIENT,
            message.content,
            message_id=f"discord:{message.id}",
            conversation_id=f"discord:{message.channel.id}",
            metadata={"from": message.author.display_name, "user": message.author.id},
        )
