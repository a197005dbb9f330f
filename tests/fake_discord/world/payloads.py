"""What is in the world, as Discord writes it down for a bot."""

import zlib
from typing import TYPE_CHECKING

from ..clock import format_iso
from ..ids import BOT
from ..rules import MESSAGE_CONTENT, UPLOAD_LIMITS
from .models import (
    DM,
    FORUM,
    HAS_THREAD,
    REPLY,
    THREAD_STARTER,
    FakeAttachment,
    FakeChannel,
    FakeGuild,
    FakeInteraction,
    FakeMember,
    FakeMessage,
    FakeRole,
    FakeUser,
    Json,
)

if TYPE_CHECKING:
    from .world import FakeWorld

_CONTENT = {"content": "", "embeds": [], "attachments": [], "components": []}


def user_json(user: FakeUser) -> Json:
    return {
        "id": str(user.id),
        "username": user.name.lower(),
        "global_name": None if user.bot else user.name,
        "discriminator": "0",
        "avatar": None,
        "bot": user.bot,
        "public_flags": 0,
        "flags": 0,
    }


def member_json(world: "FakeWorld", member: FakeMember, *, with_user: bool = True) -> Json:
    data: Json = {
        "nick": member.nick,
        "avatar": None,
        "roles": [str(role) for role in sorted(member.roles)],
        "joined_at": format_iso(member.joined),
        "premium_since": None,
        "deaf": False,
        "mute": False,
        "pending": False,
        "flags": 0,
        "communication_disabled_until": format_iso(member.timed_out_until) if member.timed_out_until else None,
    }
    return {**data, "user": user_json(world.users[member.user])} if with_user else data


def role_json(role: FakeRole) -> Json:
    tags: Json = {} if role.bot is None else {"tags": {"bot_id": str(role.bot)}}
    return {
        **tags,
        "id": str(role.id),
        "name": role.name,
        "permissions": str(int(role.permissions)),
        "position": role.position,
        "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
        "color": 0,
        "hoist": False,
        "managed": role.bot is not None,
        "mentionable": False,
        "flags": 0,
    }


def channel_json(world: "FakeWorld", channel: FakeChannel) -> Json:
    last = next(reversed(channel.messages), None)
    if channel.kind == FORUM:
        last = max((each.id for each in world.channels.values() if each.parent == channel.id), default=None)
    data: Json = {
        "id": str(channel.id),
        "type": channel.kind,
        "last_message_id": str(last) if last else None,
        "flags": 0,
    }
    if channel.kind == DM:
        return {**data, "recipients": [user_json(world.users[channel.recipient])]}
    data |= {"name": channel.name, "guild_id": str(channel.guild), "rate_limit_per_user": 0, "nsfw": False}
    if channel.is_thread:
        data |= {
            "parent_id": str(channel.parent),
            "owner_id": str(channel.owner),
            "message_count": len(channel.messages),
            "member_count": len(channel.members),
            "total_message_sent": len(channel.messages),
            "thread_metadata": {
                "archived": channel.archived,
                "auto_archive_duration": channel.auto_archive,
                "archive_timestamp": format_iso(max(channel.closed, channel.created)),
                "locked": channel.locked,
                "create_timestamp": format_iso(channel.created),
            },
        }
        if BOT in channel.members:
            data["member"] = thread_member_json(channel, BOT)
        return data
    overwrites = [
        {
            "id": str(each.id),
            "type": 0 if each.of_role else 1,
            "allow": str(int(each.allow)),
            "deny": str(int(each.deny)),
        }
        for each in channel.overwrites.values()
    ]
    return {**data, "position": 0, "parent_id": None, "topic": None, "permission_overwrites": overwrites}


def thread_member_json(channel: FakeChannel, user: int) -> Json:
    return {"id": str(channel.id), "user_id": str(user), "join_timestamp": format_iso(channel.created), "flags": 0}


def guild_json(world: "FakeWorld", guild: FakeGuild) -> Json:
    """All of it, as GUILD_CREATE tells a bot: also channels that it may not view, but not their threads."""
    channels = [channel for channel in world.channels.values() if channel.guild == guild.id]
    return {
        "id": str(guild.id),
        "name": guild.name,
        "icon": None,
        "owner_id": str(guild.owner),
        "unavailable": False,
        "large": False,
        "joined_at": format_iso(guild.members[BOT].joined),
        "member_count": len(guild.members),
        "members": [member_json(world, member) for member in guild.members.values()],
        "roles": [role_json(role) for role in guild.roles.values()],
        "channels": [channel_json(world, channel) for channel in channels if not channel.is_thread],
        "threads": [channel_json(world, each) for each in active_threads(world, guild)],
        "emojis": [],
        "stickers": [],
        "features": [],
        "voice_states": [],
        "presences": [],
        "stage_instances": [],
        "guild_scheduled_events": [],
        "soundboard_sounds": [],
        "verification_level": 0,
        "default_message_notifications": 1,
        "explicit_content_filter": 0,
        "premium_tier": guild.premium_tier,
        "premium_subscription_count": 0,
        "preferred_locale": "en-US",
        "nsfw_level": 0,
        "mfa_level": 0,
        "afk_timeout": 300,
        "afk_channel_id": None,
        "system_channel_id": None,
        "system_channel_flags": 0,
    }


def active_threads(world: "FakeWorld", guild: FakeGuild) -> list[FakeChannel]:
    """Those that the bot may see."""
    threads = [channel for channel in world.channels.values() if channel.guild == guild.id and channel.is_thread]
    return [thread for thread in threads if not thread.archived and world.permissions_of(thread)]


