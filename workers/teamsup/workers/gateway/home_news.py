"""News for the home channel. They belong to no conversation on Discord, so the hub hands them all out at once.

Here each waits until those before it are said; and all but a few wait in the hub, so that a storm of alerts, of which
Discord takes one in a second, holds up no answer in another channel.
"""

import asyncio
from collections.abc import Awaitable, Callable

from teamsup.hub import Delivery, Message, MessageHub

from .snowflakes import channel_of

_MOST_WAITING = 16
_COUNTED = 200
_PAUSE_SECONDS, _EACH_SECONDS = 1.0, 0.125

_BEFORE = """
    SELECT count(*) FROM (
      SELECT 1 FROM deliveries AS itself
        JOIN deliveries AS d ON d.recipient = itself.recipient AND d.done_at IS NULL
          AND (d.rank, d.message) < (itself.rank, itself.message)
        JOIN messages AS m ON m.id = d.message
      WHERE itself.message = :message AND itself.recipient = :me
        AND m.message_type = 'notification' AND m.recipient IS NOT NULL AND m.reply_to IS NULL
        AND (m.conversation_id IS NULL OR m.conversation_id NOT GLOB 'discord:[0-9]*') LIMIT :counted)
"""


def is_for_home(message: Message) -> bool:
    """Of one that belongs on Discord."""
    return channel_of(message.conversation_id) is None


class HomeNews:
    """Whose turn it is among them."""

    def __init__(self, hub: MessageHub) -> None:
        self._hub = hub
        self._turn = asyncio.Lock()

    async def in_order(self, delivery: Delivery, say: Callable[[], Awaitable[None]]) -> None:
        """Say it when those before it are done, or give it back for a while."""
        before = await asyncio.to_thread(self._before, delivery)
        if before < _MOST_WAITING:
            async with self._turn:
                if not (before := await asyncio.to_thread(self._before, delivery)):
                    return await say()
        await asyncio.to_thread(self._hub.release, delivery, delay=_PAUSE_SECONDS + before * _EACH_SECONDS)
        return None

    def _before(self, delivery: Delivery) -> int:
        """How many are to be said before it. Blocks."""
        values = {"message": delivery.message.id, "me": self._hub.agent, "counted": _COUNTED}
        return int(self._hub.rows(_BEFORE, values)[0][0])
