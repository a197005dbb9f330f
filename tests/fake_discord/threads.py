"""Threads: opened, closed and told of."""

from .ids import BOT
from .payloads import channel_json
from .refusals import Refusal
from .rules import GUILDS
from .talk import change, new_message, publish
from .things import (
    FORUM,
    HAS_THREAD,
    PUBLIC_THREAD,
    THREAD_CREATED,
    THREAD_STARTER,
    Channel,
    Happening,
    Message,
    Reference,
)
from .world import World


def open_thread(
    world: World, parent: Channel, owner: int, name: str, *, message: Message | None = None, kind: int = PUBLIC_THREAD
) -> Channel:
    """From a message it has the message's number; without one its channel tells of it."""
    if message is not None and message.id in world.channels:
        raise Refusal(400, 160004, "A thread has already been created for this message")
    number = message.id if message is not None else world.snowflakes.new()
    thread = Channel(number, kind, name, parent.guild, parent.id, owner, created=world.clock.now(), members={owner})
    world.channels[thread.id] = thread
    data = {**channel_json(world, thread), "newly_created": True}
    world.tell(Happening("THREAD_CREATE", data, GUILDS, thread.id))
    if message is None and parent.kind != FORUM:
        _announce(world, parent, thread)
    elif message is not None:
        _start_with(world, thread, message)
    return thread


def _announce(world: World, parent: Channel, thread: Channel) -> None:
    announcement = new_message(world, parent, thread.owner)
    announcement.kind, announcement.content = THREAD_CREATED, thread.name
    announcement.reference = Reference(thread.id, 0)
    if thread.kind == PUBLIC_THREAD:
        publish(world, announcement)


def _start_with(world: World, thread: Channel, message: Message) -> None:
    def mark() -> None:
        message.flags |= HAS_THREAD

    change(world, message, mark, as_edit=False)
    starter = new_message(world, thread, message.author)
    starter.kind, starter.reference = THREAD_STARTER, Reference(message.channel, message.id)
    publish(world, starter)


def update_thread(world: World, thread: Channel) -> None:
    world.tell(Happening("THREAD_UPDATE", channel_json(world, thread), GUILDS, thread.id))


def join(world: World, thread: Channel, user: int) -> None:
    thread.members.add(user)
    data = {"id": str(thread.id), "guild_id": str(thread.guild), "member_count": len(thread.members)}
    if user == BOT:
        world.tell(Happening("THREAD_MEMBERS_UPDATE", {**data, "added_members": []}, GUILDS, thread.id))
