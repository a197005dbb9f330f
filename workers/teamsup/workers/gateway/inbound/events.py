"""Handle the events of a channel."""

import asyncio
import contextlib
import logging
from collections import deque
from dataclasses import dataclass, replace

import discord

from teamsup.hub import CallerError, MessageHub, StoreError
from teamsup.terminal.formatting import to_single_line

from ...worker import retry_in_thread
from ..access.admission import Admission
from ..access.policy import answer_mode, is_for_team
from ..component import ALWAYS, GatewaySection
from ..connection.calls import DiscordCalls
from ..connection.client import UNREADABLE_TYPE
from ..connection.discord_clock import DiscordClock
from ..ids import created_at
from ..message import InboundMessage, Quotation, parse_message, quote, quoted_attachments
from ..tables.channel_table import advance
from ..tables.chunk_table import SentNonces
from . import attachments
from .catch_up import fetch_before, fetch_thread_starter
from .hub_writer import MAX_BOT_ROUNDS, HubWriter
from .transcription import TranscriptionError, transcribe

_MAX_REMEMBERED = 1000
_MIB = 1 << 20
_CONTEXT_SECONDS = 5.0  # other messages of the channel wait meanwhile
_MAX_UNHEARD = 500  # characters of each message
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
    """A message from the bot itself, from a webhook, or from Discord. Only the channel's position advances."""

    snowflake: int
    is_direct: bool
    is_unreadable: bool = False
    """Whether the gateway could not read the message, which may have been for the team."""
    own_nonce: str | None = None
    """The nonce if the bot has just sent the message itself, or None."""


InboundEvent = InboundMessage | MessageEdited | MessageDeleted | Ignored


def to_event(message: discord.Message, me: int, log: logging.Logger) -> InboundEvent:
    """Return the event for a new message."""
    inbound, is_unread = None, message.type.value == UNREADABLE_TYPE
    try:
        inbound = parse_message(message, me)
    except Exception:  # an error must not delay other events of the channel
        log.exception("cannot parse message %d", message.id)
        is_unread = True
    return inbound or Ignored(message.id, is_direct=message.guild is None, is_unreadable=is_unread)


