"""The bot itself, people, guilds, channels and threads over REST."""

from ..clock import format_iso
from ..ids import BOT
from ..world.api_errors import ApiError, invalid_form_body, missing_access, missing_permissions, unknown_entity
from ..world.models import DM, PRIVATE_THREAD, PUBLIC_THREAD, FakeChannel, FakeGuild
from ..world.payloads import (
    active_threads,
    application_json,
    channel_json,
    guild_json,
    member_json,
    role_json,
    thread_member_json,
    user_json,
)
from ..world.permissions import Permission
from ..world.threads import add_thread_member, open_thread, update_thread
from .calls import RestAnswer, RestCall


def me(call: RestCall) -> RestAnswer:
    return user_json(call.world.users[BOT])


def application(call: RestCall) -> RestAnswer:
    return application_json(call.world)


def gateway_url(call: RestCall) -> RestAnswer:
    return {"url": call.world.url.replace("http", "ws", 1) + "/gateway/"}


def gateway_for_bot(call: RestCall) -> RestAnswer:
    url = call.world.url.replace("http", "ws", 1) + "/gateway/"
    return {"url": url, "shards": 1, "session_start_limit": call.gateway.start_limit()}


def user(call: RestCall) -> RestAnswer:
    return user_json(call.world.user(call.number("user")))


def own_dms(call: RestCall) -> RestAnswer:  # noqa: ARG001
    """Discord tells bots of none."""
    return []


def open_dm(call: RestCall) -> RestAnswer:
    recipient = call.world.user(int(call.body["recipient_id"]))
    if recipient.bot:
        raise ApiError(403, 50007, "Cannot send messages to this user")
    return channel_json(call.world, call.world.dm_with(recipient.id))


def _guild(call: RestCall) -> FakeGuild:
    guild = call.world.guild(call.number("guild"))
    if BOT not in guild.members:
        raise missing_access()
    return guild


def own_guilds(call: RestCall) -> RestAnswer:
    guilds = [guild for guild in call.world.guilds.values() if BOT in guild.members]
    return [{"id": str(guild.id), "name": guild.name, "icon": None, "owner": False, "features": []} for guild in guilds]


def guild(call: RestCall) -> RestAnswer:
    data = guild_json(call.world, _guild(call))
    return {name: value for name, value in data.items() if name not in ("members", "channels", "threads")}


def guild_channels(call: RestCall) -> RestAnswer:
    here = _guild(call).id
    return [channel_json(call.world, each) for each in call.world.channels.values() if _is_place_of(each, here)]


def _is_place_of(channel: FakeChannel, guild: int) -> bool:
    return channel.guild == guild and not channel.is_thread


def guild_roles(call: RestCall) -> RestAnswer:
    return [role_json(role) for role in _guild(call).roles.values()]


def member(call: RestCall) -> RestAnswer:
    found = _guild(call).members.get(call.world.user(call.number("user")).id)
    if found is None:
        raise unknown_entity("Member")
    return member_json(call.world, found)


def active(call: RestCall) -> RestAnswer:
    threads = active_threads(call.world, _guild(call))
    members = [thread_member_json(thread, BOT) for thread in threads if BOT in thread.members]
    return {"threads": [channel_json(call.world, thread) for thread in threads], "members": members, "has_more": False}


def archived(call: RestCall) -> RestAnswer:
    parent = call.channel_where(Permission.READ_MESSAGE_HISTORY)
    before, limit = call.query.get("before"), call.limit(default=50, most=100)
    threads = [
        each
        for each in call.world.channels.values()
        if each.parent == parent.id and each.archived and each.kind == PUBLIC_THREAD
        if before is None or format_iso(each.closed) < before
    ]
    threads.sort(key=lambda thread: thread.closed, reverse=True)
    shown = [channel_json(call.world, each) for each in threads[:limit]]
    return {"threads": shown, "members": [], "has_more": len(threads) > limit}


def channel(call: RestCall) -> RestAnswer:
    return channel_json(call.world, call.channel())


def edit_channel(call: RestCall) -> RestAnswer:
    """Threads only: archived, locked, renamed."""
    thread, may = call.channel(), call.world.permissions_of(call.channel())
    if not thread.is_thread:
        raise missing_permissions()
    if not may & Permission.MANAGE_THREADS and (thread.owner != BOT or thread.locked or "locked" in call.body):
        raise missing_permissions()
    thread.archived = bool(call.body.get("archived", thread.archived))
    thread.locked = bool(call.body.get("locked", thread.locked))
    thread.name = str(call.body.get("name", thread.name))
    update_thread(call.world, thread)
    return channel_json(call.world, thread)


def _thread_name(call: RestCall) -> str:
    name = call.body.get("name") or ""
    if not 1 <= len(name) <= 100:
        raise invalid_form_body("name", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 100 in length.")
    return str(name)


def thread_from_message(call: RestCall) -> RestAnswer:
    parent = call.channel_where(Permission.CREATE_PUBLIC_THREADS)
    if parent.is_thread or parent.kind == DM:
        raise ApiError(400, 50024, "Cannot execute action on this channel type")
    thread = open_thread(call.world, parent, BOT, _thread_name(call), message=call.message())
    thread.auto_archive = call.body.get("auto_archive_duration") or thread.auto_archive
    return channel_json(call.world, thread)


def thread_without_message(call: RestCall) -> RestAnswer:
    kind = call.body.get("type", PRIVATE_THREAD)
    is_public = kind == PUBLIC_THREAD
    parent = call.channel_where(Permission.CREATE_PUBLIC_THREADS if is_public else Permission.CREATE_PRIVATE_THREADS)
    if parent.is_thread or parent.kind == DM:
        raise ApiError(400, 50024, "Cannot execute action on this channel type")
    thread = open_thread(call.world, parent, BOT, _thread_name(call), kind=kind)
    thread.auto_archive = call.body.get("auto_archive_duration") or thread.auto_archive
    return channel_json(call.world, thread)


def join_thread(call: RestCall) -> RestAnswer:
    add_thread_member(call.world, call.channel(), BOT)
    return None
