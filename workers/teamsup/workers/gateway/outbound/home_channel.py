"""Announcements for the home channel. They belong to no conversation, so the hub hands out all of them at once.

Here each waits for its predecessors, and all but a few wait in the hub. So a storm of alerts, of which Discord takes
one a second, delays no answer in another channel.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

import discord

from teamsup.hub import Message, MessageHub
from teamsup.hub.timestamps import parse_time

from ..rest_errors import Defer, Reject, Retry, classify
from .outcome import Outcome

_MAX_QUEUED = 16
_MAX_COUNTED = 200
_PAUSE_SECONDS, _SECONDS_PER_MESSAGE, _MAX_PAUSE_SECONDS = 1.0, 0.125, 60.0

_EARLIER = """
    SELECT d.available_at FROM deliveries AS itself
      JOIN deliveries AS d ON d.recipient = itself.recipient AND d.done_at IS NULL
        AND (d.rank, d.message) < (itself.rank, itself.message)
      JOIN messages AS m ON m.id = d.message
    WHERE itself.message = :message AND itself.recipient = :me
      AND m.message_type = 'notification' AND m.recipient IS NOT NULL AND m.reply_to IS NULL
      AND (m.conversation_id IS NULL OR m.conversation_id NOT GLOB 'discord:[0-9]*')
    ORDER BY d.rank, d.message LIMIT :counted
"""


async def find_home_channel_error(client: discord.Client, home: int) -> str:
    """Return why Discord would refuse messages there, as far as known; empty: no reason is known."""
    try:
        place = client.get_channel(home) or await client.fetch_channel(home)
    except discord.HTTPException as error:
        return error.text if isinstance(classify(client, error), Defer | Reject) else ""
    except Exception:  # the network's, which is the connection's affair; or a kind that discord.py does not know
        return ""
    me = getattr(getattr(place, "guild", None), "me", None)
    if me is None or isinstance(place, discord.abc.PrivateChannel):
        return ""
    may = place.permissions_for(me)
    writes = may.send_messages_in_threads if isinstance(place, discord.Thread) else may.send_messages
    return "" if may.view_channel and writes else "Missing Permissions"


class HomeChannelQueue:
    """The order of announcements."""

    def __init__(self, hub: MessageHub) -> None:
        self._hub = hub
        self._lock = asyncio.Lock()

    async def send_in_order(self, message: Message, send: Callable[[], Awaitable[Outcome]]) -> Outcome:
        """Send it when those before it are done; until then it waits in the hub."""
        before, pause = await asyncio.to_thread(self._count_earlier, message)
        if before < _MAX_QUEUED and not pause:
            async with self._lock:
                before, pause = await asyncio.to_thread(self._count_earlier, message)
                if not before:
                    return await send()
        return Retry(max(pause, _PAUSE_SECONDS + before * _SECONDS_PER_MESSAGE))

    def _count_earlier(self, message: Message) -> tuple[int, float]:
        """Return how many are to be sent before it, and for how long the first of them rests. Blocks."""
        values = {"message": message.id, "me": self._hub.agent, "counted": _MAX_COUNTED}
        rows = self._hub.query(_EARLIER, values)
        rests_until = parse_time(rows[0]["available_at"]) if rows else None
        pause = 0.0 if rests_until is None else rests_until.timestamp() - time.time()
        return len(rows), min(max(0.0, pause), _MAX_PAUSE_SECONDS)
