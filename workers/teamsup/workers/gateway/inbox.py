"""From Discord into the hub: every message of an allowed person, once, in order, also what was written meanwhile."""

import asyncio
import contextlib
import functools
import itertools
import logging
import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from teamsup.hub import CallerError, MessageHub, StoreError
from teamsup.hub.sections import GatewaySection

from . import attachments, catch_up, pairing, places
from .asking import Asking, refusals
from .happenings import Deleted, Edited, Happening, NotForUs, Taking, happening
from .heard import hear
from .place_queue import PlaceQueue, end
from .snowflakes import written_at

if TYPE_CHECKING:
    import discord

    from .catch_up import OpenPlace
    from .client import Listener

_NOTE_SECONDS = 10.0
_REMOVE_EVERY = 8640  # of these, which is a day
_END_SECONDS = 1.5
_LOOKS_AT_ONCE = 4
_UNREAD_SECONDS = 600.0
"""So long people are told of something that cannot be read: nobody knows whom to answer."""
_CHANGE_RIGHTS = ("on_guild_channel_create", "on_guild_channel_update", "on_guild_role_update", "on_member_update")


@dataclass(frozen=True, slots=True)
class _LookAgain:
    """For what was edited while nobody listened."""


class Inbox:
    """Hears, looks for what it did not hear, and lets all of it wait, in the order of its place, until it is taken."""

    def __init__(self, hub: MessageHub, section: GatewaySection, log: logging.Logger) -> None:
        self._hub = hub
        self._section = section
        self._log = log
        self._asking = Asking(log)
        self._taking = Taking(hub, section, log, self._asking)
        self._session = 0
        self._places: dict[int, PlaceQueue[Happening | _LookAgain]] = {}
        self._unreachable: set[int] = set()
        self._within_reach: set[int] | None = None  # servers that Discord had not lost when we looked
        self._readable: set[int] = set()
        self._looking = asyncio.Semaphore(_LOOKS_AT_ONCE)
        self._unread, self._unread_until = "", 0.0

    @property
    def trouble(self) -> str:
        """Why not all is taken in that was written; empty: it is."""
        return self._asking.trouble or (self._unread if time.monotonic() < self._unread_until else "")

    def listeners(self, client: "discord.Client") -> "tuple[Listener, ...]":
        """What that client has to call, by discord.py's names."""

        async def on_connect() -> None:
            self.listen(client)

        async def on_disconnect() -> None:
            self.listen(client)

        async def on_ready() -> None:
            await self.catch_up(client)

        async def on_resumed() -> None:
            await self.catch_up(client, resumed=True)

        async def on_guild_unavailable(guild: "discord.Guild") -> None:
            if self._within_reach is not None:
                self._within_reach.discard(guild.id)

        async def on_guild_available(guild: "discord.Guild") -> None:
            # Those that come with a session are looked into when it is ready.
            if self._within_reach is not None and guild.id not in self._within_reach:
                await self.catch_up(client)

        async def on_rights_changed(before: object, *_: object) -> None:
            self.look_where_let_in(client, before)

        async def on_message(message: "discord.Message") -> None:
            self.hear(message)

        async def on_raw_message_edit(payload: "discord.RawMessageUpdateEvent") -> None:
            self.hear_edited(payload.message)

        async def on_raw_message_delete(payload: "discord.RawMessageDeleteEvent") -> None:
            self.hear_deleted(payload.channel_id, payload.message_id)

        async def on_raw_bulk_message_delete(payload: "discord.RawBulkMessageDeleteEvent") -> None:
            self.hear_deleted(payload.channel_id, *payload.message_ids)

        async def on_unreadable(event: str, channel: object) -> None:
            where = f" in channel {channel}" if channel else ""
            self._tell_unread(f"Cannot read what happened{where}: {event}. Look on Discord.")

        async def on_error(event: str, *_: object) -> None:
            self._log.exception("failed with what Discord has told: %s", event)
            self._tell_unread(f"Failed with what happened on Discord: {event}. Look there.")

        return (
            on_connect,
            on_disconnect,
            on_ready,
            on_resumed,
            on_guild_unavailable,
            on_guild_available,
            *(_named(name, on_rights_changed) for name in _CHANGE_RIGHTS),
            on_message,
            on_raw_message_edit,
            on_raw_message_delete,
            on_raw_bulk_message_delete,
            on_unreadable,
            on_error,
        )

    def listen(self, client: "discord.Client") -> None:
        """A session begins, or goes on after a gap: what is heard from now on comes after what was missed."""
        self._asking.use(client)
        self._session += 1
        self._within_reach = None

    def look_where_let_in(self, client: "discord.Client", changed: object) -> None:
        """Catch up where the bot could not read for a while. ``changed`` is a channel, role or member as it was."""
        before, self._readable = self._readable - catch_up.unreadable(changed), catch_up.readable(client)
        for number in sorted((self._readable - before) & self._places.keys()):
            self._unreachable.discard(number)
            self._place(number).catch_up_again()

    def hear(self, message: "discord.Message") -> None:
        """Discord's order is kept by doing nothing here that waits."""
        self._place(message.channel.id).put(self._happening(message))

    def _happening(self, message: "discord.Message") -> Happening:
        what = happening(message, self._asking.me, self._log)
        if isinstance(what, NotForUs) and what.is_unread:
            self._tell_unread(f"Cannot read message {message.id} in channel {message.channel.id}. Read it on Discord.")
        return what

    def _tell_unread(self, sentence: str) -> None:
        self._unread, self._unread_until = sentence, time.monotonic() + _UNREAD_SECONDS

    def hear_edited(self, message: "discord.Message") -> None:
        heard = hear(message, self._asking.me)
        if heard is not None and heard.edited is not None:
            self._place(message.channel.id).put(Edited(heard))

    def hear_deleted(self, channel: int, *snowflakes: int) -> None:
        for snowflake in sorted(snowflakes):
            self._place(channel).put(Deleted(snowflake))

    async def catch_up(self, client: "discord.Client", *, resumed: bool = False) -> None:
        """Look everywhere for what was missed; what is heard there now waits until that is done."""
        session = self._session
        self._within_reach = {guild.id for guild in client.guilds if not guild.unavailable}
        self._readable = catch_up.readable(client)
        known = await self._asking.hub_does(places.known, self._hub)
        beginning = await self._asking.hub_does(places.beginning, self._hub)
        paired = await self._asking.hub_does(pairing.paired, self._hub)
        here = list(catch_up.open_places(client))
        for number, has_news in catch_up.where_to_look(here, self._section, paired, known, beginning, time.time()):
            # At a login Discord says which is the last message of each channel; of a session that goes on it does not.
            if has_news or resumed:
                self._place(number).catch_up_again()
            else:
                self._place(number).missed_nothing(session)
        if not resumed:
            for number in catch_up.where_to_look_again(self._section, known, time.time()):
                self._place(number).put(_LookAgain())
            for place in await self._closed_lately(client, paired):
                if catch_up.has_news(place, known, beginning):
                    self._place(place.number).catch_up_again()
        for person in sorted({*self._section.users, *paired} - {place.person for place in known.values()}):
            await self._find_direct_messages(person, beginning)

    async def _closed_lately(self, client: "discord.Client", paired: Collection[int]) -> "list[OpenPlace]":
        """The threads that were closed meanwhile. Some were opened meanwhile too, such as a forum's posts."""

        async def look(channel: int) -> "list[OpenPlace]":
            async with self._looking:
                found = await self._asking.discord_says_or_none(
                    lambda client: catch_up.closed_lately(client, channel, self._section, time.time())
                )
            return found or []

        channels = catch_up.channels_with_threads(client, self._section, paired)
        return list(itertools.chain.from_iterable(await asyncio.gather(*map(look, channels))))

    async def run(self) -> None:
        """Until cancelled; then what can be stored in a moment is stored."""
        try:
            await self._asking.hub_does(places.beginning, self._hub)
            for number in itertools.count():
                if number % _REMOVE_EVERY == 0:
                    await self._remove_old_files()
                await asyncio.sleep(_NOTE_SECONDS)
                await self._taking.note_what_is_not_for_us()
        finally:
            await end(self._places.values(), _END_SECONDS)
            await self._taking.note_what_is_not_for_us()

    def _place(self, number: int) -> PlaceQueue[Happening | _LookAgain]:
        if number not in self._places:
            self._places[number] = PlaceQueue(
                lambda: self._session, functools.partial(self._deal, number), functools.partial(self._look, number)
            )
        return self._places[number]

    async def _look(self, number: int) -> None:
        """Take in what was missed there. Until that is done nothing else of this place is."""
        try:
            await self._asking.discord_says(lambda client: self._take_missed(client, number))
        except refusals() as error:
            if number not in self._unreachable:
                self._log.warning("channel %d cannot be read, so nothing is caught up there: %s", number, error)
            self._unreachable.add(number)

    async def _look_again(self, number: int) -> None:
        """Take in what was edited meanwhile of what we have. Who deleted something cannot be known."""
        person = await self._asking.hub_does(places.person_in, self._hub, number)
        until = await self._asking.hub_does(places.seen_in, self._hub, number)

        async def recent(client: "discord.Client") -> "list[discord.Message]":
            async with self._looking:
                return await catch_up.recent(await catch_up.place_of(client, number, person), until)

        with contextlib.suppress(*refusals()):
            for message in await self._asking.discord_says(recent):
                heard = hear(message, self._asking.me)
                if heard is not None and heard.edited and await self._taking.is_news(heard):
                    await self._deal(number, Edited(heard))

    async def _deal(self, number: int, what: Happening | _LookAgain) -> None:
        try:
            if isinstance(what, _LookAgain):
                await self._look_again(number)
            else:
                await self._taking.take(number, what)
        except CallerError as error:
            self._log.error("a message in channel %d cannot be kept: %s", number, error)
        except Exception:
            self._log.exception("cannot deal with %s in channel %d", type(what).__name__, number)

    async def _take_missed(self, client: "discord.Client", number: int) -> None:
        person = await self._asking.hub_does(places.person_in, self._hub, number)
        since = await self._asking.hub_does(places.seen_in, self._hub, number)
        async with self._looking:
            place = await catch_up.place_of(client, number, person)
            missed = await catch_up.missed(place, since, self._section, time.time())
        if missed.skipped:
            name = f"#{name}" if (name := getattr(place, "name", "")) else f"direct messages ({number})"
            sentence = _passed_over(missed, name)
            self._log.warning("%s", sentence)
            await self._taking.pass_over(number, missed.skipped, sentence)
        for message in missed.messages:
            await self._deal(number, self._happening(message))

    async def _find_direct_messages(self, person: int, beginning: int) -> None:
        """Discord does not list them, so the first of somebody who is admitted is only found by asking for it."""
        import discord

        try:
            place = await self._asking.discord_says(lambda client: client.create_dm(discord.Object(person)))
        except refusals() as error:
            self._log.info("no direct messages with user %d: %s", person, error)
            return
        await self._asking.hub_does(places.see, self._hub, place.id, beginning, person)
        self._place(place.id).catch_up_again()

    async def _remove_old_files(self) -> None:
        try:
            await asyncio.to_thread(attachments.remove_old, self._hub)
        except (OSError, StoreError) as error:
            self._log.error("old attachments are not removed: %s", error)


def _passed_over(missed: catch_up.Missed, place: str) -> str:
    since = time.strftime("%H:%M on %-d %B", time.localtime(written_at(missed.skipped + 1)))
    return (
        f"On Discord {missed.why} were written in {place} while the gateway was down: what was written before {since} "
        "was passed over."
    )


def _named(name: str, listener: "Listener") -> "Listener":
    """discord.py knows listeners by their names."""

    async def named(*arguments: object) -> None:
        await listener(*arguments)

    named.__name__ = name
    return named
