"""All changes of messages by anybody: they change the world and notify its listeners."""

import time
from collections.abc import Callable

from .models import DM, EPHEMERAL, FakeChannel, FakeEvent, FakeMessage, Json
from .payloads import emoji_json, member_json, message_json
from .world import FakeWorld


def new_message(world: FakeWorld, channel: FakeChannel, author: int) -> FakeMessage:
    number = world.snowflakes.next_id()
    return FakeMessage(number, channel.id, author, world.clock.now(), arrived=time.monotonic())


def publish_message(world: FakeWorld, message: FakeMessage) -> FakeMessage:
    """Put a finished message into its channel."""
    channel = world.channels[message.channel]
    if channel.is_thread:
        channel.archived = False
        channel.members.add(message.author)
    channel.messages[message.id] = world.messages[message.id] = message
    _send_event(world, "MESSAGE_CREATE", message, {"nonce": message.nonce} if message.nonce is not None else {})
    return message


def update_message(
    world: FakeWorld, message: FakeMessage, how: Callable[[], None], *, as_edit: bool = True
) -> FakeMessage:
    """Without an edit it is one of the updates that Discord makes by itself, as for a link's preview."""
    before = message.content
    how()
    if as_edit:
        message.edited = world.clock.now()
    if message.content != before:
        message.versions.append(before)
    if not message.flags & EPHEMERAL:
        _send_event(world, "MESSAGE_UPDATE", message, {})
    return message


def delete_message(world: FakeWorld, message: FakeMessage) -> None:
    channel = world.channels[message.channel]
    channel.messages.pop(message.id, None)
    world.messages.pop(message.id, None)
    if not message.flags & EPHEMERAL:
        data = {"id": str(message.id), "channel_id": str(channel.id), **_guild_data(channel)}
        world.send_event(FakeEvent("MESSAGE_DELETE", data, world.message_intent(channel), channel.id))


def delete_messages(world: FakeWorld, channel: FakeChannel, numbers: list[int]) -> None:
    """As moderators do, and bots that clear up."""
    for number in numbers:
        del channel.messages[number], world.messages[number]
    data = {"ids": [str(number) for number in numbers], "channel_id": str(channel.id), **_guild_data(channel)}
    world.send_event(FakeEvent("MESSAGE_DELETE_BULK", data, world.message_intent(channel), channel.id))


def put_reaction(world: FakeWorld, message: FakeMessage, user: int, emoji: str) -> None:
    users = message.reactions.setdefault(emoji, [])
    if user in users:
        return
    users.append(user)
    channel = world.channels[message.channel]
    data = _reaction_data(message, user, emoji, channel) | {"message_author_id": str(message.author)}
    if channel.guild is not None:
        data["member"] = member_json(world, world.guilds[channel.guild].members[user])
    world.send_event(FakeEvent("MESSAGE_REACTION_ADD", data, world.message_intent(channel) << 1, channel.id))


def take_reaction(world: FakeWorld, message: FakeMessage, user: int, emoji: str) -> None:
    users = message.reactions.get(emoji, [])
    if user not in users:
        return
    users.remove(user)
    if not users:
        del message.reactions[emoji]
    channel = world.channels[message.channel]
    data = _reaction_data(message, user, emoji, channel)
    world.send_event(FakeEvent("MESSAGE_REACTION_REMOVE", data, world.message_intent(channel) << 1, channel.id))


def _reaction_data(message: FakeMessage, user: int, emoji: str, channel: FakeChannel) -> Json:
    data = {"user_id": str(user), "channel_id": str(channel.id), "message_id": str(message.id)}
    return {**data, **_guild_data(channel), "emoji": emoji_json(emoji), "burst": False, "type": 0}


def _guild_data(channel: FakeChannel) -> Json:
    return {} if channel.guild is None else {"guild_id": str(channel.guild)}


def _send_event(world: FakeWorld, name: str, message: FakeMessage, more: Json) -> None:
    channel = world.channels[message.channel]
    data = {**message_json(world, message), **more, **_guild_data(channel), "channel_type": channel.kind}
    if channel.guild is not None:
        member = world.guilds[channel.guild].members.get(message.author)
        if member is not None:
            data["member"] = member_json(world, member, with_user=False)
    hides = channel.kind != DM
    world.send_event(FakeEvent(name, data, world.message_intent(channel), channel.id, hides_content=hides))
