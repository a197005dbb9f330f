"""Find messages that people wrote while the gateway was not connected. This module only reads from Discord."""

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

import discord
from discord.abc import Messageable

from ..access.policy import could_allow
from ..component import GatewaySection
from ..connection.calls import NotMessageable
from ..ids import snowflake_at
from ..message import Author
from ..tables.channel_table import ChannelCursor, first_snowflake

_MAX_RECHECKED_CHANNELS = 50
_MAX_ARCHIVED_THREADS = 100
_ARCHIVE_DAYS = 8  # Discord closes a thread after a week at the latest
_CONTEXT_MESSAGES = 10
_PAGE_SIZE = 100  # of Discord's history


class OpenChannel(NamedTuple):
    """A channel in which people can write, or an open thread. Discord lists both at a login."""

    id: int
    guild: int
    parent: int | None = None
    """The channel of a thread."""
    last_message: int | None = None


class MissedMessages(NamedTuple):
    """Missed messages, oldest first. ``skipped`` is the id of the last skipped message, or 0. ``why`` is the reason."""

    messages: list[discord.Message]
    skipped: int = 0
    why: str = ""


async def fetch_missed(channel: Messageable, since: int, section: GatewaySection, now: float) -> MissedMessages:
    """Return the messages of a channel after a message, within the limits of the configuration."""
    since = max(since, _joined_snowflake(channel))
    oldest = snowflake_at(now - section.catch_up_hours * 3600) - 1
    most = section.catch_up_messages
    after = discord.Object(max(since, oldest))
    # Nearly always there are few messages or none. If there are too many, read them from the end.
    found = [message async for message in channel.history(limit=_PAGE_SIZE, after=after, oldest_first=True)]
    if len(found) >= min(_PAGE_SIZE, most + 1):
        found = [message async for message in channel.history(limit=most + 1, after=after, oldest_first=False)][::-1]
    if len(found) > most:
        return MissedMessages(found[1:], found[0].id, f"more than {most:,} messages")
    if since < oldest:
        before = discord.Object(oldest + 1)
        async for message in channel.history(limit=1, after=discord.Object(since), before=before, oldest_first=True):
            if message.id <= oldest:
                return MissedMessages(found, oldest, f"messages older than {section.catch_up_hours:g} hours")
    return MissedMessages(found)


def _joined_snowflake(channel: Messageable) -> int:
    """Return the id of the time when the bot joined the server. Earlier messages there are not for the bot."""
    me = getattr(getattr(channel, "guild", None), "me", None)
    return 0 if me is None or me.joined_at is None else snowflake_at(me.joined_at.timestamp())


async def fetch_recent(channel: Messageable, until: int) -> list[discord.Message]:
    """Return the last known messages of a channel, oldest first."""
    return [message async for message in channel.history(limit=_PAGE_SIZE, before=discord.Object(until + 1))][::-1]


async def fetch_before(client: discord.Client, channel: int, snowflake: int) -> list[discord.Message]:
    """Return the last messages before a message in a channel of a server, oldest first."""
    messageable = await get_messageable(client, channel, None)
    before = discord.Object(snowflake)
    return [message async for message in messageable.history(limit=_CONTEXT_MESSAGES, before=before)][::-1]


async def fetch_thread_starter(client: discord.Client, author: Author) -> discord.Message | None:
    """Return the message with which a thread began, or None. It has the same number as the thread.

    A post in a forum contains this message. Any other thread began with a message of its channel.
    """
    is_post = isinstance(client.get_channel(author.parent or 0), discord.ForumChannel)
    channel = author.channel if is_post or author.parent is None else author.parent
    try:
        return await client.get_partial_messageable(channel).fetch_message(author.channel)
    except discord.NotFound:
        return None


async def get_messageable(client: discord.Client, number: int, person: int | None) -> Messageable:
    """Return the channel with this id. Raise NotMessageable, or discord.py's NotFound or Forbidden."""
    if person is not None:
        return client.get_partial_messageable(number, type=discord.ChannelType.private)
    channel = client.get_channel(number) or await client.fetch_channel(number)
    if not isinstance(channel, Messageable):
        raise NotMessageable(f"nobody can write in channel {number}")
    return channel


