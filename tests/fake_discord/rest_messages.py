"""Messages over REST: read, sent, changed, reacted to."""

from urllib.parse import unquote

from .calls import Answer, Call
from .drafts import Draft, apply, check, check_not_empty
from .ids import BOT
from .payloads import message_json, redacted, user_json
from .permissions import May
from .refusals import Refusal, blocked, empty_message, invalid, missing_permissions, unknown
from .rules import MESSAGE_CONTENT
from .talk import change, new_message, publish, react, remove, unreact
from .things import DM, FORUM, REPLY, Channel, Json, Message, Reference
from .world import World

_MAX_REACTIONS = 20


def shown(world: World, message: Message) -> Json:
    """Over REST the portal's switch decides what a bot may read, not the intents of a session."""
    data = message_json(world, message)
    is_open = world.channels[message.channel].kind == DM or world.rules.privileged & MESSAGE_CONTENT
    return data if is_open else redacted(data)


def history(call: Call) -> Answer:
    channel, limit = call.channel(), call.limit(default=50, most=100)
    if not call.world.may(channel) & May.READ_MESSAGE_HISTORY:
        return []
    messages = list(channel.messages.values())
    after, before, around = (int(call.query.get(name, 0)) for name in ("after", "before", "around"))
    if sum(name in call.query for name in ("after", "before", "around")) > 1:
        raise Refusal(400, 50035, "Invalid Form Body")
    if "after" in call.query:
        chosen = [message for message in messages if message.id > after][:limit]
    elif "before" in call.query:
        chosen = [message for message in messages if message.id < before][-limit:]
    elif "around" in call.query:
        earlier = [message for message in messages if message.id < around][-(limit // 2) :]
        chosen = earlier + [message for message in messages if message.id >= around][: limit - len(earlier)]
    else:
        chosen = messages[-limit:]
    return [shown(call.world, message) for message in reversed(chosen)]


def one_message(call: Call) -> Answer:
    call.channel_where(May.READ_MESSAGE_HISTORY)
    return shown(call.world, call.message())


def send(call: Call) -> Answer:
    world, channel, fields = call.world, call.channel(), call.body
    _check_may_send(world, channel, call.draft)
    check(world, channel, call.draft)
    check_not_empty(call.draft)
    _check_words(world, channel, call.draft)
    message = new_message(world, channel, BOT)
    message.reference = reference(world, channel, fields)
    message.kind = REPLY if message.reference is not None else message.kind
    nonce = fields.get("nonce")
    if nonce is not None:
        message.nonce = str(nonce)
        if fields.get("enforce_nonce") and (known := _said_with(world, message)) is not None:
            return shown(world, known)
        world.nonces[BOT, message.nonce] = (world.clock.now(), message.id)
    apply(world, message, call.draft)
    return shown(world, publish(world, message))


def _said_with(world: World, message: Message) -> Message | None:
    """The message that its author sent with the same nonce, while Discord remembers."""
    at, number = world.nonces.get((message.author, message.nonce or ""), (0.0, 0))
    remembered = world.clock.now() - at < world.rules.nonce_life
    return world.messages.get(number) if remembered else None


def _check_may_send(world: World, channel: Channel, draft: Draft) -> None:
    may = world.may(channel)
    if channel.kind == FORUM:
        raise Refusal(400, 40058, "Cannot send a message in a forum channel")
    if channel.kind == DM and not world.users[channel.recipient].takes_dms:
        raise Refusal(403, 50007, "Cannot send messages to this user")
    needed = May.SEND_MESSAGES_IN_THREADS if channel.is_thread else May.SEND_MESSAGES
    if draft.uploads:
        needed |= May.ATTACH_FILES
    if draft.fields.get("embeds"):
        needed |= May.EMBED_LINKS
    if needed & ~may:
        raise missing_permissions()
    if channel.locked and not may & May.MANAGE_THREADS:
        raise Refusal(400, 160005, "Thread is locked")


def _check_words(world: World, channel: Channel, draft: Draft) -> None:
    """AutoMod, which there is in servers alone."""
    said = str(draft.fields.get("content") or "")
    if channel.kind != DM and any(word in said for word in world.rules.blocked_words):
        raise blocked()


def reference(world: World, channel: Channel, fields: Json) -> Reference | None:
    wanted = fields.get("message_reference")
    if not wanted:
        return None
    if not world.may(channel) & May.READ_MESSAGE_HISTORY:
        raise Refusal(403, 160002, "Cannot reply without permission to read message history")
    if int(wanted["message_id"]) in channel.messages:
        return Reference(channel.id, int(wanted["message_id"]))
    if wanted.get("fail_if_not_exists", True):
        raise invalid("message_reference", "REPLIES_UNKNOWN_MESSAGE", "Unknown message")
    return None


def edit(call: Call) -> Answer:
    message, channel = call.message(), call.channel()
    if message.author != BOT:
        raise Refusal(403, 50005, "Cannot edit a message authored by another user")
    if channel.archived:
        raise Refusal(400, 50083, "Thread is archived")
    return shown(call.world, edited(call.world, message, call.draft))


def edited(world: World, message: Message, draft: Draft) -> Message:
    check(world, world.channels[message.channel], draft)
    _check_words(world, world.channels[message.channel], draft)
    fields = draft.fields
    texts = fields.get("content", message.content), fields.get("embeds", message.embeds)
    files = draft.uploads or fields.get("attachments", message.attachments)
    if not any((*texts, files, fields.get("components", message.components))):
        raise empty_message()
    return change(world, message, lambda: apply(world, message, draft))


def delete(call: Call) -> Answer:
    message, channel = call.message(), call.channel()
    if message.author != BOT:
        if channel.kind == DM:
            raise Refusal(403, 50003, "Cannot execute action on a DM channel")
        call.channel_where(May.MANAGE_MESSAGES)
    remove(call.world, message)
    return None


def _emoji(call: Call) -> str:
    emoji = unquote(call.names["emoji"])
    # A letter, a custom emoji of nowhere: nothing that a person could pick.
    if emoji.isascii():
        raise unknown("Emoji")
    return emoji


def add_reaction(call: Call) -> Answer:
    channel = call.channel_where(May.READ_MESSAGE_HISTORY)
    message, emoji = call.message(), _emoji(call)
    if channel.archived:
        raise Refusal(400, 50083, "Thread is archived")
    if emoji not in message.reactions:
        call.channel_where(May.ADD_REACTIONS)
        if len(message.reactions) >= _MAX_REACTIONS:
            raise Refusal(400, 30010, "Maximum number of reactions reached (20)")
    react(call.world, message, BOT, emoji)
    return None


def remove_own_reaction(call: Call) -> Answer:
    unreact(call.world, call.message(), BOT, _emoji(call))
    return None


def remove_reaction(call: Call) -> Answer:
    call.channel_where(May.MANAGE_MESSAGES)
    unreact(call.world, call.message(), call.number("user"), _emoji(call))
    return None


def reaction_users(call: Call) -> Answer:
    users = sorted(call.message().reactions.get(_emoji(call), []))
    after = int(call.query.get("after", 0))
    chosen = [user for user in users if user > after][: call.limit(default=25, most=100)]
    return [user_json(call.world.users[user]) for user in chosen]


def start_typing(call: Call) -> Answer:
    channel = call.channel()
    needed = May.SEND_MESSAGES_IN_THREADS if channel.is_thread else May.SEND_MESSAGES
    call.world.type_in(call.channel_where(needed), BOT)
    return None
