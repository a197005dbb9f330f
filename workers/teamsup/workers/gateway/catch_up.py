"""What was written while nobody listened: where to look, and what is found there. Reads from Discord."""

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from teamsup.hub.sections import GatewaySection

from .access import Author, could_admit
from .asking import NoPlace
from .places import Place, before_all
from .snowflakes import first_at

if TYPE_CHECKING:
    import discord
    from discord.abc import Messageable

_LOOKED_AT_AGAIN = 50
_CLOSED_THREADS = 100
_CLOSED_DAYS = 8  # Discord closes a thread after a week at the latest
_PAGE = 100  # of Discord's history


class OpenPlace(NamedTuple):
    """A channel in which people can write, or a thread that is not closed, as a login tells of it."""

    number: int
    guild: int
    parent: int | None = None
    """The channel of a thread."""
    last_message: int | None = None


class Missed(NamedTuple):
    """Oldest first. ``skipped`` is the last message that was passed over, ``why`` says for what reason; 0: none."""

    messages: "list[discord.Message]"
    skipped: int = 0
    why: str = ""


async def missed(place: "Messageable", since: int, section: GatewaySection, now: float) -> Missed:
    """What was written there after that message, as much of it as the configuration allows."""
    import discord

    since = max(since, _invited(place))
    oldest = first_at(now - section.catch_up_hours * 3600) - 1
    most = section.catch_up_messages
    after = discord.Object(max(since, oldest))
    # Nearly always there is nothing, or little. Where there is too much it is read from its end.
    found = [message async for message in place.history(limit=_PAGE, after=after, oldest_first=True)]
    if len(found) >= min(_PAGE, most + 1):
        found = [message async for message in place.history(limit=most + 1, after=after, oldest_first=False)][::-1]
    if len(found) > most:
        return Missed(found[1:], found[0].id, f"more than {most:,} messages")
    if since < oldest:
        before = discord.Object(oldest + 1)
        async for message in place.history(limit=1, after=discord.Object(since), before=before, oldest_first=True):
            if message.id <= oldest:
                return Missed(found, oldest, f"messages older than {section.catch_up_hours:g} hours")
    return Missed(found)


def _invited(place: "Messageable") -> int:
    """What was written in a server before the bot was there was not written to it."""
    me = getattr(getattr(place, "guild", None), "me", None)
    return 0 if me is None or me.joined_at is None else first_at(me.joined_at.timestamp())


async def recent(place: "Messageable", until: int) -> "list[discord.Message]":
    """The last messages there that had been seen, oldest first."""
    import discord

    return [message async for message in place.history(limit=_PAGE, before=discord.Object(until + 1))][::-1]


async def place_of(client: "discord.Client", number: int, person: int | None) -> "Messageable":
    """The place of that number. Raises NoPlace, or discord's NotFound or Forbidden."""
    import discord
    from discord.abc import Messageable

    if person is not None:
        return client.get_partial_messageable(number, type=discord.ChannelType.private)
    place = client.get_channel(number) or await client.fetch_channel(number)
    if not isinstance(place, Messageable):
        raise NoPlace(f"nobody can write in channel {number}")
    return place


def where_to_look(
    here: Collection[OpenPlace],
    section: GatewaySection,
    paired: Collection[int],
    known: Mapping[int, Place],
    beginning: int,
    now: float,
) -> Iterator[tuple[int, bool]]:
    """Of the open places and the known ones those in which somebody may have been missed, and whether Discord has told
    of anything new there. Pure."""
    for place in here:
        if could_admit(section, paired, Author(0, place.number, place.guild, place.parent)):
            yield place.number, has_news(place, known, beginning)
    numbers = {place.number for place in here}
    elsewhere = [each for each in known.values() if each.channel not in numbers]
    yield from ((each.channel, True) for each in elsewhere if each.person is not None)
    # Threads that were closed since, or places where we may not look any more.
    recent = first_at(now - _CLOSED_DAYS * 86_400)
    closed = [each for each in elsewhere if each.person is None and each.last_seen > recent]
    yield from ((each.channel, True) for each in closed[:_CLOSED_THREADS])


def channels_with_threads(client: "discord.Client", section: GatewaySection, paired: Collection[int]) -> Iterator[int]:
    """The channels that the bot may read, and in whose threads somebody could be heard."""
    import discord

    for guild in client.guilds:
        for channel in guild.channels:
            has_threads = isinstance(channel, discord.TextChannel | discord.ForumChannel) and _may_read(channel)
            if has_threads and could_admit(section, paired, Author(0, channel.id, guild.id, channel.id)):
                yield channel.id


async def closed_lately(
    client: "discord.Client", channel: int, section: GatewaySection, now: float
) -> "list[OpenPlace]":
    """The public threads of a channel that were closed within the hours that are caught up: no login tells of them.
    Raises NoPlace and what discord.py raises."""
    import discord

    place = client.get_channel(channel)
    if not isinstance(place, discord.TextChannel | discord.ForumChannel):
        raise NoPlace(f"channel {channel} has no threads any more")
    found = []
    async for thread in place.archived_threads(limit=_CLOSED_THREADS):
        if now - thread.archive_timestamp.timestamp() > section.catch_up_hours * 3600:
            break
        found.append(OpenPlace(thread.id, place.guild.id, channel, thread.last_message_id))
    return found


def has_news(place: OpenPlace, known: Mapping[int, Place], beginning: int) -> bool:
    """Whether its last message was not seen. Pure."""
    seen = known[place.number].last_seen if place.number in known else before_all(place.number, beginning)
    return place.last_message is not None and place.last_message > seen


def where_to_look_again(section: GatewaySection, known: Mapping[int, Place], now: float) -> list[int]:
    """The places in which something that we have may have been edited since. Pure."""
    since = first_at(now - section.catch_up_hours * 3600)
    return [place.channel for place in known.values() if place.last_seen > since][:_LOOKED_AT_AGAIN]


def readable(client: "discord.Client") -> set[int]:
    """The channels and threads that the bot may read."""
    return {place.number for place in open_places(client)}


def unreadable(changed: object) -> set[int]:
    """What the bot might not read of a channel as it was; by now that may have changed twice."""
    import discord

    if not isinstance(changed, discord.abc.GuildChannel) or _may_read(changed):
        return set()
    return {changed.id, *(thread.id for thread in getattr(changed, "threads", ()))}


def open_places(client: "discord.Client") -> Iterator[OpenPlace]:
    """Those that the bot may read."""
    import discord

    for guild in client.guilds:
        for channel in guild.channels:
            kinds = discord.TextChannel | discord.VoiceChannel | discord.StageChannel
            if isinstance(channel, kinds) and _may_read(channel):
                yield OpenPlace(channel.id, guild.id, None, channel.last_message_id)
        for thread in guild.threads:
            if thread.parent is None or _may_read(thread.parent):
                yield OpenPlace(thread.id, guild.id, thread.parent_id, thread.last_message_id)


def _may_read(channel: "discord.abc.GuildChannel") -> bool:
    may = None if channel.guild.me is None else channel.permissions_for(channel.guild.me)
    return may is None or (may.read_messages and may.read_message_history)