def channels_to_check(
    here: Collection[OpenChannel],
    section: GatewaySection,
    paired: Collection[int],
    known: Mapping[int, ChannelCursor],
    beginning: int,
    now: float,
) -> Iterator[tuple[int, bool]]:
    """Return the open and known channels that may have missed messages. The flag of each tells whether Discord reports
    a new message there. Pure.
    """
    for channel in here:
        if could_allow(section, paired, Author(0, channel.id, channel.guild, channel.parent)):
            yield channel.id, has_new_messages(channel, known, beginning)
    numbers = {channel.id for channel in here}
    elsewhere = [each for each in known.values() if each.channel not in numbers]
    yield from ((each.channel, True) for each in elsewhere if each.person is not None)
    # These threads were closed meanwhile, or the bot may no longer read these channels.
    recent = snowflake_at(now - _ARCHIVE_DAYS * 86_400)
    closed = [each for each in elsewhere if each.person is None and each.last_seen > recent]
    yield from ((each.channel, True) for each in closed[:_MAX_ARCHIVED_THREADS])


def channels_with_threads(client: discord.Client, section: GatewaySection, paired: Collection[int]) -> Iterator[int]:
    """Return the readable channels with threads in which a user may be admitted."""
    for guild in client.guilds:
        for channel in guild.channels:
            has_threads = isinstance(channel, discord.TextChannel | discord.ForumChannel) and _is_readable(channel)
            if has_threads and could_allow(section, paired, Author(0, channel.id, guild.id, channel.id)):
                yield channel.id


async def fetch_recently_archived(
    client: discord.Client, number: int, section: GatewaySection, now: float
) -> list[OpenChannel]:
    """Return the public threads of a channel that were closed within ``catch_up_hours``. Discord does not list them at
    a login.

    Raise NotMessageable, and errors of discord.py.
    """
    channel = client.get_channel(number)
    if not isinstance(channel, discord.TextChannel | discord.ForumChannel):
        raise NotMessageable(f"channel {number} has no threads any more")
    found = []
    async for thread in channel.archived_threads(limit=_MAX_ARCHIVED_THREADS):
        if now - thread.archive_timestamp.timestamp() > section.catch_up_hours * 3600:
            break
        found.append(OpenChannel(thread.id, channel.guild.id, number, thread.last_message_id))
    return found


def has_new_messages(channel: OpenChannel, known: Mapping[int, ChannelCursor], beginning: int) -> bool:
    """Return whether the channel's last message is unknown. Pure."""
    seen = known[channel.id].last_seen if channel.id in known else first_snowflake(channel.id, beginning)
    return channel.last_message is not None and channel.last_message > seen


def channels_to_recheck(section: GatewaySection, known: Mapping[int, ChannelCursor], now: float) -> list[int]:
    """Return the channels in which a stored message may have been edited after it was stored. Pure."""
    since = snowflake_at(now - section.catch_up_hours * 3600)
    return [each.channel for each in known.values() if each.last_seen > since][:_MAX_RECHECKED_CHANNELS]


def readable_channels(client: discord.Client) -> set[int]:
    """Return the channels and threads that the bot may read."""
    return {channel.id for channel in open_channels(client)}


def previously_unreadable(changed: object) -> set[int]:
    """Return the channels that the bot could not read in an object's former state. Its rights may have changed twice
    since then.
    """
    if not isinstance(changed, discord.abc.GuildChannel) or _is_readable(changed):
        return set()
    return {changed.id, *(thread.id for thread in getattr(changed, "threads", ()))}


def open_channels(client: discord.Client) -> Iterator[OpenChannel]:
    """Return the open channels that the bot may read."""
    for guild in client.guilds:
        for channel in guild.channels:
            kinds = discord.TextChannel | discord.VoiceChannel | discord.StageChannel
            if isinstance(channel, kinds) and _is_readable(channel):
                yield OpenChannel(channel.id, guild.id, None, channel.last_message_id)
        for thread in guild.threads:
            if thread.parent is None or _is_readable(thread.parent):
                yield OpenChannel(thread.id, guild.id, thread.parent_id, thread.last_message_id)


def _is_readable(channel: discord.abc.GuildChannel) -> bool:
    may = None if channel.guild.me is None else channel.permissions_for(channel.guild.me)
    return may is None or (may.read_messages and may.read_message_history)
