"""Update messages with buttons after a decision, and tell a user why a press does not count."""

import asyncio
import logging
import time
from collections.abc import Coroutine
from typing import Any

import discord

from teamsup.hub import Message, MessageHub

from ..ids import snowflake_of
from ..outbound.buttons import append_outcome, build_view, describe_outcome
from ..outbound.outcome import Outcome, Rejected, Sent
from ..outbound.sender import SEND_SECONDS
from ..rest_errors import MAX_DEFER_SECONDS, Defer, Reject, Retry, classify
from ..tables.chunk_table import ChunkTable

_TOKEN_SECONDS = 14 * 60.0  # Discord accepts a token for 15 minutes; the clocks may differ by one
_RETRY_SECONDS = 1.0


class ButtonUpdater:
    """Remembers users who have pressed, while Discord still accepts a reply to them."""

    def __init__(self, hub: MessageHub, log: logging.Logger) -> None:
        self._hub = hub
        self._log = log
        self._chunks = ChunkTable(hub)
        self._presses: dict[int, tuple[str, float]] = {}  # tokens, and the time until which each is valid

    def expect(self, press: int, token: str) -> None:
        """Keep the token with which the user who pressed gets a private reply."""
        now = time.monotonic()
        self._presses = {number: each for number, each in self._presses.items() if each[1] > now}
        self._presses[press] = (token, now + _TOKEN_SECONDS)

    async def reply(self, client: discord.Client, message: Message, press: Message) -> Outcome:
        """Send the outcome only to the user who pressed."""
        return await self._attempt(client, message, self._reply_privately(client, message, press))

    async def close(self, client: discord.Client, message: Message, showing: Message) -> Outcome:
        """Show the outcome in the message with the buttons, and disable them."""
        return await self._attempt(client, message, self._close_buttons(client, message, showing))

    async def _attempt(
        self, client: discord.Client, message: Message, sending: Coroutine[Any, Any, Outcome]
    ) -> Outcome:
        try:
            async with asyncio.timeout(SEND_SECONDS):
                return await sending
        except Exception as error:
            age = 0.0 if message.created_at is None else time.time() - message.created_at.timestamp()
            match found := classify(client, error, age):
                case Retry(seconds) | Defer(seconds) if isinstance(found, Retry) or age < MAX_DEFER_SECONDS:
                    self._log.warning("cannot show an outcome now: %r", error)
                    return Retry(seconds)
                case Defer(_, why) | Reject(why):
                    return Rejected(why)
            raise

    async def _reply_privately(self, client: discord.Client, message: Message, press: Message) -> Outcome:
        token, until = self._presses.get(snowflake_of(press.message_id) or 0, ("", 0.0))
        if client.application_id is None or time.monotonic() > until:
            return Sent("too late for a reply")
        webhook = discord.Webhook.partial(client.application_id, token, client=client)
        webhook.type = discord.WebhookType.application  # only a token allows a message to one person
        await webhook.send(describe_outcome(message), ephemeral=True)
        return Sent()

    async def _close_buttons(self, client: discord.Client, message: Message, showing: Message) -> Outcome:
        found = await asyncio.to_thread(self._chunks.chunks_of, showing.id)
        last = found[-1] if found else None
        if last is None or last.snowflake is None or last.channel is None:
            is_open = await asyncio.to_thread(self._is_being_sent, showing)
            return Retry(_RETRY_SECONDS) if is_open else Sent("was not shown")
        target = client.get_partial_messageable(last.channel).get_partial_message(last.snowflake)
        outcome = describe_outcome(message)
        # If the bot was not allowed to send an embed, the alert's text is the content.
        in_embed = "alert" in showing.metadata and bool((await target.fetch()).embeds)
        content = outcome if in_embed else append_outcome(last.content, outcome)
        await target.edit(content=content, view=build_view(showing, message))
        return Sent()

    def _is_being_sent(self, showing: Message) -> bool:
        return any(state.state in ("ready", "leased") for state in self._hub.queries.trace(showing.message_id))
