"""Threads: opened, closed and told of."""

from ..ids import BOT
from ..rules import GUILDS
from .api_errors import ApiError
from .message_changes import new_message, publish_message, update_message
from .models import (
    FORUM,
    HAS_THREAD,
    PUBLIC_THREAD,
    THREAD_CREATED,
    THREAD_STARTER,
    FakeChannel,
    FakeEvent,
    FakeMessage,
    FakeReference,
)
from .payloads import channel_json
from .world import FakeWorld


def open_thread(
    world: FakeWorld,
    parent: FakeChannel,
    owner: int,
    name: str,
    *,
    message: FakeMessage | None = None,
    kind: int = PUBLIC_THREAD,
) -> FakeChannel:
    """From a message it has the message's number; without one its channel tells of it."""
    if message is not None and message.id in world.channels:
        raise ApiError(400, 160004, "A thread has already been created for this message")
    number = message.id if message is not None else world.snowflakes.next_id()
    thread = FakeChannel(number, kind, name, parent.guild, parent.id, owner, created=world.clock.now(), members={owner})
    world.channels[thread.id] = thread
    data = {**channel_json(world, thread), "newly_created": True}
    world.send_event(FakeEvent("THREAD_CREATE", data, GUILDS, thread.id))
    if message is None and parent.kind != FORUM:
        _announce_thread(world, parent, thread)
    elif message is not None:
        _attach_to_message(world, thread, message)
    return thread


def _announce_thread(world: FakeWorld, parent: FakeChannel, thread: FakeChannel) -> None:
    announcement = new_message(world, parent, thread.owner)
    announcement.kind, announcement.content = THREAD_CREATED, thread.name
    announcement.reference = FakeReference(thread.id, 0)
    if thread.kind == PUBLIC_THREAD:
        publish_message(world, announcement)


def _attach_to_message(world: FakeWorld, thread: FakeChannel, message: FakeMessage) -> None:
    def mark() -> None:
        message.flags |= HAS_THREAD

    update_message(world, message, mark, as_edit=False)
    starter = new_message(world, thread, message.author)
    starter.kind, starter.reference = THREAD_STARTER, FakeReference(message.channel, message.id)
    publish_message(world, starter)


def update_thread(world: FakeWorld, thread: FakeChannel) -> None:
    world.send_event(FakeEvent("THREAD_UPDATE", channel_json(world, thread), GUILDS, thread.id))


def add_thread_member(world: FakeWorld, thread: FakeChannel, user: int) -> None:
    thread.members.add(user)
    data = {"id": str(thread.id), "guild_id": str(thread.guild), "member_count": len(thread.members)}
    if user == BOT:
        world.send_event(FakeEvent("THREAD_MEMBERS_UPDATE", {**data, "added_members": []}, GUILDS, thread.id))
