"""The bot itself, people, guilds, channels and threads over REST."""

from .calls import Answer, Call
from .clock import iso
from .ids import BOT
from .payloads import (
    active_threads,
    application_json,
    channel_json,
    guild_json,
    member_json,
    role_json,
    thread_member_json,
    user_json,
)
from .permissions import May
from .refusals import Refusal, invalid, missing_access, missing_permissions, unknown
from .things import DM, PRIVATE_THREAD, PUBLIC_THREAD, Channel, Guild
from .threads import join, open_thread, update_thread


def me(call: Call) -> Answer:
    return user_json(call.world.users[BOT])


def application(call: Call) -> Answer:
    return application_json(call.world)


def gateway_url(call: Call) -> Answer:
    return {"url": call.world.url.replace("http", "ws", 1) + "/gateway/"}


def gateway_for_bot(call: Call) -> Answer:
    url = call.world.url.replace("http", "ws", 1) + "/gateway/"
    return {"url": url, "shards": 1, "session_start_limit": call.gateway.start_limit()}


def user(call: Call) -> Answer:
    return user_json(call.world.user(call.number("user")))


def own_dms(call: Call) -> Answer:  # noqa: ARG001
    """Discord tells bots of none."""
    return []


def open_dm(call: Call) -> Answer:
    recipient = call.world.user(int(call.body["recipient_id"]))
    if recipient.bot:
        raise Refusal(403, 50007, "Cannot send messages to this user")
    return channel_json(call.world, call.world.dm_with(recipient.id))


def _guild(call: Call) -> Guild:
    guild = call.world.guild(call.number("guild"))
    if BOT not in guild.members:
        raise missing_access()
    return guild


def own_guilds(call: Call) -> Answer:
    guilds = [guild for guild in call.world.guilds.values() if BOT in guild.members]
    return [{"id": str(guild.id), "name": guild.name, "icon": None, "owner": False, "features": []} for guild in guilds]


def guild(call: Call) -> Answer:
    data = guild_json(call.world, _guild(call))
    return {name: value for name, value in data.items() if name not in ("members", "channels", "threads")}


def guild_channels(call: Call) -> Answer:
    here = _guild(call).id
    return [channel_json(call.world, each) for each in call.world.channels.values() if _is_place_of(each, here)]


def _is_place_of(channel: Channel, guild: int) -> bool:
    return channel.guild == guild and not channel.is_thread


def guild_roles(call: Call) -> Answer:
    return [role_json(role) for role in _guild(call).roles.values()]


def member(call: Call) -> Answer:
    found = _guild(call).members.get(call.world.user(call.number("user")).id)
    if found is None:
        raise unknown("Member")
    return member_json(call.world, found)


def active(call: Call) -> Answer:
    threads = active_threads(call.world, _guild(call))
    members = [thread_member_json(thread, BOT) for thread in threads if BOT in thread.members]
    return {"threads": [channel_json(call.world, thread) for thread in threads], "members": members, "has_more": False}


def archived(call: Call) -> Answer:
    parent = call.channel_where(May.READ_MESSAGE_HISTORY)
    before, limit = call.query.get("before"), call.limit(default=50, most=100)
    threads = [
        each
        for each in call.world.channels.values()
        if each.parent == parent.id and each.archived and each.kind == PUBLIC_THREAD
        if before is None or iso(each.closed) < before
    ]
    threads.sort(key=lambda thread: thread.closed, reverse=True)
    shown = [channel_json(call.world, each) for each in threads[:limit]]
    return {"threads": shown, "members": [], "has_more": len(threads) > limit}


def channel(call: Call) -> Answer:
    return channel_json(call.world, call.channel())


def edit_channel(call: Call) -> Answer:
    """Threads only: archived, locked, renamed."""
    thread, may = call.channel(), call.world.may(call.channel())
    if not thread.is_thread:
        raise missing_permissions()
    if not may & May.MANAGE_THREADS and (thread.owner != BOT or thread.locked or "locked" in call.body):
        raise missing_permissions()
    thread.archived = bool(call.body.get("archived", thread.archived))
    thread.locked = bool(call.body.get("locked", thread.locked))
    thread.name = str(call.body.get("name", thread.name))
    update_thread(call.world, thread)
    return channel_json(call.world, thread)


def _thread_name(call: Call) -> str:
    name = call.body.get("name") or ""
    if not 1 <= len(name) <= 100:
        raise invalid("name", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 100 in length.")
    return str(name)


def thread_from_message(call: Call) -> Answer:
    parent = call.channel_where(May.CREATE_PUBLIC_THREADS)
    if parent.is_thread or parent.kind == DM:
        raise Refusal(400, 50024, "Cannot execute action on this channel type")
    thread = open_thread(call.world, parent, BOT, _thread_name(call), message=call.message())
    thread.auto_archive = call.body.get("auto_archive_duration") or thread.auto_archive
    return channel_json(call.world, thread)


def thread_without_message(call: Call) -> Answer:
    kind = call.body.get("type", PRIVATE_THREAD)
    is_public = kind == PUBLIC_THREAD
    parent = call.channel_where(May.CREATE_PUBLIC_THREADS if is_public else May.CREATE_PRIVATE_THREADS)
    if parent.is_thread or parent.kind == DM:
        raise Refusal(400, 50024, "Cannot execute action on this channel type")
    thread = open_thread(call.world, parent, BOT, _thread_name(call), kind=kind)
    thread.auto_archive = call.body.get("auto_archive_duration") or thread.auto_archive
    return channel_json(call.world, thread)


def join_thread(call: Call) -> Answer:
    join(call.world, call.channel(), BOT)
    return None
