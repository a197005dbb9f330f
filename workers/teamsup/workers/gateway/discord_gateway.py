"""gateway: brings messages of allowed people into the hub, and the team's answers back into their channels."""

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar

from teamsup.hub import Delivery, MessageHub
from teamsup.hub.sections import GatewaySection
from teamsup.hub.settings import Settings

from ..worker import Worker, main
from .bot_token import find_token
from .connection import Connection
from .inbox import Inbox
from .outbox import Outbox

if TYPE_CHECKING:
    import discord

_NOT_NOW_SECONDS = 1.0


class Gateway(Worker):
    """Brings messages of allowed people to user_comm, and its answers back into their channels."""

    name: ClassVar[str] = "gateway"
    parallel: ClassVar[int] = 16

    def __init__(self, hub: MessageHub, settings: Settings) -> None:
        super().__init__(hub, settings)
        section = settings.section(self.name, GatewaySection)
        self._connection = Connection(hub, find_token(section), self._make_client, self.log)
        self._inbox = Inbox(hub, section, self.log)
        self._outbox = Outbox(hub, self.log)

    def details(self) -> dict[str, Any]:
        return {"note": self._connection.note}

    async def work(self) -> None:
        storing = asyncio.create_task(self._inbox.run())
        try:
            await self._connection.run()
        finally:
            storing.cancel()
            await asyncio.wait((storing,))

    def _make_client(self) -> "discord.Client":
        # discord.py is a fifth of a second and 30 MiB: not for a gateway without a token.
        import discord

        # Its warnings that voice is not supported would only worry people.
        discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False
        intents = discord.Intents.none()
        intents.guilds = intents.guild_messages = intents.dm_messages = intents.message_content = True
        client = discord.Client(intents=intents, allowed_mentions=discord.AllowedMentions.none())

        async def on_ready() -> None:
            self._connection.is_well()
            await self.beat()

        async def on_message(message: discord.Message) -> None:
            self._inbox.hear(message)

        for listener in (on_ready, on_message):
            client.event(listener)
        return client

    async def handle(self, delivery: Delivery) -> None:
        conversation = delivery.message.conversation_id or ""
        place, _, channel = conversation.partition(":")
        client = self._connection.client
        if place != "discord" or not channel.isdecimal():
            await self._not_for_discord(delivery)
        elif client is None:
            await self.in_thread(self.hub.release, delivery, delay=_NOT_NOW_SECONDS)
        else:
            await self._outbox.say(client, int(channel), delivery)

    async def _not_for_discord(self, delivery: Delivery) -> None:
        if delivery.message.recipient is None or delivery.message.reply_to is not None:
            await self.in_thread(self.hub.acknowledge, delivery, outcome="not for Discord")
        else:
            sentence = "I only carry messages that belong to a Discord channel."
            await self.in_thread(self.hub.reply, delivery, sentence, message_type="error")


if __name__ == "__main__":
    main(Gateway)
