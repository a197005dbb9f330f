"""Progress: one message per question that is edited, not too often; its last state always arrives."""

import asyncio
import time
from typing import NamedTuple

from teamsup.hub import Message, MessageHub

EVERY_SECONDS = 2.0


class Shown(NamedTuple):
    """The message on Discord that shows how far a question has come."""

    channel: int
    snowflake: int


def is_progress(message: Message) -> bool:
    """Whether it says how far a question has come, and will be overtaken."""
    return message.message_type == "status_report" and message.reply_to is not None


class Progress:
    """What is shown, when it may be edited, and whether that is still worth it."""

    def __init__(self, hub: MessageHub) -> None:
        self._hub = hub
        self._changed: dict[int, float] = {}

    def shown(self, message: Message) -> Shown | None:
        """Where the progress of its question is shown already."""
        rows = self._hub.rows(
            "SELECT p.channel, p.snowflake FROM messages AS m JOIN discord_pieces AS p ON p.message = m.id"
            " WHERE m.reply_to = ? AND m.message_type = 'status_report' AND p.snowflake IS NOT NULL"
            " AND p.channel IS NOT NULL ORDER BY m.id DESC LIMIT 1",
            (message.reply_to,),
        )
        return Shown(*rows[0]) if rows else None

    def is_overtaken(self, message: Message) -> bool:
        """Whether a later state is there to be shown instead."""
        return bool(
            self._hub.rows(
                "SELECT 1 FROM messages AS m JOIN deliveries AS d ON d.message = m.id AND d.recipient = ?"
                " WHERE m.reply_to = ? AND m.id > ? AND m.message_type = 'status_report' AND d.done_at IS NULL"
                " AND m.conversation_id IS ? LIMIT 1",
                (self._hub.agent, message.reply_to, message.id, message.conversation_id),
            )
        )

    async def turn(self, snowflake: int) -> None:
        """Wait until it may be edited again."""
        await asyncio.sleep(self._changed.get(snowflake, 0.0) + EVERY_SECONDS - time.monotonic())

    def has_changed(self, snowflake: int) -> None:
        """From now on it rests for a while."""
        now = time.monotonic()
        self._changed = {each: at for each, at in self._changed.items() if now - at < EVERY_SECONDS}
        self._changed[snowflake] = now
