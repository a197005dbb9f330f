"""Receive every message of an admitted person, once and in order. This includes messages from times without a
connection.
"""

import asyncio
import contextlib
import functools
import itertools
import logging
import time
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import discord

from teamsup.hub import CallerError, MessageHub, StoreError
from teamsup.terminal.formatting import format_moment

from ...attached_files import remove_orphaned_files
from ...worker import retry_in_thread
from ..access import pairing
from ..component import GatewaySection
from ..connection.calls import DiscordCalls, permanent_errors
from ..connection.client import EventListener
from ..connection.discord_clock import DiscordClock
from ..ids import created_at
from ..message import InboundMessage, parse_message
from ..tables import channel_table
from ..tables.chunk_table import SentNonces
from . import catch_up
from .catch_up import OpenChannel
from .channel_queue import ChannelQueue, stop_queues
from .events import EventHandler, Ignored, InboundEvent, MessageDeleted, MessageEdited, to_event

_RECORD_SECONDS = 10.0
_CLEANUP_INTERVAL = 8640  # cleanup after so many records: once a day
_PLAIN_TYPES = (discord.MessageType.default.value, discord.MessageType.reply.value)
_SHUTDOWN_SECONDS = 1.5
_MAX_PARALLEL_READS = 4
_UNREADABLE_SECONDS = 600.0
"""Seconds for which an unreadable event is reported, because its author is unknown."""
_PERMISSION_EVENTS = ("on_guild_channel_create", "on_guild_channel_update", "on_guild_role_update", "on_member_update")


@dataclass(frozen=True, slots=True)
class _RecheckEdits:
    """A request to look for edits that were made while the gateway was not connected."""


