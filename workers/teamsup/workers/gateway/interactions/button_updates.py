"""What user_comm says of what has buttons: what became of it, into that message; why a press does not count."""

import asyncio
import logging
import time

import discord

from teamsup.config.people_protocol import DECISION_ANSWER, USER_COMM
from teamsup.hub import Delivery, Message, MessageHub

from ...protocol import BUTTONS_CLOSED
from ..ids import snowflake_of
from ..outbound.chunk_table import ChunkTable
from ..outbound.sender import SEND_SECONDS
from ..rest_errors import MAX_DEFER_SECONDS, Defer, Reject, Retry, classify
from .buttons import append_outcome, build_view, describe_outcome

_TOKEN_SECONDS = 14 * 60.0  # and a minute for the clocks
_RETRY_SECONDS = 1.0


class ButtonUpdater:
    """Knows who has pressed, for as long as Discord lets them be answered."""

    def __init__(self, hub: MessageHub, log: logging.Logger) -> None:
        self._hub = hub
        self._log = log
        self._chunks = ChunkTable(hub)
        self._presses: dict[int, tuple[str, float]] = {}  # tokens, and until when each is good

    def expect(self, press: int, token: str) -> None:
        """With the token whoever has pressed can be told something, which nobody else sees."""
        now = time.monotonic()
        self._presses = {number: each for number, each in self._presses.items() if each[1] > now}
        self._presses[press] = (token, now + _TOKEN_SECONDS)

    async def send(self, client: discord.Client, delivery: Delivery) -> bool:
        """Whether it was about something with buttons, and is dealt with."""
        if delivery.message.reply_to is None or delivery.message.sender != USER_COMM:
            return False
        answered = await asyncio.to_thread(self._answered_message, delivery.message.reply_to)
        if answered is None:
            return False
        is_press = answered.message_type == DECISION_ANSWER and answered.sender == self._hub.agent
        if not is_press and delivery.message.message_type not in (DECISION_ANSWER, BUTTONS_CLOSED):
            return False
        try:
            async with asyncio.timeout(SEND_SECONDS):
                done = await (self._reply_privately if is_press else self._close_buttons)(client, delivery, answered)
        except Exception as error:
            age = _age_of(delivery.message)
            match found := classify(client, error, age):
                case Retry(seconds) | Defer(seconds) if isinstance(found, Retry) or age < MAX_DEFER_SECONDS:
                    self._log.warning("what became of something cannot be shown now: %r", error)
                    await asyncio.to_thread(self._hub.release, delivery, delay=seconds)
                case Defer(_, why) | Reject(why):
                    await self._acknowledge(delivery, f"refused: {why}")
                case None:
                    raise
        else:
            if done is None:
                await asyncio.to_thread(self._hub.release, delivery, delay=_RETRY_SECONDS)
            else:
                await self._acknowledge(delivery, done)
        return True

    async def _reply_privately(self, client: discord.Client, delivery: Delivery, press: Message) -> str:
        """Tell whoever has pressed, and nobody else."""
        token, until = self._presses.get(snowflake_of(press.message_id) or 0, ("", 0.0))
        if client.application_id is None or time.monotonic() > until:
            return "too late to be told"
        webhook = discord.Webhook.partial(client.application_id, token, client=client)
        webhook.type = discord.WebhookType.application  # only such a one may say something to one person
        await webhook.send(describe_outcome(delivery.message), ephemeral=True)
        return "sent"

    async def _close_buttons(self, client: discord.Client, delivery: Delivery, showing: Message) -> str | None:
        """Say in the message that shows it what became of it; None: it is not there yet."""
        found = await asyncio.to_thread(self._chunks.chunks_of, showing.id)
        last = found[-1] if found else None
        if last is None or last.snowflake is None or last.channel is None:
            is_open = await asyncio.to_thread(self._is_being_sent, showing)
            return None if is_open else "was not shown"
        target = client.get_partial_messageable(last.channel).get_partial_message(last.snowflake)
        outcome = describe_outcome(delivery.message)
        # Where the look of an alert was not allowed, its text is the content.
        in_embed = "alert" in showing.metadata and bool((await target.fetch()).embeds)
        content = outcome if in_embed else append_outcome(last.content, outcome)
        await target.edit(content=content, view=build_view(showing, delivery.message))
        return "sent"

    def _answered_message(self, message_id: str) -> Message | None:
        rows = self._hub.query("SELECT id FROM messages WHERE message_id = ?", (message_id,))
        return self._hub.message(f"#{rows[0]['id']}") if rows else None

    def _is_being_sent(self, showing: Message) -> bool:
        return any(state.state in ("ready", "leased") for state in self._hub.trace(showing.message_id))

    async def _acknowledge(self, delivery: Delivery, outcome: str) -> None:
        await asyncio.to_thread(self._hub.acknowledge, delivery, outcome=outcome)


def _age_of(message: Message) -> float:
    """Seconds since it was stored."""
    return 0.0 if message.created_at is None else time.time() - message.created_at.timestamp()
