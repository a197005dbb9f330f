"""Handle an answer that Discord refuses. The answer waits, is sent without its files, or ends with notices to its
sender and to people.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto

import discord

from teamsup.hub import Message, MessageHub

from ..component import GatewaySection
from ..rest_errors import Defer, Reject, Retry, classify
from ..tables.chunk_table import Chunk, NewChunk
from .attribution import attribute
from .chunking import split
from .files.selection import file_name_of
from .kinds import is_for_home_channel, is_progress
from .outcome import Outcome, Rejected, Replanned
from .rejection_notices import NoticeRouter, RejectionNotice, is_rejection_notice

_MAX_NOTICE_SECONDS = 20.0  # a refused notice has other channels to go to
_HOME_RETRY_SECONDS = 30.0
_MAX_GAP_SECONDS = 300.0  # between two refusals of one series


class RejectionAction(Enum):
    """The action after a refusal."""

    DEFER = auto()
    DROP_FILES = auto()
    GIVE_UP = auto()


def decide_action(
    refusal: Defer | Reject, *, is_late: bool, is_gone: bool, has_files: bool, may_only_write: bool, waits_on: bool
) -> RejectionAction:
    """Decide the action after a refusal. Pure.

    ``is_late`` means that the channel has refused for too long. ``waits_on`` means that the answer is an announcement,
    which waits for the home channel.
    """
    is_over = isinstance(refusal, Reject) or is_late or is_gone
    if has_files and refusal.may_pass_without_files and (is_over or may_only_write):
        return RejectionAction.DROP_FILES
    if waits_on and is_channel_wide(refusal):
        return RejectionAction.DEFER
    return RejectionAction.GIVE_UP if is_over else RejectionAction.DEFER


def is_channel_wide(refusal: Defer | Reject) -> bool:
    """Return whether the channel would refuse all other messages too."""
    return isinstance(refusal, Defer) or refusal.is_channel_wide


@dataclass(frozen=True, slots=True)
class RejectionRow:
    """Consecutive refusals by a channel: the times of the first and the last refusal, and Discord's last text."""

    first: float
    last: float
    reason: str


class ChannelRejections(dict[int, RejectionRow]):
    """Each channel's refusals since its last success. A restart resets them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock

    def record_rejection(self, channel: int, why: str) -> float:
        """Record a refusal. Return the seconds since the first of these consecutive refusals."""
        now, row = self._clock(), self.get(channel)
        first = now if row is None or now - row.last > _MAX_GAP_SECONDS else row.first
        self[channel] = RejectionRow(first, now, why)
        return now - first

    def seconds_rejecting(self, channel: int) -> float:
        """Return the seconds for which the channel has refused everything, or 0 if it accepts messages."""
        row = self.get(channel)
        return 0.0 if row is None else self._clock() - row.first


class RejectionHandler:
    """Remembers the time since which each channel refuses everything."""

    def __init__(self, hub: MessageHub, section: GatewaySection, log: logging.Logger) -> None:
        self._hub = hub
        self._section = section
        self._log = log
        self._notice_router = NoticeRouter(hub)
        self.channel_rejections = ChannelRejections()

    def rejection_of(self, channel: int) -> str | None:
        """Return why Discord refuses messages in a channel. Return an empty text if it accepts them, and None if it is
        too early to tell.
        """
        if (row := self.channel_rejections.get(channel)) is None:
            return ""
        is_late = self.channel_rejections.seconds_rejecting(channel) >= self._section.refused_seconds
        return row.reason if is_late else None

    async def handle(
        self, client: discord.Client, channel: int, message: Message, chunk: Chunk | None, refusal: Defer | Reject
    ) -> Outcome:
        """Return the outcome after a refusal of the chunk ``begun``. Raise temporary errors of discord.py."""
        refused = self.channel_rejections.record_rejection(channel, refusal.reason) if is_channel_wide(refusal) else 0.0
        longest = _MAX_NOTICE_SECONDS if is_rejection_notice(message, self._hub.agent) else float("inf")
        step = decide_action(
            refusal,
            is_late=refused >= min(longest, self._section.refused_seconds),
            is_gone=isinstance(refusal, Defer)
            and refusal.is_unknown_channel
            and await _is_channel_gone(client, channel),
            has_files=chunk is not None and bool(chunk.files),
            may_only_write=_may_only_write(client, channel),
            waits_on=is_for_home_channel(message),
        )
        if step is RejectionAction.DEFER:
            seconds = refusal.seconds if isinstance(refusal, Defer) else _HOME_RETRY_SECONDS
            self._log.warning("message %s waits for %.0f s: %s", message.message_id, seconds, refusal.reason)
            return Retry(seconds)
        if step is RejectionAction.DROP_FILES and chunk is not None:
            self._log.warning("message %s is sent without its files: %s", message.message_id, refusal.reason)
            names = [file_name_of(path) for path in chunk.files if path]
            notes = (f"Discord did not accept: {', '.join(names)}.",) if names else ()
            return await asyncio.to_thread(self.drop_files, message, chunk, (), notes)
        self._log.error("message %s is refused by Discord: %s", message.message_id, refusal.reason)
        return Rejected(
            refusal.reason,
            f"Discord did not accept message #{message.id}: {refusal.reason}.",
            await self._create_notice(client, channel, message, refusal),
        )

    async def _create_notice(
        self, client: discord.Client, channel: int, message: Message, refusal: Defer | Reject
    ) -> RejectionNotice | None:
        """Return the notice for people. Progress does not get a notice, because the answer supersedes it."""
        if is_progress(message):
            return None
        about = await asyncio.to_thread(self._notice_router.find_rejected, message, channel, refusal.reason)
        if about is None:
            return None
        return await self._notice_router.next_notice(client, about, message, is_channel_wide=is_channel_wide(refusal))

    def drop_files(self, message: Message, chunk: Chunk, paths: Sequence[str], notes: Sequence[str]) -> Replanned:
        """Return the chunk with only these files, and a text about the dropped files. Blocks."""
        is_text_again = "" in chunk.files and "" not in paths
        texts = attribute(self._hub, message).chunks() if is_text_again else [chunk.content]
        planned = (
            *map(NewChunk, texts[:-1]),
            NewChunk(texts[-1], tuple(paths)),
            *map(NewChunk, split("\n".join(notes))),
        )
        return Replanned(chunk.number, planned, describe_dropped_files(message, notes))


def describe_dropped_files(message: Message, notes: Sequence[str]) -> str:
    """Return the text for the sender about dropped files, or an empty text."""
    return f"Message #{message.id} went to Discord without a file. {' '.join(notes)}" if notes else ""


def _may_only_write(client: discord.Client, channel: int) -> bool:
    """Return whether the bot may write in the channel, but may not attach files."""
    known = client.get_channel(channel)
    me = getattr(getattr(known, "guild", None), "me", None)
    rights = getattr(known, "permissions_for", None)
    if me is None or rights is None:
        return False
    may = rights(me)
    return bool(may.send_messages and not may.attach_files)


async def _is_channel_gone(client: discord.Client, channel: int) -> bool:
    """Return whether the channel is gone. Raise discord.py's temporary errors."""
    try:
        await client.fetch_channel(channel)
    except discord.NotFound:
        return True
    except discord.InvalidData:
        return False  # discord.py does not know this kind of channel
    except discord.HTTPException as error:
        if isinstance(classify(client, error), Retry):
            raise
    return False
