"""Progress messages: one for each question. It is edited, not too often, and its last state always arrives."""

import asyncio
import time

from teamsup.hub import Message, MessageHub

EDIT_INTERVAL_SECONDS = 2.0


class ProgressMessages:
    """Decides when a shown message may be edited, and whether an edit is still useful."""

    def __init__(self, hub: MessageHub) -> None:
        self._hub = hub
        self._edited_at: dict[int, float] = {}

    def is_superseded(self, message: Message) -> bool:
        """Return whether a later state exists."""
        if message.reply_to is None:
            return False
        later = self._hub.queries.find(
            reply_to=message.reply_to,
            recipient=self._hub.agent,
            message_type="status_report",
            after=message.id,
            unread=True,
        )
        return any(each.conversation_id == message.conversation_id for each in later)

    async def wait_for_edit(self, snowflake: int) -> None:
        """Wait until it may be edited again."""
        await asyncio.sleep(self._edited_at.get(snowflake, 0.0) + EDIT_INTERVAL_SECONDS - time.monotonic())

    def record_edit(self, snowflake: int) -> None:
        """Note an edit; the next must wait."""
        now = time.monotonic()
        self._edited_at = {each: at for each, at in self._edited_at.items() if now - at < EDIT_INTERVAL_SECONDS}
        self._edited_at[snowflake] = now