class Inbox:
    """Receive events, fetch missed messages, and queue both per channel in order."""

    def __init__(
        self, hub: MessageHub, section: GatewaySection, log: logging.Logger, clock: DiscordClock, nonces: SentNonces
    ) -> None:
        self._hub = hub
        self._clock = clock
        self._section = section
        self._log = log
        self._calls = DiscordCalls(log)
        self._handler = EventHandler(hub, section, log, self._calls, clock, nonces)
        self._session = 0
        self._queues: dict[int, ChannelQueue[InboundEvent | _RecheckEdits]] = {}
        self._unreachable: set[int] = set()
        self._available_guilds: set[int] | None = None  # servers that were available at the last look
        self._readable: set[int] = set()
        self._read_slots = asyncio.Semaphore(_MAX_PARALLEL_READS)
        self._unreadable, self._unreadable_until = "", 0.0

    @property
    def failure(self) -> str:
        """The reason why some messages are not stored; empty if all are stored."""
        if found := self._handler.take_foreign_message():
            self._record_unreadable(
                f"Another program uses the bot's token, here or on another host: it has sent {found}. "
                "Stop one of them, or give each a bot of its own."
            )
            self._log.warning("%s", self._unreadable)
        return self._calls.failure or (self._unreadable if time.monotonic() < self._unreadable_until else "")

    def listeners(self, client: discord.Client) -> tuple[EventListener, ...]:
        """Return the functions that a client calls, by discord.py's names."""

        async def on_connect() -> None:
            self.start_session(client)

        async def on_disconnect() -> None:
            self.start_session(client)

        async def on_ready() -> None:
            await self.catch_up(client)

        async def on_resumed() -> None:
            await self.catch_up(client, resumed=True)

        async def on_guild_unavailable(guild: discord.Guild) -> None:
            if self._available_guilds is not None:
                self._available_guilds.discard(guild.id)

        async def on_guild_available(guild: discord.Guild) -> None:
            # Servers that come with a session are checked when it is ready.
            if self._available_guilds is not None and guild.id not in self._available_guilds:
                await self.catch_up(client)

        async def on_rights_changed(before: object, *_: object) -> None:
            self.backfill_newly_readable(client, before)

        async def on_message(message: discord.Message) -> None:
            self.on_message(client, message)

        async def on_raw_message_edit(payload: discord.RawMessageUpdateEvent) -> None:
            self.on_message_edit(client, payload.message)

        async def on_raw_message_delete(payload: discord.RawMessageDeleteEvent) -> None:
            self.on_message_delete(payload.channel_id, payload.message_id)

        async def on_raw_bulk_message_delete(payload: discord.RawBulkMessageDeleteEvent) -> None:
            self.on_message_delete(payload.channel_id, *payload.message_ids)

        async def on_unreadable(event: str, channel: object) -> None:
            where = f" in channel {channel}" if channel else ""
            self._record_unreadable(f"Cannot read an event{where}: {event}. Look on Discord.")

        async def on_error(event: str, *_: object) -> None:
            self._log.exception("failed with an event of Discord: %s", event)
            self._record_unreadable(f"Cannot handle an event of Discord: {event}. Look on Discord.")

        return (
            on_connect,
            on_disconnect,
            on_ready,
            on_resumed,
            on_guild_unavailable,
            on_guild_available,
            *(_rename_listener(name, on_rights_changed) for name in _PERMISSION_EVENTS),
            on_message,
            on_raw_message_edit,
            on_raw_message_delete,
            on_raw_bulk_message_delete,
            on_unreadable,
            on_error,
        )

    def start_session(self, client: discord.Client) -> None:
        """Begin a session, or continue a session after a gap. New events wait for missed events."""
        self._calls.use_client(client)
        self._session += 1
        self._available_guilds = None

    def backfill_newly_readable(self, client: discord.Client, changed: object) -> None:
        """Catch up channels that were unreadable for a while. ``changed`` is a channel, role or member in its former
        state."""
        before, self._readable = (
            self._readable - catch_up.previously_unreadable(changed),
            catch_up.readable_channels(client),
        )
        for number in sorted((self._readable - before) & self._queues.keys()):
            self._unreachable.discard(number)
            self._queue_of(number).request_catch_up()

    def on_message(self, client: discord.Client, message: discord.Message) -> None:
        """Queue a message. This does not wait, so Discord's order is kept."""
        what = self._to_event(client, message)
        if isinstance(what, Ignored) and _is_own(message, _bot_id(client)):
            what = replace(what, own_nonce=str(message.nonce or ""))
        self._queue_of(message.channel.id).put(what)

    def _to_event(self, client: discord.Client, message: discord.Message) -> InboundEvent:
        what = to_event(message, _bot_id(client), self._log)
        if isinstance(what, Ignored) and what.is_unreadable:
            where = f"message {message.id} in channel {message.channel.id}"
            self._record_unreadable(f"Cannot read {where}. Read it on Discord.")
        return what

    def _record_unreadable(self, sentence: str) -> None:
        self._unreadable, self._unreadable_until = sentence, time.monotonic() + _UNREADABLE_SECONDS

    def on_message_edit(self, client: discord.Client, message: discord.Message) -> None:
        inbound = parse_message(message, _bot_id(client))
        if inbound is not None and inbound.edited_at is not None:
            self._queue_of(message.channel.id).put(MessageEdited(inbound))

    def on_message_delete(self, channel: int, *snowflakes: int) -> None:
        for snowflake in sorted(snowflakes):
            self._queue_of(channel).put(MessageDeleted(snowflake))

    async def catch_up(self, client: discord.Client, *, resumed: bool = False) -> None:
        """Look for missed messages in all channels; new events of a channel wait meanwhile."""
        session = self._session
        self._available_guilds = {guild.id for guild in client.guilds if not guild.unavailable}
        self._readable = catch_up.readable_channels(client)
        now, started_at = self._clock.now(), self._clock.started_at()
        known = await retry_in_thread(self._log, channel_table.read_cursors, self._hub)
        beginning = await retry_in_thread(self._log, channel_table.first_run, self._hub, started_at)
        paired = await retry_in_thread(self._log, pairing.paired_user_ids, self._hub)
        here = list(catch_up.open_channels(client))
        for number, has_new in catch_up.channels_to_check(here, self._section, paired, known, beginning, now):
            # Discord lists each channel's last message at a login, but not at a resumed session.
            if has_new or resumed:
                self._queue_of(number).request_catch_up()
            else:
                self._queue_of(number).mark_caught_up(session)
        if not resumed:
            for number in catch_up.channels_to_recheck(self._section, known, now):
                self._queue_of(number).put(_RecheckEdits())
            for thread in await self._recently_archived(client, paired):
                if catch_up.has_new_messages(thread, known, beginning):
                    self._queue_of(thread.id).request_catch_up()
        for person in sorted({*self._section.users, *paired} - {cursor.person for cursor in known.values()}):
            await self._find_direct_messages(person, beginning)

    async def _recently_archived(self, client: discord.Client, paired: Collection[int]) -> list[OpenChannel]:
        """Return threads that were closed while the gateway was away. Some were also opened meanwhile, such as posts in
        a forum.
        """

        async def fetch(channel: int) -> list[OpenChannel]:
            async with self._read_slots:
                found = await self._calls.call_discord_or_none(
                    lambda client: catch_up.fetch_recently_archived(client, channel, self._section, self._clock.now())
                )
            return found or []

        channels = catch_up.channels_with_threads(client, self._section, paired)
        return list(itertools.chain.from_iterable(await asyncio.gather(*map(fetch, channels))))

    async def run(self) -> None:
        """Run until cancelled; then store the events that can be stored in a moment."""
        try:
            for number in itertools.count():
                if number % _CLEANUP_INTERVAL == 0:
                    await self._remove_orphaned_files()
                await asyncio.sleep(_RECORD_SECONDS)
                await self._handler.record_skipped()
        finally:
            await stop_queues(self._queues.values(), _SHUTDOWN_SECONDS)
            await self._handler.record_skipped()

    def _queue_of(self, number: int) -> ChannelQueue[InboundEvent | _RecheckEdits]:
        if number not in self._queues:
            self._queues[number] = ChannelQueue(
                lambda: self._session,
                functools.partial(self._handle, number),
                functools.partial(self._backfill_queue, number),
            )
        return self._queues[number]

    async def _backfill_queue(self, number: int) -> None:
        """Store the missed messages of a channel; its other events wait."""
        try:
            await self._calls.call_discord(lambda client: self._backfill(client, number))
        except permanent_errors() as error:
            if number not in self._unreachable:
                self._log.warning(
                    "channel %d cannot be read, so its missed messages are not fetched: %s", number, error
                )
            self._unreachable.add(number)

    async def _recheck_edits(self, number: int) -> None:
        """Store later edits of known messages. Deletions cannot be found."""
        person = await retry_in_thread(self._log, channel_table.person_of, self._hub, number)
        until = await retry_in_thread(
            self._log, channel_table.last_seen_in, self._hub, number, self._clock.started_at()
        )

        async def recent(client: discord.Client) -> list[InboundMessage | None]:
            async with self._read_slots:
                found = await catch_up.fetch_recent(await catch_up.get_messageable(client, number, person), until)
            return [parse_message(message, _bot_id(client)) for message in found]

        with contextlib.suppress(*permanent_errors()):
            for inbound in await self._calls.call_discord(recent):
                if inbound is None or inbound.edited_at is None:
                    continue
                if await retry_in_thread(self._log, self._handler.writer.is_new_version, inbound):
                    await self._handle(number, MessageEdited(inbound))

    async def _handle(self, number: int, what: InboundEvent | _RecheckEdits) -> None:
        try:
            if isinstance(what, _RecheckEdits):
                await self._recheck_edits(number)
            else:
                await self._handler.handle(number, what)
        except CallerError as error:
            self._log.error("a message in channel %d cannot be stored: %s", number, error)
        except Exception:
            self._log.exception("cannot handle %s in channel %d", type(what).__name__, number)

    async def _backfill(self, client: discord.Client, number: int) -> None:
        person = await retry_in_thread(self._log, channel_table.person_of, self._hub, number)
        since = await retry_in_thread(
            self._log, channel_table.last_seen_in, self._hub, number, self._clock.started_at()
        )
        async with self._read_slots:
            messageable = await catch_up.get_messageable(client, number, person)
            missed = await catch_up.fetch_missed(messageable, since, self._section, self._clock.now())
        if missed.skipped:
            name = f"#{name}" if (name := getattr(messageable, "name", "")) else f"direct messages ({number})"
            sentence = _describe_skipped(missed, name)
            self._log.warning("%s", sentence)
            await retry_in_thread(self._log, self._handler.writer.skip_to, number, missed.skipped, sentence)
        for message in missed.messages:
            await self._handle(number, self._to_event(client, message))

    async def _find_direct_messages(self, person: int, beginning: int) -> None:
        """Ask Discord for the channel of an admitted user's direct messages, because it does not list such channels."""
        try:
            channel = await self._calls.call_discord(lambda client: client.create_dm(discord.Object(person)))
        except permanent_errors() as error:
            self._log.info("no direct messages with user %d: %s", person, error)
            return
        await retry_in_thread(self._log, channel_table.advance, self._hub, channel.id, beginning, person)
        self._queue_of(channel.id).request_catch_up()

    async def _remove_orphaned_files(self) -> None:
        try:
            await asyncio.to_thread(remove_orphaned_files, self._hub)
        except (OSError, StoreError) as error:
            self._log.error("old attachments are not removed: %s", error)


def _bot_id(client: discord.Client) -> int:
    """Return the bot's own id, or 0 if it is not known yet."""
    return 0 if client.user is None else client.user.id


def _is_own(message: discord.Message, bot: int) -> bool:
    """Return whether the bot has sent the message, other than as the answer to an interaction."""
    is_plain = message.webhook_id is None and message.interaction_metadata is None
    return is_plain and message.author.id == bot and message.type.value in _PLAIN_TYPES


def _describe_skipped(missed: catch_up.MissedMessages, channel: str) -> str:
    since = format_moment(datetime.fromtimestamp(created_at(missed.skipped + 1), UTC))
    return (
        f"On Discord {missed.why} were written in {channel} while the gateway was down. Messages before {since} "
        "were skipped."
    )


def _rename_listener(name: str, listener: EventListener) -> EventListener:
    """Give a listener the name by which discord.py finds it."""

    async def named(*arguments: object) -> None:
        await listener(*arguments)

    named.__name__ = name
    return named
