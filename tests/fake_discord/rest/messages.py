"""Messages over REST: read, sent, changed, reacted to."""

from urllib.parse import unquote

from ..ids import BOT
from ..rules import MESSAGE_CONTENT
from ..world.api_errors import (
    ApiError,
    blocked_by_automod,
    empty_message,
    invalid_form_body,
    missing_permissions,
    unknown_entity,
)
from ..world.drafts import MessageDraft, apply_draft, check_draft, check_not_empty
from ..world.message_changes import (
    delete_message,
    new_message,
    publish_message,
    put_reaction,
    take_reaction,
    update_message,
)
from ..world.models import DM, FORUM, REPLY, FakeChannel, FakeMessage, FakeReference, Json
from ..world.payloads import message_json, redacted, user_json
from ..world.permissions import Permission
from ..world.world import FakeWorld
from .calls import RestAnswer, RestCall

_MAX_REACTIONS = 20


def visible_message(world: FakeWorld, message: FakeMessage) -> Json:
    """Over REST the portal's switch decides what a bot may read, not the intents of a session."""
    data = message_json(world, message)
    is_open = world.channels[message.channel].kind == DM or world.rules.privileged & MESSAGE_CONTENT
    return data if is_open else redacted(data)


def history(call: RestCall) -> RestAnswer:
    channel, limit = call.channel(), call.limit(default=50, most=100)
    if not call.world.permissions_of(channel) & Permission.READ_MESSAGE_HISTORY:
        return []
    messages = list(channel.messages.values())
    after, before, around = (int(call.query.get(name, 0)) for name in ("after", "before", "around"))
    if sum(name in call.query for name in ("after", "before", "around")) > 1:
        raise ApiError(400, 50035, "Invalid Form Body")
    if "after" in call.query:
        chosen = [message for message in messages if message.id > after][:limit]
    elif "before" in call.query:
        chosen = [message for message in messages if message.id < before][-limit:]
    elif "around" in call.query:
        earlier = [message for message in messages if message.id < around][-(limit // 2) :]
        chosen = earlier + [message for message in messages if message.id >= around][: limit - len(earlier)]
    else:
        chosen = messages[-limit:]
    return [visible_message(call.world, message) for message in reversed(chosen)]


def one_message(call: RestCall) -> RestAnswer:
    call.channel_where(Permission.READ_MESSAGE_HISTORY)
    return visible_message(call.world, call.message())


def create_message(call: RestCall) -> RestAnswer:
    world, channel, fields = call.world, call.channel(), call.body
    _check_permissions(world, channel, call.draft)
    check_draft(world, channel, call.draft)
    check_not_empty(call.draft)
    _check_automod(world, channel, call.draft)
    message = new_message(world, channel, BOT)
    message.reference = resolve_reference(world, channel, fields)
    message.kind = REPLY if message.reference is not None else message.kind
    nonce = fields.get("nonce")
    if nonce is not None:
        message.nonce = str(nonce)
        if fields.get("enforce_nonce") and (known := _find_by_nonce(world, message)) is not None:
            return visible_message(world, known)
        world.nonces[BOT, message.nonce] = (world.clock.now(), message.id)
    apply_draft(world, message, call.draft)
    return visible_message(world, publish_message(world, message))


def _find_by_nonce(world: FakeWorld, message: FakeMessage) -> FakeMessage | None:
    """The message that its author sent with the same nonce, while Discord remembers."""
    at, number = world.nonces.get((message.author, message.nonce or ""), (0.0, 0))
    remembered = world.clock.now() - at < world.rules.nonce_life
    return world.messages.get(number) if remembered else None


def _check_permissions(world: FakeWorld, channel: FakeChannel, draft: MessageDraft) -> None:
    may = world.permissions_of(channel)
    if channel.kind == FORUM:
        raise ApiError(400, 40058, "Cannot send a message in a forum channel")
    if channel.kind == DM and not world.users[channel.recipient].takes_dms:
        raise ApiError(403, 50007, "Cannot send messages to this user")
    needed = Permission.SEND_MESSAGES_IN_THREADS if channel.is_thread else Permission.SEND_MESSAGES
    if draft.uploads:
        needed |= Permission.ATTACH_FILES
    if draft.fields.get("embeds"):
        needed |= Permission.EMBED_LINKS
    if needed & ~may:
        raise missing_permissions()
    if channel.locked and not may & Permission.MANAGE_THREADS:
        raise ApiError(400, 160005, "Thread is locked")


def _check_automod(world: FakeWorld, channel: FakeChannel, draft: MessageDraft) -> None:
    """AutoMod, which there is in servers alone."""
    said = str(draft.fields.get("content") or "")
    if channel.kind != DM and any(word in said for word in world.rules.blocked_words):
        raise blocked_by_automod()


def resolve_reference(world: FakeWorld, channel: FakeChannel, fields: Json) -> FakeReference | None:
    wanted = fields.get("message_reference")
    if not wanted:
        return None
    if not world.permissions_of(channel) & Permission.READ_MESSAGE_HISTORY:
        raise ApiError(403, 160002, "Cannot reply without permission to read message history")
    if int(wanted["message_id"]) in channel.messages:
        return FakeReference(channel.id, int(wanted["message_id"]))
    if wanted.get("fail_if_not_exists", True):
        raise invalid_form_body("message_reference", "REPLIES_UNKNOWN_MESSAGE", "Unknown message")
    return None


def edit(call: RestCall) -> RestAnswer:
    message, channel = call.message(), call.channel()
    if message.author != BOT:
        raise ApiError(403, 50005, "Cannot edit a message authored by another user")
    if channel.archived:
        raise ApiError(400, 50083, "Thread is archived")
    return visible_message(call.world, edit_message_of(call.world, message, call.draft))


def edit_message_of(world: FakeWorld, message: FakeMessage, draft: MessageDraft) -> FakeMessage:
    check_draft(world, world.channels[message.channel], draft)
    _check_automod(world, world.channels[message.channel], draft)
    fields = draft.fields
    texts = fields.get("content", message.content), fields.get("embeds", message.embeds)
    files = draft.uploads or fields.get("attachments", message.attachments)
    if not any((*texts, files, fields.get("components", message.components))):
        raise empty_message()
    return update_message(world, message, lambda: apply_draft(world, message, draft))


def delete(call: RestCall) -> RestAnswer:
    message, channel = call.message(), call.channel()
    if message.author != BOT:
        if channel.kind == DM:
            raise ApiError(403, 50003, "Cannot execute action on a DM channel")
        call.channel_where(Permission.MANAGE_MESSAGES)
    delete_message(call.world, message)
    return None


def _emoji(call: RestCall) -> str:
    emoji = unquote(call.names["emoji"])
    # A letter, a custom emoji of nowhere: nothing that a person could pick.
    if emoji.isascii():
        raise unknown_entity("Emoji")
    return emoji


def add_reaction(call: RestCall) -> RestAnswer:
    channel = call.channel_where(Permission.READ_MESSAGE_HISTORY)
    message, emoji = call.message(), _emoji(call)
    if channel.archived:
        raise ApiError(400, 50083, "Thread is archived")
    if emoji not in message.reactions:
        call.channel_where(Permission.ADD_REACTIONS)
        if len(message.reactions) >= _MAX_REACTIONS:
            raise ApiError(400, 30010, "Maximum number of reactions reached (20)")
    put_reaction(call.world, message, BOT, emoji)
    return None


def remove_own_reaction(call: RestCall) -> RestAnswer:
    take_reaction(call.world, call.message(), BOT, _emoji(call))
    return None


def remove_reaction(call: RestCall) -> RestAnswer:
    call.channel_where(Permission.MANAGE_MESSAGES)
    take_reaction(call.world, call.message(), call.number("user"), _emoji(call))
    return None


def reaction_users(call: RestCall) -> RestAnswer:
    users = sorted(call.message().reactions.get(_emoji(call), []))
    after = int(call.query.get("after", 0))
    chosen = [user for user in users if user > after][: call.limit(default=25, most=100)]
    return [user_json(call.world.users[user]) for user in chosen]


def start_typing(call: RestCall) -> RestAnswer:
    channel = call.channel()
    needed = Permission.SEND_MESSAGES_IN_THREADS if channel.is_thread else Permission.SEND_MESSAGES
    call.world.type_in(call.channel_where(needed), BOT)
    return None
