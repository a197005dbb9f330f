"""Announcements for the home channel. They do not belong to a conversation, so the hub hands out all of them at once.

This module keeps their order: each waits for its predecessors. Most of them wait in the hub. Discord accepts one
message a second for each channel. So a storm of alerts does not delay answers in other channels.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

import discord

from teamsup.hub import Message, MessageHub
from teamsup.hub.models import MessageLabels

from ..ids import channel_of
from ..rest_errors import Defer, Reject, Retry, classify
from .outcome import Outcome

_MAX_QUEUED = 16
_MAX_COUNTED = 200
_PAUSE_SECONDS, _SECONDS_PER_MESSAGE, _MAX_PAUSE_SECONDS = 1.0, 0.125, 60.0


async def find_home_channel_error(client: discord.Client, home: int) -> str:
    """Return the known reason why Discord would refuse messages in the channel, or an empty text."""
    try:
        channel = client.get_channel(home) or await client.fetch_channel(home)
    except discord.HTTPException as error:
        return error.text if isinstance(classify(client, error), Defer | Reject) else ""
    except (
        Exception
    ):  # an error of the network, which the connection handles, or a channel that discord.py does not know
        return ""
    me = getattr(getattr(channel, "guild", None), "me", None)
    if me is None or isinstance(channel, discord.abc.PrivateChannel):
        return ""
    may = channel.permissions_for(me)
    writes = may.send_messages_in_threads if isinstance(channel, discord.Thread) else may.send_messages
    return "" if may.view_channel and writes else "Missing Permissions"


class HomeChannelQueue:
    """The order of announcements."""

    def __init__(self, hub: MessageHub) -> None:
        self._hub = hub
        self._lock = asyncio.Lock()

    async def send_in_order(self, message: Message, send: Callable[[], Awaitable[Outcome]]) -> Outcome:
        """Send an announcement after its predecessors. Until then it waits in the hub."""
        before, pause = await asyncio.to_thread(self._count_earlier, message)
        if before < _MAX_QUEUED and not pause:
            async with self._lock:
                before, pause = await asyncio.to_thread(self._count_earlier, message)
                if not before:
                    return await send()
        return Retry(max(pause, _PAUSE_SECONDS + before * _SECONDS_PER_MESSAGE))

    def _count_earlier(self, message: Message) -> tuple[int, float]:
        """Return the number of earlier announcements, and the seconds until the first of them may be sent. Blocks."""
        before = self._hub.queries.earlier_deliveries(message, message_type="notification", limit=_MAX_COUNTED)
        announcements = [available_at for each, available_at in before if _is_for_home_channel(each)]
        rests_until = announcements[0] if announcements else None
        pause = 0.0 if rests_until is None else rests_until.timestamp() - time.time()
        return len(announcements), min(max(0.0, pause), _MAX_PAUSE_SECONDS)


def _is_for_home_channel(each: MessageLabels) -> bool:
    return each.recipient is not None and each.reply_to is None and channel_of(each.conversation_id) is None
