"""From the hub to Discord: every answer once, in order, and acknowledged only when Discord has it."""

import asyncio
import hashlib
import logging
from typing import TYPE_CHECKING

from teamsup.hub import Delivery, MessageHub

from .text import pieces

if TYPE_CHECKING:
    import discord


class Outbox:
    """Says deliveries in their channels."""

    def __init__(self, hub: MessageHub, log: logging.Logger) -> None:
        self._hub = hub
        self._log = log

    async def say(self, client: "discord.Client", channel: int, delivery: Delivery) -> None:
        """Say it and acknowledge it. What is raised gives it back."""
        import discord

        target = client.get_partial_messageable(channel)
        said, _, snowflake = (delivery.message.reply_to or "").partition(":")
        answered = None
        if said == "discord" and snowflake.isdecimal():
            answered = discord.MessageReference(message_id=int(snowflake), channel_id=channel, fail_if_not_exists=False)
        for number, piece in enumerate(pieces(delivery.message.content)):
            # The same nonce at a second try lets Discord recognise what it already has.
            nonce = hashlib.sha256(f"{delivery.message.message_id}:{number}".encode()).hexdigest()[:24]
            if answered is not None and number == 0:
                await target.send(piece, nonce=nonce, reference=answered, mention_author=False)
            else:
                await target.send(piece, nonce=nonce)
        await asyncio.to_thread(self._hub.acknowledge, delivery, outcome="sent")
