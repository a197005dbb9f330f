"""What can be done with messages, by whomever: the world changes and its listeners are told."""

import time
from collections.abc import Callable

from .payloads import emoji_json, member_json, message_json
from .things import DM, EPHEMERAL, Channel, Happening, Json, Message
from .world import World


def new_message(world: World, channel: Channel, author: int) -> Message:
    number = world.snowflakes.new()
    return Message(number, channel.id, author, world.clock.now(), arrived=time.monotonic())


def publish(world: World, message: Message) -> Message:
    """Put a finished message into its channel."""
    channel = world.channels[message.channel]
    if channel.is_thread:
        channel.archived = False
        channel.members.add(message.author)
    channel.messages[message.id] = world.messages[message.id] = message
    _tell(world, "MESSAGE_CREATE", message, {"nonce": message.nonce} if message.nonce is not None else {})
    return message


def change(world: World, message: Message, how: Callable[[], None], *, as_edit: bool = True) -> Message:
    """Without an edit it is one of the updates that Discord makes by itself, as for a link's preview."""
    before = message.content
    how()
    if as_edit:
        message.edited = world.clock.now()
    if message.content != before:
        message.versions.append(before)
    if not message.flags & EPHEMERAL:
        _tell(world, "MESSAGE_UPDATE", message, {})
    return message


def remove(world: World, message: Message) -> None:
    channel = world.channels[message.channel]
    channel.messages.pop(message.id, None)
    world.messages.pop(message.id, None)
    if not message.flags & EPHEMERAL:
        data = {"id": str(message.id), "channel_id": str(channel.id), **_place(channel)}
        world.tell(Happening("MESSAGE_DELETE", data, world.message_intent(channel), channel.id))


def remove_many(world: World, channel: Channel, numbers: list[int]) -> None:
    """As moderators do, and bots that clear up."""
    for number in numbers:
        del channel.messages[number], world.messages[number]
    data = {"ids": [str(number) for number in numbers], "channel_id": str(channel.id), **_place(channel)}
    world.tell(Happening("MESSAGE_DELETE_BULK", data, world.message_intent(channel), channel.id))


def react(world: World, message: Message, user: int, emoji: str) -> None:
    users = message.reactions.setdefault(emoji, [])
    if user in users:
        return
    users.append(user)
    channel = world.channels[message.channel]
    data = _reaction(message, user, emoji, channel) | {"message_author_id": str(message.author)}
    if channel.guild is not None:
        data["member"] = member_json(world, world.guilds[channel.guild].members[user])
    world.tell(Happening("MESSAGE_REACTION_ADD", data, world.message_intent(channel) << 1, channel.id))


def unreact(world: World, message: Message, user: int, emoji: str) -> None:
    users = message.reactions.get(emoji, [])
    if user not in users:
        return
    users.remove(user)
    if not users:
        del message.reactions[emoji]
    channel = world.channels[message.channel]
    data = _reaction(message, user, emoji, channel)
    world.tell(Happening("MESSAGE_REACTION_REMOVE", data, world.message_intent(channel) << 1, channel.id))


def _reaction(message: Message, user: int, emoji: str, channel: Channel) -> Json:
    data = {"user_id": str(user), "channel_id": str(channel.id), "message_id": str(message.id)}
    return {**data, **_place(channel), "emoji": emoji_json(emoji), "burst": False, "type": 0}


def _place(channel: Channel) -> Json:
    return {} if channel.guild is None else {"guild_id": str(channel.guild)}


def _tell(world: World, name: str, message: Message, more: Json) -> None:
    channel = world.channels[message.channel]
    data = {**message_json(world, message), **more, **_place(channel), "channel_type": channel.kind}
    if channel.guild is not None:
        member = world.guilds[channel.guild].members.get(message.author)
        if member is not None:
            data["member"] = member_json(world, member, with_user=False)
    hides = channel.kind != DM
    world.tell(Happening(name, data, world.message_intent(channel), channel.id, hides_content=hides))