def application_json(world: "FakeWorld") -> Json:
    return {
        "id": str(BOT),
        "name": "teamsup",
        "description": "",
        "icon": None,
        "bot_public": False,
        "bot_require_code_grant": False,
        "verify_key": "0" * 64,
        "owner": user_json(world.users[BOT]),
        "flags": application_flags(world),
        "interactions_endpoint_url": world.rules.interactions_endpoint,
    }


def application_flags(world: "FakeWorld") -> int:
    """Which privileged intents are switched on; the bits are those of a bot in few guilds."""
    return 1 << 19 if world.rules.privileged & MESSAGE_CONTENT else 0


def attachment_json(world: "FakeWorld", message: FakeMessage, attachment: FakeAttachment) -> Json:
    # The signature ends with the link's life, as on Discord's own CDN.
    ends = f"{int(world.clock.now() + world.rules.link_life):x}"
    signed = f"ex={ends}&hm={signature(attachment.id, ends)}&"
    path = f"/attachments/{message.channel}/{attachment.id}/{attachment.filename}?{signed}"
    data: Json = {
        "id": str(attachment.id),
        "filename": attachment.filename,
        "size": len(attachment.content),
        "url": world.url + path,
        "proxy_url": world.url + path,
        "content_type": attachment.content_type,
        "flags": 0,
    }
    if attachment.is_voice:
        data |= {"duration_secs": 1.5, "waveform": "AAAA"}
    if attachment.title is not None:
        data["title"] = attachment.title
    return data if attachment.description is None else {**data, "description": attachment.description}


def signature(attachment: int, ends: str) -> str:
    return f"{zlib.crc32(f'{attachment}:{ends}'.encode()):08x}"


def emoji_json(emoji: str) -> Json:
    return {"id": None, "name": emoji}


def message_json(world: "FakeWorld", message: FakeMessage, *, quoted: bool = False) -> Json:
    """A message as REST gives it; events add the guild and the author's membership."""
    data: Json = {
        "id": str(message.id),
        "channel_id": str(message.channel),
        "author": user_json(world.users[message.author]),
        "content": message.content,
        "timestamp": format_iso(message.created),
        "edited_timestamp": None if message.edited is None else format_iso(message.edited),
        "tts": False,
        "mention_everyone": message.mention_everyone,
        "mentions": [user_json(world.users[user]) for user in message.mentions],
        "mention_roles": [str(role) for role in message.mention_roles],
        "attachments": [attachment_json(world, message, each) for each in message.attachments],
        "embeds": message.embeds,
        "components": message.components,
        "pinned": False,
        "type": message.kind,
        "flags": message.flags,
    }
    if message.webhook is not None:
        data["webhook_id"] = str(message.webhook)
        data["author"] |= {"username": world.users[message.author].name, "discriminator": "0000"}
        if message.application is not None:
            data["application_id"] = str(message.application)
    if message.snapshot is not None:
        data["message_snapshots"] = [{"message": message.snapshot}]
    if message.reactions:
        data["reactions"] = [_reaction_json(emoji, users) for emoji, users in message.reactions.items()]
    if message.flags & HAS_THREAD and message.id in world.channels:
        data["thread"] = channel_json(world, world.channels[message.id])
    if message.interaction is not None:
        data["interaction_metadata"] = interaction_metadata_json(world, world.interactions[message.interaction])
        data["application_id"] = str(BOT)
    if message.reference is not None:
        data["message_reference"] = _reference_json(world, message)
        if not quoted and message.kind in (REPLY, THREAD_STARTER):
            original = world.messages.get(message.reference.message)
            data["referenced_message"] = None if original is None else message_json(world, original, quoted=True)
    return data | message.strange


_SNAPSHOT_FIELDS = (
    *("type", "content", "embeds", "attachments", "timestamp", "edited_timestamp", "flags"),
    *("mentions", "mention_roles", "components"),
)
"""Discord's documentation of the Message Snapshot object: it has no author and no number."""


def snapshot_json(world: "FakeWorld", message: FakeMessage) -> Json:
    data = message_json(world, message)
    return {name: data[name] for name in _SNAPSHOT_FIELDS}


def _reaction_json(emoji: str, users: list[int]) -> Json:
    return {
        "emoji": emoji_json(emoji),
        "count": len(users),
        "count_details": {"burst": 0, "normal": len(users)},
        "me": BOT in users,
        "me_burst": False,
        "burst_colors": [],
    }


def _reference_json(world: "FakeWorld", message: FakeMessage) -> Json:
    assert message.reference is not None
    data: Json = {"type": int(message.reference.is_forward), "channel_id": str(message.reference.channel)}
    guild = world.channels[message.channel].guild
    if guild is not None:
        data["guild_id"] = str(guild)
    # Only a thread's announcement names no message.
    return {**data, "message_id": str(message.reference.message)} if message.reference.message else data


def redacted(message: Json) -> Json:
    """What a bot gets of a guild's message when it may not read them: its own and those that mention it."""
    about_bot = {message["author"]["id"], *(user["id"] for user in message["mentions"])}
    shown = message if str(BOT) in about_bot else {**message, **_CONTENT}
    quoted = message.get("referenced_message")
    return {**shown, "referenced_message": redacted(quoted)} if quoted else shown


def interaction_metadata_json(world: "FakeWorld", interaction: FakeInteraction) -> Json:
    return {
        "id": str(interaction.id),
        "type": interaction.kind,
        "user": user_json(world.users[interaction.user]),
        "authorizing_integration_owners": {"0": str(world.channels[interaction.channel].guild or 0)},
    }


def upload_limit(world: "FakeWorld", channel: FakeChannel) -> int:
    """In bytes for each file."""
    return UPLOAD_LIMITS[world.guilds[channel.guild].premium_tier if channel.guild is not None else 0]
