"""The answer to a slash command stands where it was used, while Discord takes it there: for fifteen minutes.

What comes later, or after a restart, is said in the channel like everything else.
"""

import asyncio
import logging
import time
from typing import Any

import discord

from teamsup.config.people_protocol import DECISION_REQUEST
from teamsup.hub import Delivery, MessageHub

from ...protocol import COMMAND_TYPE
from ..ids import snowflake_of
from ..outbound.attribution import attribute
from ..outbound.progress import is_progress
from ..rest_errors import Retry, classify

_TOKEN_SECONDS = 14 * 60.0  # and a minute for the clocks
_EDIT_TIMEOUT_SECONDS = 10.0
_RETRY_SECONDS = 1.0
_ORIGINAL_RESPONSE: Any = "@original"  # in the place of a message's number
_NOT_EDITABLE = ("files", "commands", "alert", "ping")
REPLY_FOLLOWS = "Here is the answer:"


class CommandReplies:
    """Knows which commands wait for theirs, by their number on Discord."""

    def __init__(self, hub: MessageHub, log: logging.Logger) -> None:
        self._hub = hub
        self._log = log
        self._pending: dict[int, tuple[str, float]] = {}  # tokens, and until when each is good

    def expect(self, command: int, token: str) -> None:
        """With the token the command can be answered from now on."""
        self._pending[command] = (token, time.monotonic() + _TOKEN_SECONDS)

    def discard(self, command: int) -> None:
        """Or not there: what comes yet is said in the channel."""
        self._pending.pop(command, None)

    async def send(self, client: discord.Client, channel: int, delivery: Delivery) -> bool:
        """Answer a command where it was used, if that can still be done; whether the delivery is dealt with."""
        message = delivery.message
        if message.message_type == DECISION_REQUEST:
            return False  # what has to be decided first is no answer
        snowflake = snowflake_of(message.reply_to) or 0
        token = self._token_for(snowflake)
        if token is None or client.application_id is None:
            return await self._is_already_sent(client, channel, snowflake, delivery)
        webhook = discord.Webhook.partial(client.application_id, token, client=client)
        texts = await asyncio.to_thread(lambda: attribute(self._hub, message).chunks())
        fits = len(texts) == 1 and not any(message.metadata.get(name) for name in _NOT_EDITABLE)
        try:
            # Said twice it is one answer, as it is an edit.
            async with asyncio.timeout(_EDIT_TIMEOUT_SECONDS):  # discord.py waits for any limit's end here
                await webhook.edit_message(_ORIGINAL_RESPONSE, content=texts[0] if fits else REPLY_FOLLOWS)
        except Exception as error:  # discord.py lets everything out
            if isinstance(error, discord.HTTPException) and error.status < 500 and error.status != 429:
                self.discard(snowflake)
                self._log.warning("command %d cannot be answered any more: %s", snowflake, error)
                return False
            self._log.warning("command %d cannot be answered now: %r", snowflake, error)
            await asyncio.to_thread(self._hub.release, delivery, delay=_RETRY_SECONDS)
            return True
        if not (fits and is_progress(message)):
            self.discard(snowflake)
        if fits:
            await asyncio.to_thread(self._hub.acknowledge, delivery, outcome="sent")
        return fits

    async def _is_already_sent(self, client: discord.Client, channel: int, snowflake: int, delivery: Delivery) -> bool:
        """Whether the command had been answered already, by a predecessor that ended before it knew, or there is no way
        to see now. Then the delivery is dealt with."""
        if not snowflake or not await asyncio.to_thread(self._is_command, delivery.message.reply_to or ""):
            return False
        texts = await asyncio.to_thread(lambda: attribute(self._hub, delivery.message).chunks())
        place = client.get_partial_messageable(channel)
        try:
            async for found in place.history(after=discord.Object(snowflake), limit=100, oldest_first=True):
                about = found.interaction_metadata
                if about is not None and about.id == snowflake and [found.content] == [text.strip() for text in texts]:
                    await asyncio.to_thread(self._hub.acknowledge, delivery, outcome="sent")
                    return True
        except Exception as error:
            self._log.warning("channel %d cannot be searched for an answer: %r", channel, error)
            match classify(client, error):
                case Retry(seconds):
                    await asyncio.to_thread(self._hub.release, delivery, delay=seconds)
                    return True
                case None:
                    raise
        return False

    def _is_command(self, message_id: str) -> bool:
        rows = self._hub.query("SELECT message_type FROM messages WHERE message_id = ?", (message_id,))
        return bool(rows) and rows[0]["message_type"] == COMMAND_TYPE

    def _token_for(self, snowflake: int) -> str | None:
        """With which the command of that number can be answered, while it can."""
        now = time.monotonic()
        self._pending = {number: each for number, each in self._pending.items() if each[1] > now}
        found = self._pending.get(snowflake)
        return None if found is None else found[0]
