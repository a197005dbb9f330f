"""Notify a person that Discord refuses their answer, in a channel where Discord accepts the notice.

It tries the channel, then the channel of the thread, then a direct message. If all fail, user_comm notifies all
consoles and the home channel. A notice is a message of the gateway to itself: it is sent like an answer, and after a
refusal the next channel is tried.
"""

import time
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from typing import Any

import discord
from discord.abc import Messageable

from teamsup.config.people_protocol import USER_COMM
from teamsup.hub import Message, MessageHub, UnknownMessage

from ..ids import conversation_id_of, snowflake_of
from ..rest_errors import Defer, Reject, classify
from ..tables.channel_table import person_of
from .kinds import is_for_home_channel

_METADATA_KEY = "notice"
_REPEAT_SECONDS = 600.0  # between two notices about announcements of one channel


@dataclass(frozen=True, slots=True)
class RejectedAnswer:
    """An answer that Discord refuses, and the channels that were tried."""

    message: int
    """The number of the refused answer in the hub."""
    channel: int
    person: int | None
    why: str
    tried: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class RejectionNotice:
    """The text of a notice, and its channel. Without a channel user_comm sends it."""

    text: str
    rejected: RejectedAnswer
    channel: int | None
    reply_to: str | None = None

    def send(self, hub: MessageHub) -> None:
        """Store the notice. Blocks, and raises UnknownRecipient in a team without user_comm."""
        person = {} if self.rejected.person is None else {"person": f"discord:{self.rejected.person}"}
        if self.channel is None:
            hub.send(USER_COMM, self.text, message_type="notification", metadata=person)
            return
        hub.send(
            hub.agent,
            self.text,
            message_type="error",
            metadata=person | {_METADATA_KEY: asdict(self.rejected)},
            conversation_id=conversation_id_of(self.channel),
            reply_to=self.reply_to,
        )


def is_rejection_notice(message: Message, me: str) -> bool:
    """Return whether the message is a rejection notice of the gateway."""
    return message.sender == me and isinstance(message.metadata.get(_METADATA_KEY), dict)


class NoticeRouter:
    """Find the next channel for the notice of a refused answer."""

    def __init__(self, hub: MessageHub) -> None:
        self._hub = hub
        self._notified_at: dict[int, float] = {}  # for each channel, the time of the last notice about announcements

    def find_rejected(self, message: Message, channel: int, why: str) -> RejectedAnswer | None:
        """Return the refused answer for a notice, or None if no person waits for it. Blocks."""
        if is_rejection_notice(message, self._hub.agent):
            known: dict[str, Any] = message.metadata[_METADATA_KEY]
            if known["person"] is None:
                return None
            return RejectedAnswer(**{**known, "tried": (*known["tried"], channel)})
        person = self._asker_of(message)
        if person is None:
            person = person_of(self._hub, channel)
            if (person is None and not is_for_home_channel(message)) or self._was_notified(channel):
                return None
        return RejectedAnswer(message.id, channel, person, why)

    def _was_notified(self, channel: int) -> bool:
        """Return whether a recent notice says that this channel refuses announcements. Note the new notice."""
        now, last = time.monotonic(), self._notified_at.get(channel)
        if last is not None and now - last < _REPEAT_SECONDS:
            return True
        self._notified_at[channel] = now
        return False

    async def next_notice(
        self, client: discord.Client, refused: RejectedAnswer, message: Message, *, is_channel_wide: bool
    ) -> RejectionNotice:
        """Return the next notice with its channel. Raise temporary errors of discord.py."""
        here = refused.channel
        kept = f"It is kept as message #{refused.message}."
        if not is_channel_wide and here not in refused.tried and not is_rejection_notice(message, self._hub.agent):
            is_reply = message.conversation_id == conversation_id_of(here)
            what = "the answer to this" if is_reply and message.reply_to else "my message"
            text = f"Discord did not accept {what}: {refused.why}. {kept}"
            return RejectionNotice(text, refused, here, message.reply_to if is_reply else None)
        async for channel in _other_channels(client, refused):
            if channel not in (here, *refused.tried):
                text = f"Discord did not accept an answer in <#{here}>: {refused.why}. {kept} Ask for it here."
                return RejectionNotice(text, refused, channel)
        text = (
            f"Discord did not accept an answer in channel {here}: {refused.why}. {kept} Tell user "
            f"{refused.person}, who does not accept direct messages either."
        )
        return RejectionNotice(text, refused, None)

    def _asker_of(self, message: Message) -> int | None:
        """Return the user on Discord whose message the refused message answers."""
        if message.reply_to is None or snowflake_of(message.reply_to) is None:
            return None
        try:
            question = self._hub.queries.message(message.reply_to)
        except UnknownMessage:
            return None
        user = question.metadata.get("user")
        return user if question.sender == self._hub.agent and isinstance(user, int) else None


async def _other_channels(client: discord.Client, refused: RejectedAnswer) -> AsyncIterator[int]:
    """Return the channel of the thread, then the person's direct messages."""
    origin: object = client.get_channel(refused.channel)
    if origin is None:
        origin = await _call_or_none(client, client.fetch_channel(refused.channel))
    if isinstance(origin, discord.Thread) and isinstance(origin.parent, Messageable):
        yield origin.parent_id
    if refused.person is not None:
        direct = await _call_or_none(client, client.create_dm(discord.Object(refused.person)))
        if isinstance(direct, discord.DMChannel):
            yield direct.id


async def _call_or_none(client: discord.Client, call: Any) -> object:  # noqa: ANN401 - a coroutine of discord.py
    try:
        return await call
    except discord.InvalidData:
        return None  # a channel of a kind that discord.py does not know
    except Exception as error:
        if isinstance(classify(client, error), Reject | Defer):
            return None
        raise
