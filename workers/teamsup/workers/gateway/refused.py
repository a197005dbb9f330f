"""An answer that Discord refuses: it waits, goes without its files, or ends and is told to its sender and to people."""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from enum import Enum, auto
from typing import TYPE_CHECKING

from teamsup.hub import Delivery, Message, MessageHub, UnknownRecipient
from teamsup.hub.messages import HUB
from teamsup.hub.sections import GatewaySection

from . import uploads
from .home_news import is_for_home
from .notices import Notice, Notices, is_notice
from .progress import is_progress
from .refusing import Refusing
from .text import pieces
from .verdict import Again, Later, Never, verdict
from .voice import voice_of
from .written_pieces import Draft, Piece, WrittenPieces

if TYPE_CHECKING:
    import discord

_NOTICE_SECONDS = 20.0  # a refused notice has other places to go to
_HOME_SECONDS = 30.0


class Step(Enum):
    """What becomes of it."""

    WAIT = auto()
    LEAVE_OUT_FILES = auto()
    END = auto()


def next_step(
    refusal: Later | Never, *, is_late: bool, is_gone: bool, has_files: bool, may_only_write: bool, waits_on: bool
) -> Step:
    """``is_late``: the channel has refused for as long as may be waited. ``waits_on``: this is news for the home
    channel, which wait until that takes them. Pure."""
    is_over = isinstance(refusal, Never) or is_late or is_gone
    if has_files and refusal.perhaps_without_files and (is_over or may_only_write):
        return Step.LEAVE_OUT_FILES
    if waits_on and is_of_place(refusal):
        return Step.WAIT
    return Step.END if is_over else Step.WAIT


def is_of_place(refusal: Later | Never) -> bool:
    """Whether nothing else would be taken there either."""
    return isinstance(refusal, Later) or refusal.is_of_place


class RefusedAnswers:
    """Knows since when which channel refuses everything."""

    def __init__(self, hub: MessageHub, section: GatewaySection, written: WrittenPieces, log: logging.Logger) -> None:
        self._hub = hub
        self._section = section
        self._pieces = written
        self._log = log
        self._notices = Notices(hub)
        self.refusing = Refusing()

    def why(self, channel: int) -> str | None:
        """Why Discord takes nothing there, for longer than may be waited; empty: it does. None: that is still open."""
        why = self.refusing.why(channel)
        return why if not why or self.refusing.seconds(channel) >= self._section.refused_seconds else None

    async def bear(
        self, client: "discord.Client", channel: int, delivery: Delivery, begun: Piece | None, refusal: Later | Never
    ) -> None:
        """``begun`` is the piece that was refused. Raises discord.py's errors of what may pass."""
        message = delivery.message
        refused = self.refusing.refuses(channel, refusal.why) if is_of_place(refusal) else 0.0
        longest = _NOTICE_SECONDS if is_notice(message, self._hub.agent) else float("inf")
        step = next_step(
            refusal,
            is_late=refused >= min(longest, self._section.refused_seconds),
            is_gone=isinstance(refusal, Later) and refusal.is_gone and await _is_gone(client, channel),
            has_files=begun is not None and bool(begun.files),
            may_only_write=_may_only_write(client, channel),
            waits_on=is_for_home(message),
        )
        if step is Step.WAIT:
            seconds = refusal.seconds if isinstance(refusal, Later) else _HOME_SECONDS
            self._log.warning("message %s waits for %.0f s: %s", message.message_id, seconds, refusal.why)
            await asyncio.to_thread(self._hub.release, delivery, delay=seconds)
        elif step is Step.LEAVE_OUT_FILES and begun is not None:
            self._log.warning("message %s goes without its files: %s", message.message_id, refusal.why)
            names = [uploads.safe_name(path) for path in begun.files if path]
            notes = (f"Discord did not take: {', '.join(names)}.",) if names else ()
            await asyncio.to_thread(self.leave_out, delivery, begun, (), notes)
        else:
            self._log.error("message %s is refused by Discord: %s", message.message_id, refusal.why)
            notice = await self._notice(client, channel, delivery, refusal)
            await asyncio.to_thread(self._end, delivery, refusal.why, notice)

    async def _notice(
        self, client: "discord.Client", channel: int, delivery: Delivery, refusal: Later | Never
    ) -> Notice | None:
        """What people are told; nothing of progress, which the answer overtakes."""
        message = delivery.message
        if is_progress(message):
            return None
        about = await asyncio.to_thread(self._notices.about, message, channel, refusal.why)
        if about is None:
            return None
        return await self._notices.next(client, about, message, of_place=is_of_place(refusal))

    def leave_out(self, delivery: Delivery, piece: Piece, paths: Sequence[str], notes: Sequence[str]) -> None:
        """Say that piece anew, with these files alone, and what did not come with it. Blocks."""
        message = delivery.message
        is_text_again = "" in piece.files and "" not in paths
        texts = voice_of(self._hub, message).pieces() if is_text_again else [piece.content]
        drafts = [*map(Draft, texts[:-1]), Draft(texts[-1], tuple(paths)), *map(Draft, pieces("\n".join(notes)))]
        with self._hub.transaction():
            self._pieces.write(message.id, drafts, piece.number)
            self.tell_left_out(message, notes)
            self._hub.release(delivery, delay=0)

    def tell_left_out(self, message: Message, notes: Sequence[str]) -> None:
        """Tell its sender which files did not go with it."""
        if notes:
            self._tell_sender(message, f"Message #{message.id} went to Discord without a file. {' '.join(notes)}")

    def _tell_sender(self, message: Message, sentence: str) -> None:
        if message.sender not in (HUB, self._hub.agent):
            self._hub.answer(message, sentence, message_type="error")

    def _end(self, delivery: Delivery, why: str, notice: Notice | None) -> None:
        """Tell its sender, and who waits for it."""
        message = delivery.message
        with self._hub.transaction():
            self._hub.acknowledge(delivery, outcome=f"refused: {why}")
            self._tell_sender(message, f"Discord did not take message #{message.id}: {why}.")
            if notice is not None:
                with contextlib.suppress(UnknownRecipient):  # no user_comm, so its sender alone knows
                    notice.send(self._hub)


def _may_only_write(client: "discord.Client", channel: int) -> bool:
    """Whether Discord has told that the bot may write there, and attach nothing."""
    place = client.get_channel(channel)
    me = getattr(getattr(place, "guild", None), "me", None)
    rights = getattr(place, "permissions_for", None)
    if me is None or rights is None:
        return False
    may = rights(me)
    return bool(may.send_messages and not may.attach_files)


async def _is_gone(client: "discord.Client", channel: int) -> bool:
    """Look whether there is no such channel. Raises discord.py's errors of what may pass."""
    import discord

    try:
        await client.fetch_channel(channel)
    except discord.NotFound:
        return True
    except discord.InvalidData:
        return False  # it is of a kind that discord.py does not know
    except discord.HTTPException as error:
        if isinstance(verdict(client, error), Again):
            raise
    return False
