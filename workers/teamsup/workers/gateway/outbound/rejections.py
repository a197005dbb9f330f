"""An answer that Discord refuses: it waits, goes without its files, or ends and is told to its sender and to people."""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from enum import Enum, auto

import discord

from teamsup.config.sections import GatewaySection
from teamsup.hub import Delivery, Message, MessageHub, UnknownRecipient
from teamsup.hub.models import HUB_SENDER

from ..rest_errors import Defer, Reject, Retry, classify
from . import files
from .attribution import attribute
from .channel_rejections import ChannelRejections
from .chunk_table import Chunk, ChunkTable, NewChunk
from .chunking import split
from .home_channel import is_for_home_channel
from .progress import is_progress
from .rejection_notices import NoticeRouter, RejectionNotice, is_rejection_notice

_MAX_NOTICE_SECONDS = 20.0  # a refused notice has other places to go to
_HOME_RETRY_SECONDS = 30.0


class RejectionAction(Enum):
    """What becomes of it."""

    DEFER = auto()
    DROP_FILES = auto()
    GIVE_UP = auto()


def decide_action(
    refusal: Defer | Reject, *, is_late: bool, is_gone: bool, has_files: bool, may_only_write: bool, waits_on: bool
) -> RejectionAction:
    """``is_late``: the channel has refused for as long as may be waited. ``waits_on``: this is news for the home
    channel, which wait until that takes them. Pure."""
    is_over = isinstance(refusal, Reject) or is_late or is_gone
    if has_files and refusal.may_pass_without_files and (is_over or may_only_write):
        return RejectionAction.DROP_FILES
    if waits_on and is_channel_wide(refusal):
        return RejectionAction.DEFER
    return RejectionAction.GIVE_UP if is_over else RejectionAction.DEFER


def is_channel_wide(refusal: Defer | Reject) -> bool:
    """Whether nothing else would be taken there either."""
    return isinstance(refusal, Defer) or refusal.is_channel_wide


class RejectionHandler:
    """Knows since when which channel refuses everything."""

    def __init__(self, hub: MessageHub, section: GatewaySection, written: ChunkTable, log: logging.Logger) -> None:
        self._hub = hub
        self._section = section
        self._chunks = written
        self._log = log
        self._notice_router = NoticeRouter(hub)
        self.channel_rejections = ChannelRejections()

    def rejection_of(self, channel: int) -> str | None:
        """Why Discord takes nothing there, for longer than may be waited; empty: it does. None: that is still open."""
        why = self.channel_rejections.last_reason(channel)
        return (
            why
            if not why or self.channel_rejections.seconds_rejecting(channel) >= self._section.refused_seconds
            else None
        )

    async def handle(
        self, client: discord.Client, channel: int, delivery: Delivery, begun: Chunk | None, refusal: Defer | Reject
    ) -> None:
        """``begun`` is the piece that was refused. Raises discord.py's errors of what may pass."""
        message = delivery.message
        refused = self.channel_rejections.record_rejection(channel, refusal.reason) if is_channel_wide(refusal) else 0.0
        longest = _MAX_NOTICE_SECONDS if is_rejection_notice(message, self._hub.agent) else float("inf")
        step = decide_action(
            refusal,
            is_late=refused >= min(longest, self._section.refused_seconds),
            is_gone=isinstance(refusal, Defer)
            and refusal.is_unknown_channel
            and await _is_channel_gone(client, channel),
            has_files=begun is not None and bool(begun.files),
            may_only_write=_may_only_write(client, channel),
            waits_on=is_for_home_channel(message),
        )
        if step is RejectionAction.DEFER:
            seconds = refusal.seconds if isinstance(refusal, Defer) else _HOME_RETRY_SECONDS
            self._log.warning("message %s waits for %.0f s: %s", message.message_id, seconds, refusal.reason)
            await asyncio.to_thread(self._hub.release, delivery, delay=seconds)
        elif step is RejectionAction.DROP_FILES and begun is not None:
            self._log.warning("message %s goes without its files: %s", message.message_id, refusal.reason)
            names = [files.sanitize_upload_name(path) for path in begun.files if path]
            notes = (f"Discord did not take: {', '.join(names)}.",) if names else ()
            await asyncio.to_thread(self.drop_files, delivery, begun, (), notes)
        else:
            self._log.error("message %s is refused by Discord: %s", message.message_id, refusal.reason)
            notice = await self._create_notice(client, channel, delivery, refusal)
            await asyncio.to_thread(self._give_up, delivery, refusal.reason, notice)

    async def _create_notice(
        self, client: discord.Client, channel: int, delivery: Delivery, refusal: Defer | Reject
    ) -> RejectionNotice | None:
        """What people are told; nothing of progress, which the answer overtakes."""
        message = delivery.message
        if is_progress(message):
            return None
        about = await asyncio.to_thread(self._notice_router.find_rejected, message, channel, refusal.reason)
        if about is None:
            return None
        return await self._notice_router.next_notice(client, about, message, of_place=is_channel_wide(refusal))

    def drop_files(self, delivery: Delivery, piece: Chunk, paths: Sequence[str], notes: Sequence[str]) -> None:
        """Say that piece anew, with these files alone, and what did not come with it. Blocks."""
        message = delivery.message
        is_text_again = "" in piece.files and "" not in paths
        texts = attribute(self._hub, message).chunks() if is_text_again else [piece.content]
        drafts = [
            *map(NewChunk, texts[:-1]),
            NewChunk(texts[-1], tuple(paths)),
            *map(NewChunk, split("\n".join(notes))),
        ]
        with self._hub.transaction():
            self._chunks.insert(message.id, drafts, piece.number)
            self.report_dropped_files(message, notes)
            self._hub.release(delivery, delay=0)

    def report_dropped_files(self, message: Message, notes: Sequence[str]) -> None:
        """Tell its sender which files did not go with it."""
        if notes:
            self._notify_sender(message, f"Message #{message.id} went to Discord without a file. {' '.join(notes)}")

    def _notify_sender(self, message: Message, sentence: str) -> None:
        if message.sender not in (HUB_SENDER, self._hub.agent):
            self._hub.answer(message, sentence, message_type="error")

    def _give_up(self, delivery: Delivery, why: str, notice: RejectionNotice | None) -> None:
        """Tell its sender, and who waits for it."""
        message = delivery.message
        with self._hub.transaction():
            self._hub.acknowledge(delivery, outcome=f"refused: {why}")
            self._notify_sender(message, f"Discord did not take message #{message.id}: {why}.")
            if notice is not None:
                with contextlib.suppress(UnknownRecipient):  # no user_comm, so its sender alone knows
                    notice.send(self._hub)


def _may_only_write(client: discord.Client, channel: int) -> bool:
    """Whether Discord has told that the bot may write there, and attach nothing."""
    place = client.get_channel(channel)
    me = getattr(getattr(place, "guild", None), "me", None)
    rights = getattr(place, "permissions_for", None)
    if me is None or rights is None:
        return False
    may = rights(me)
    return bool(may.send_messages and not may.attach_files)


async def _is_channel_gone(client: discord.Client, channel: int) -> bool:
    """Look whether there is no such channel. Raises discord.py's errors of what may pass."""
    try:
        await client.fetch_channel(channel)
    except discord.NotFound:
        return True
    except discord.InvalidData:
        return False  # it is of a kind that discord.py does not know
    except discord.HTTPException as error:
        if isinstance(classify(client, error), Retry):
            raise
    return False
