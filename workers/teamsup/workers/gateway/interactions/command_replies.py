"""Show the answer to a slash command where it was used. Discord permits this for fifteen minutes.

A later answer, or one after a restart, goes to the channel.
"""

import asyncio
import logging
import time
from typing import Any

import discord

from teamsup.hub import Message, MessageHub

from ..ids import snowflake_of
from ..outbound.attribution import attribute
from ..outbound.kinds import is_progress
from ..outbound.outcome import Outcome, Sent
from ..rest_errors import Retry, classify

_TOKEN_SECONDS = 14 * 60.0  # Discord accepts a token for 15 minutes; the clocks may differ by one
_EDIT_TIMEOUT_SECONDS = 10.0
_RETRY_SECONDS = 1.0
_ORIGINAL_RESPONSE: Any = "@original"  # used in place of a message's number
_NOT_EDITABLE = ("files", "commands", "alert", "ping")
REPLY_FOLLOWS = "Here is the answer:"


class CommandReplies:
    """The commands that wait for their answers, by their id on Discord."""

    def __init__(self, hub: MessageHub, log: logging.Logger, *, link_previews: bool) -> None:
        self._hub = hub
        self._link_previews = link_previews
        self._log = log
        self._pending: dict[int, tuple[str, float]] = {}  # tokens, and the time until which each is valid

    def expect(self, command: int, token: str) -> None:
        """Keep the token for the answer to the command."""
        self._pending[command] = (token, time.monotonic() + _TOKEN_SECONDS)

    def discard(self, command: int) -> None:
        """Drop the token: a later answer goes to the channel."""
        self._pending.pop(command, None)

    async def send(self, client: discord.Client, channel: int, message: Message) -> Outcome | None:
        """Answer a command where it was used. Return None if that is impossible, so that the answer goes to the
        channel.
        """
        command = snowflake_of(message.reply_to) or 0
        token = self._token_for(command)
        if token is None or client.application_id is None:
            return await self._find_sent(client, channel, command, message)
        webhook = discord.Webhook.partial(client.application_id, token, client=client)
        texts = await asyncio.to_thread(self._chunks_of, message)
        fits = len(texts) == 1 and not any(message.metadata.get(name) for name in _NOT_EDITABLE)
        if not self._link_previews and any("://" in text for text in texts):
            fits = False  # only a new message can go without previews
        try:
            # A retry is safe, because editing twice yields the same message.
            async with asyncio.timeout(_EDIT_TIMEOUT_SECONDS):  # discord.py waits here for the end of any rate limit
                await webhook.edit_message(_ORIGINAL_RESPONSE, content=texts[0] if fits else REPLY_FOLLOWS)
        except Exception as error:  # discord.py raises errors of the network and of Discord
            if isinstance(error, discord.HTTPException) and error.status < 500 and error.status != 429:
                self.discard(command)
                self._log.warning("command %d cannot be answered any more: %s", command, error)
                return None
            self._log.warning("command %d cannot be answered now: %r", command, error)
            return Retry(_RETRY_SECONDS)
        if not (fits and is_progress(message)):
            self.discard(command)
        return Sent() if fits else None

    async def _find_sent(self, client: discord.Client, channel: int, command: int, message: Message) -> Outcome | None:
        """Return an answer that a crashed gateway has already sent, or None."""
        texts = [text.strip() for text in await asyncio.to_thread(self._chunks_of, message)]
        messageable = client.get_partial_messageable(channel)
        try:
            async for found in messageable.history(after=discord.Object(command), limit=100, oldest_first=True):
                about = found.interaction_metadata
                if about is not None and about.id == command and [found.content] == texts:
                    return Sent()
        except Exception as error:
            self._log.warning("channel %d cannot be searched for an answer: %r", channel, error)
            match classify(client, error):
                case Retry() as retry:
                    return retry
                case None:
                    raise
        return None

    def _chunks_of(self, message: Message) -> list[str]:
        return attribute(self._hub, message).chunks()

    def _token_for(self, snowflake: int) -> str | None:
        """Return the token of a command while it is valid."""
        now = time.monotonic()
        self._pending = {number: each for number, each in self._pending.items() if each[1] > now}
        found = self._pending.get(snowflake)
        return None if found is None else found[0]
