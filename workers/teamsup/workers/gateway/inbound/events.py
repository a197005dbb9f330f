"""Handle the events of a channel."""

import asyncio
import logging
from collections import deque
from dataclasses import dataclass

import discord

from teamsup.hub import CallerError, MessageHub, StoreError

from ...worker import retry_in_thread
from ..access.admission import Admission
from ..component import GatewaySection
from ..connection.calls import DiscordCalls
from ..connection.client import UNREADABLE_TYPE
from ..ids import created_at
from ..message import InboundMessage, parse_message
from ..tables.channel_table import advance
from . import attachments
from .hub_writer import HubWriter

_MAX_REMEMBERED = 1000
_MIB = 1 << 20
NOT_STORED = "I could not store this, so the team does not have it. The reason is in my log: teamsup logs gateway"


@dataclass(frozen=True, slots=True)
class MessageEdited:
    """A message after an edit."""

    message: InboundMessage


@dataclass(frozen=True, slots=True)
class MessageDeleted:
    snowflake: int


@dataclass(frozen=True, slots=True)
class Ignored:
    """A message of our own, of a webhook, or of Discord. Only the channel's position advances."""

    snowflake: int
    is_direct: bool
    is_unreadable: bool = False
    """Whether we could not read it, so it may have been for the team."""


InboundEvent = InboundMessage | MessageEdited | MessageDeleted | Ignored


def to_event(message: discord.Message, me: int, log: logging.Logger) -> InboundEvent:
    """Return the event for a new message."""
    inbound, is_unread = None, message.type.value == UNREADABLE_TYPE
    try:
        inbound = parse_message(message, me)
    except Exception:  # it must not delay other events of its channel
        log.exception("cannot parse message %d", message.id)
        is_unread = True
    return inbound or Ignored(message.id, is_direct=message.guild is None, is_unreadable=is_unread)


class EventHandler:
    """Handle the events of each channel one after another."""

    def __init__(self, hub: MessageHub, section: GatewaySection, log: logging.Logger, calls: DiscordCalls) -> None:
        self._hub = hub
        self._section = section
        self._log = log
        self._calls = calls
        self.writer = HubWriter(hub)
        self._admission = Admission(hub, section, log, calls)
        self._handled: deque[int] = deque(maxlen=_MAX_REMEMBERED)
        self._skipped: dict[int, int] = {}  # by channel, the last message

    async def handle(self, channel: int, what: InboundEvent) -> None:
        """Handle an event: return when the hub has it, or it is not for the team. Raise CallerError."""
        match what:
            case InboundMessage():
                if what.snowflake not in self._handled:
                    await self._handle_message(what)
                    self._handled.append(what.snowflake)
            case MessageEdited(inbound):
                if await self._admission.is_allowed(inbound):
                    await self._admission.wait_for_rate_limit(inbound, (inbound.edited_at or 0) / 1e6)
                    await self._handle_edit(inbound)
            case MessageDeleted(snowflake):
                await retry_in_thread(self._log, self.writer.delete, snowflake)
            case Ignored(snowflake, is_direct):
                self._skip(channel, snowflake, is_direct=is_direct)

    async def record_skipped(self) -> None:
        """Store the positions of channels from time to time. After a crash a skipped message is only skipped again."""
        noted, self._skipped = self._skipped, {}
        try:
            await asyncio.to_thread(self._store_skipped, noted)
        except StoreError as error:
            self._log.error("%s", error)

    def _store_skipped(self, noted: dict[int, int]) -> None:
        with self._hub.transaction():
            for channel, snowflake in noted.items():
                advance(self._hub, channel, snowflake)

    async def _handle_message(self, inbound: InboundMessage) -> None:
        if inbound.is_empty or not await self._admission.admit(inbound):
            return self._skip(inbound.author.channel, inbound.snowflake, is_direct=inbound.author.guild is None)
        await self._admission.wait_for_rate_limit(inbound, created_at(inbound.snowflake))
        try:
            await retry_in_thread(self._log, self.writer.insert, inbound, await self._download_attachments(inbound))
        except CallerError as error:
            self._log.error("message %d of user %d cannot be stored: %s", inbound.snowflake, inbound.author.user, error)
            self._admission.reply(inbound, f"I could not store this, so the team does not have it: {error}")
            await retry_in_thread(self._log, self.writer.record_rejected, inbound)
        except Exception:
            self._log.exception("message %d of user %d cannot be stored yet", inbound.snowflake, inbound.author.user)
            self._admission.reply(inbound, NOT_STORED)
            await retry_in_thread(self._log, self.writer.record_rejected, inbound)
        return None

    async def _handle_edit(self, inbound: InboundMessage) -> None:
        try:
            await retry_in_thread(self._log, self.writer.edit, inbound, await self._download_attachments(inbound))
        except CallerError as error:
            self._log.error("the edit of message %d cannot be stored: %s", inbound.snowflake, error)
            self._admission.reply(inbound, f"I could not store your change, so the team does not have it: {error}")

    def _skip(self, channel: int, snowflake: int, *, is_direct: bool) -> None:
        """Skip a message. Its position is stored with others, from time to time."""
        if not is_direct:  # their authors would have to be stored too, and may be unknown users
            self._skipped[channel] = max(snowflake, self._skipped.get(channel, 0))

    async def _download_attachments(self, inbound: InboundMessage) -> list[str]:
        if not inbound.files:
            return []
        most = int(self._section.file_mib * _MIB)
        return await attachments.download_attachments(inbound, self._hub.team.folder, most, self._log)