class EventHandler:
    """Handle the events of each channel one after another."""

    def __init__(
        self,
        hub: MessageHub,
        section: GatewaySection,
        log: logging.Logger,
        calls: DiscordCalls,
        clock: DiscordClock,
        nonces: SentNonces,
    ) -> None:
        self._nonces = nonces
        self._hub = hub
        self._section = section
        self._log = log
        self._calls = calls
        self.writer = HubWriter(hub, clock.now)
        self._admission = Admission(hub, section, log, calls, clock.now, nonces)
        self._handled: deque[int] = deque(maxlen=_MAX_REMEMBERED)
        self._foreign_message = ""
        self._skipped: dict[int, int] = {}  # for each channel, the last skipped message
        self._has_unheard: set[int] = set()  # channels with messages that were not for the team
        self._endless: set[int] = set()  # channels in which two bots answer each other

    async def handle(self, channel: int, what: InboundEvent) -> None:
        """Handle an event. Return when the hub has the event, or at once if it is not for the team. Raise
        CallerError.
        """
        match what:
            case InboundMessage():
                if what.snowflake not in self._handled:
                    await self._handle_message(await self._admission.add_thread(what))
                    self._handled.append(what.snowflake)
            case MessageEdited(inbound):
                inbound = await self._admission.add_thread(inbound)
                if await self._admission.is_allowed(inbound):
                    await self._admission.wait_for_rate_limit(inbound, (inbound.edited_at or 0) / 1e6)
                    await self._handle_edit(inbound)
            case MessageDeleted(snowflake):
                await retry_in_thread(self._log, self.writer.delete, snowflake)
            case Ignored(snowflake, is_direct, own_nonce=nonce):
                if nonce is not None and nonce not in self._nonces:
                    self._foreign_message = f"message {snowflake} in channel {channel}"
                self._skip(channel, snowflake, is_direct=is_direct)

    def take_foreign_message(self) -> str:
        """Return and forget the last message that another program sent with the bot's token, or an empty text."""
        found, self._foreign_message = self._foreign_message, ""
        return found

    async def record_skipped(self) -> None:
        """Store the positions of channels with skipped messages. Call this from time to time. If a crash comes before,
        the gateway only skips the same messages again.
        """
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
        channel = inbound.author.channel
        if not is_for_team(self._section, inbound):
            self._has_unheard.add(channel)
            return self._skip(channel, inbound.snowflake, is_direct=False)
        if await self._is_endless(inbound):
            return self._skip(channel, inbound.snowflake, is_direct=inbound.author.guild is None)
        await self._admission.wait_for_rate_limit(inbound, created_at(inbound.snowflake))
        try:
            inbound = await self._add_unheard(await self._add_thread_starter(inbound))
            files = await self._download_attachments(inbound)
            inbound = await self._transcribe_voice(inbound)
            await retry_in_thread(self._log, self.writer.insert, inbound, files)
        except CallerError as error:
            self._log.error("message %d of user %d cannot be stored: %s", inbound.snowflake, inbound.author.user, error)
            self._admission.reply(inbound, f"I could not store this, so the team does not have it: {error}")
            await retry_in_thread(self._log, self.writer.record_rejected, inbound)
        except Exception:
            self._log.exception("message %d of user %d cannot be stored yet", inbound.snowflake, inbound.author.user)
            self._admission.reply(inbound, NOT_STORED)
            await retry_in_thread(self._log, self.writer.record_rejected, inbound)
        return None

    async def _transcribe_voice(self, inbound: InboundMessage) -> InboundMessage:
        """Return a voice message with its text, if ``transcribe`` is configured."""
        if not self._section.transcribe:
            return inbound
        for file, path in attachments.paths_of(inbound, self._hub.team.folder):
            if not file.is_voice or file.is_quoted or not path.is_file():
                continue
            try:
                text = await transcribe(self._section.transcribe, path, self._log)
            except TranscriptionError as error:
                line = f"(the voice message could not be transcribed: {error})"
                return replace(inbound, extras=(*inbound.extras, line))
            return replace(inbound, text=text, extras=(*inbound.extras, "(spoken; transcribed by a program)"))
        return inbound

    async def _is_endless(self, inbound: InboundMessage) -> bool:
        """Return whether another bot and the team have only answered each other for too long. Report this once."""
        author = inbound.author
        if not author.is_bot or author.webhook is not None:
            return False
        rounds = await retry_in_thread(self._log, self.writer.count_bot_rounds, inbound)
        if rounds < MAX_BOT_ROUNDS:
            self._endless.discard(author.channel)
            return False
        if author.channel not in self._endless:
            self._endless.add(author.channel)
            sentence = (
                f"On Discord {inbound.name} and the team have answered each other {rounds} times in "
                f"<#{author.channel}>. I ignore its messages there until a person writes, or for an hour."
            )
            self._log.warning("%s", sentence)
            await retry_in_thread(self._log, self.writer.notify_team, sentence)
        return True

    async def _add_unheard(self, inbound: InboundMessage) -> InboundMessage:
        """Add the channel's last messages that were not for the team, so that the agent knows the context."""
        author = inbound.author
        is_known = author.channel not in self._has_unheard and answer_mode(self._section, author) == ALWAYS
        if is_known or author.is_bot:
            return inbound
        lines: list[str | None] = []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CONTEXT_SECONDS):
                found = await self._calls.call_discord_or_none(
                    lambda client: fetch_before(client, author.channel, inbound.snowflake)
                )
                lines = [await self._describe_unheard(message) for message in found or ()]
        self._has_unheard.discard(author.channel)
        if not (text := "\n".join(filter(None, lines))):
            return inbound
        quotation = Quotation("said here before, not to the team", text)
        return replace(inbound, quotations=(quotation, *inbound.quotations))

    async def _describe_unheard(self, message: discord.Message) -> str | None:
        """Return a line for a message that is not stored in the hub. Quote only people who may write to the team."""
        me = 0 if self._calls.client is None or self._calls.client.user is None else self._calls.client.user.id
        earlier = parse_message(message, me)
        if earlier is None or earlier.is_empty:
            return None
        earlier = await self._admission.add_thread(earlier)
        if is_for_team(self._section, earlier):
            return None
        if not await self._admission.is_allowed(earlier):
            return None
        names = " ".join(f"[{file.name}]" for file in earlier.files)
        return f"{to_single_line(earlier.name, 100)}: {' '.join((earlier.text + ' ' + names).split())[:_MAX_UNHEARD]}"

    async def _add_thread_starter(self, inbound: InboundMessage) -> InboundMessage:
        """Add the message that began a thread to the team's first message in that thread."""
        if not inbound.thread or not await retry_in_thread(self._log, self.writer.is_first_in_conversation, inbound):
            return inbound
        starter = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CONTEXT_SECONDS):
                starter = await self._calls.call_discord_or_none(
                    lambda client: fetch_thread_starter(client, inbound.author)
                )
        if starter is None or starter.id == inbound.snowflake:
            return inbound
        quotation, files = quote(starter, "a thread about a message of"), tuple(quoted_attachments(starter))
        return replace(inbound, quotations=(quotation, *inbound.quotations), files=(*inbound.files, *files))

    async def _handle_edit(self, inbound: InboundMessage) -> None:
        try:
            await retry_in_thread(self._log, self.writer.edit, inbound, await self._download_attachments(inbound))
        except CallerError as error:
            self._log.error("the edit of message %d cannot be stored: %s", inbound.snowflake, error)
            self._admission.reply(inbound, f"I could not store your change, so the team does not have it: {error}")

    def _skip(self, channel: int, snowflake: int, *, is_direct: bool) -> None:
        """Skip a message. ``record_skipped`` stores its position later, together with others."""
        if not is_direct:  # a direct message needs its author in the row, who may be an unknown user
            self._skipped[channel] = max(snowflake, self._skipped.get(channel, 0))

    async def _download_attachments(self, inbound: InboundMessage) -> list[str]:
        if not inbound.files:
            return []
        most = int(self._section.file_mib * _MIB)
        return await attachments.download_attachments(inbound, self._hub.team.folder, most, self._log)
