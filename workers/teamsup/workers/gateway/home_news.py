"""News for the home channel. They belong to no conversation on Discord, so the hub hands them all out at once.

Here each waits until those before it are said; and all but a few wait in the hub, so that a storm of alerts, of which
Discord takes one in a second, holds up no answer in another channel.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from teamsup.hub import Delivery, Message, MessageHub
from teamsup.hub.clock import from_text

from .snowflakes import channel_of
from .verdict import Later, Never, verdict

if TYPE_CHECKING:
    import discord

_MOST_WAITING = 16
_COUNTED = 200
_PAUSE_SECONDS, _EACH_SECONDS, _LONGEST_PAUSE = 1.0, 0.125, 60.0

_BEFORE = """
    SELECT d.available_at FROM deliveries AS itself
      JOIN deliveries AS d ON d.recipient = itself.recipient AND d.done_at IS NULL
        AND (d.rank, d.message) < (itself.rank, itself.message)
      JOIN messages AS m ON m.id = d.message
    WHERE itself.message = :message AND itself.recipient = :me
      AND m.message_type = 'notification' AND m.recipient IS NOT NULL AND m.reply_to IS NULL
      AND (m.conversation_id IS NULL OR m.conversation_id NOT GLOB 'discord:[0-9]*')
    ORDER BY d.rank, d.message LIMIT :counted
"""


async def refusal_at_home(client: "discord.Client", home: int) -> str:
    """Why Discord would take nothing there, as far as can be known without trying; empty: nothing is known."""
    import discord

    try:
        place = client.get_channel(home) or await client.fetch_channel(home)
    except discord.HTTPException as error:
        return error.text if isinstance(verdict(client, error), Later | Never) else ""
    except Exception:  # the network's, which is the connection's affair; or a kind that discord.py does not know
        return ""
    me = getattr(getattr(place, "guild", None), "me", None)
    if me is None or isinstance(place, discord.abc.PrivateChannel):
        return ""
    may = place.permissions_for(me)
    writes = may.send_messages_in_threads if isinstance(place, discord.Thread) else may.send_messages
    return "" if may.view_channel and writes else "Missing Permissions"


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
        before, pause = await asyncio.to_thread(self._before, delivery)
        if before < _MOST_WAITING and not pause:
            async with self._turn:
                before, pause = await asyncio.to_thread(self._before, delivery)
                if not before:
                    return await say()
        delay = max(pause, _PAUSE_SECONDS + before * _EACH_SECONDS)
        await asyncio.to_thread(self._hub.release, delivery, delay=delay)
        return None

    def _before(self, delivery: Delivery) -> tuple[int, float]:
        """How many are to be said before it, and for how long the first of them rests. Blocks."""
        values = {"message": delivery.message.id, "me": self._hub.agent, "counted": _COUNTED}
        rows = self._hub.rows(_BEFORE, values)
        rests_until = from_text(rows[0]["available_at"]) if rows else None
        pause = 0.0 if rests_until is None else rests_until.timestamp() - time.time()
        return len(rows), min(max(0.0, pause), _LONGEST_PAUSE)
