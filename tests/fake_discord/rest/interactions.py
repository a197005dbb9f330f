"""The bot's answers to interactions, and its commands, over REST."""

from ..ids import BOT
from ..world import commands
from ..world.api_errors import ApiError, invalid_form_body, unknown_entity
from ..world.drafts import MessageDraft, apply_draft, check_draft, check_not_empty
from ..world.message_changes import delete_message, new_message, publish_message, update_message
from ..world.models import COMMAND, EPHEMERAL, LOADING, REPLY, FakeInteraction, FakeMessage, FakeReference, Json
from ..world.payloads import message_json
from ..world.world import FakeWorld
from .calls import RestAnswer, RestCall
from .messages import edit_message_of

_MESSAGE, _DEFERRED, _DEFERRED_UPDATE, _UPDATE, _CHOICES, _MODAL = 4, 5, 6, 7, 8, 9
_ONLY_FOR_COMPONENTS = (_DEFERRED_UPDATE, _UPDATE)
_COMPONENT = 3


def create_response(call: RestCall) -> RestAnswer:
    """The first answer, which Discord waits three seconds for."""
    world = call.world
    interaction = world.interactions.get(call.number("interaction"))
    if interaction is None or interaction.token != call.names["token"]:
        raise unknown_entity("Interaction")
    if interaction.answer is not None:
        raise ApiError(400, 40060, "Interaction has already been acknowledged.")
    if world.clock.now() - interaction.created > world.rules.answer_deadline:
        raise unknown_entity("Interaction")
    kind, data = call.body.get("type"), call.body.get("data") or {}
    if kind not in (_MESSAGE, _DEFERRED, *_ONLY_FOR_COMPONENTS, _CHOICES, _MODAL):
        raise invalid_form_body("type", "BASE_TYPE_CHOICES", "Value must be one of (4, 5, 6, 7, 8, 9).")
    if kind in _ONLY_FOR_COMPONENTS and interaction.kind != _COMPONENT:
        raise invalid_form_body("type", "INTERACTION_RESPONSE_TYPE_INVALID", "Only for components")
    message = _first_answer(world, interaction, kind, MessageDraft(data, call.draft.uploads))
    interaction.answer, interaction.answered = kind, world.clock.now()
    if message is not None:
        interaction.original = message.id
    if kind == _MODAL:
        interaction.modal = data
    return _callback_response(world, interaction, message) if call.query.get("with_response") in ("1", "true") else None


def _first_answer(world: FakeWorld, interaction: FakeInteraction, kind: int, draft: MessageDraft) -> FakeMessage | None:
    pressed = world.messages.get(interaction.pressed or 0)
    if kind == _MESSAGE:
        return _respond_with_message(world, interaction, draft)
    if kind == _DEFERRED:
        return _defer_response(world, interaction, draft.fields.get("flags", 0))
    if kind == _UPDATE and pressed is not None:
        return edit_message_of(world, pressed, draft)
    return pressed if kind == _DEFERRED_UPDATE else None


def _defer_response(world: FakeWorld, interaction: FakeInteraction, flags: int) -> FakeMessage:
    message = _new_response(world, interaction)
    message.flags |= LOADING | flags & EPHEMERAL
    return _publish(world, interaction, message)


def _respond_with_message(world: FakeWorld, interaction: FakeInteraction, draft: MessageDraft) -> FakeMessage:
    channel = world.channels[interaction.channel]
    check_draft(world, channel, draft)
    check_not_empty(draft)
    message = _new_response(world, interaction)
    apply_draft(world, message, draft)
    return _publish(world, interaction, message)


def _new_response(world: FakeWorld, interaction: FakeInteraction) -> FakeMessage:
    message = new_message(world, world.channels[interaction.channel], BOT)
    message.kind = COMMAND if interaction.kind == 2 and interaction.original is None else REPLY
    message.interaction = interaction.id
    answered = interaction.original or interaction.pressed
    if message.kind == REPLY and answered is not None:
        message.reference = FakeReference(interaction.channel, answered)
    return message


def _publish(world: FakeWorld, interaction: FakeInteraction, message: FakeMessage) -> FakeMessage:
    interaction.messages.append(message)
    # Only one person sees it, and no channel keeps it.
    return message if message.flags & EPHEMERAL else publish_message(world, message)


def _callback_response(world: FakeWorld, interaction: FakeInteraction, message: FakeMessage | None) -> Json:
    about: Json = {"id": str(interaction.id), "type": interaction.kind}
    response: Json = {"interaction": about}
    if message is not None:
        about["response_message_id"] = str(message.id)
        about["response_message_loading"] = bool(message.flags & LOADING)
        about["response_message_ephemeral"] = bool(message.flags & EPHEMERAL)
    if message is not None and interaction.answer in (_MESSAGE, _UPDATE):
        response["resource"] = {"type": interaction.answer, "message": message_json(world, message)}
    return response


def _interaction_of(call: RestCall) -> FakeInteraction:
    """The interaction whose token is in the path, while it lives."""
    rules, now = call.world.rules, call.world.clock.now()
    call.own_application()
    interaction = next((each for each in call.world.interactions.values() if each.token == call.names["token"]), None)
    if interaction is None:
        raise unknown_entity("Webhook")
    if now - interaction.created > rules.token_life:
        raise ApiError(*rules.expired_token)
    if interaction.answer is None:
        raise unknown_entity("Webhook")
    return interaction


def follow_up(call: RestCall) -> RestAnswer:
    interaction = _interaction_of(call)
    original = _find_response(call.world, interaction, "@original") if interaction.thinking else None
    if original is not None and original.flags & LOADING:
        check_not_empty(call.draft)
        return message_json(call.world, _edit_response(call.world, original, call.draft))
    return message_json(call.world, _respond_with_message(call.world, interaction, call.draft))


def _find_response(world: FakeWorld, interaction: FakeInteraction, name: str) -> FakeMessage:
    number = interaction.original if name == "@original" else int(name) if name.isdecimal() else 0
    for message in [*interaction.messages, *filter(None, [world.messages.get(interaction.pressed or 0)])]:
        if message.id == number and (message.flags & EPHEMERAL or message.id in world.messages):
            return message
    raise unknown_entity("Message")


def _edit_response(world: FakeWorld, message: FakeMessage, draft: MessageDraft) -> FakeMessage:
    """Edit an answer. What was said while the bot was thinking is not shown as edited."""
    if not message.flags & LOADING:
        return edit_message_of(world, message, draft)
    check_draft(world, world.channels[message.channel], draft)
    seen_by_one = message.flags & EPHEMERAL

    def fill() -> None:
        apply_draft(world, message, draft)
        message.flags = message.flags & ~LOADING & ~EPHEMERAL | seen_by_one

    return update_message(world, message, fill)


def answer_message(call: RestCall) -> RestAnswer:
    return message_json(call.world, _find_response(call.world, _interaction_of(call), call.names["message"]))


def edit_answer(call: RestCall) -> RestAnswer:
    message = _find_response(call.world, _interaction_of(call), call.names["message"])
    return message_json(call.world, _edit_response(call.world, message, call.draft))


def delete_answer(call: RestCall) -> RestAnswer:
    interaction = _interaction_of(call)
    message = _find_response(call.world, interaction, call.names["message"])
    delete_message(call.world, message)
    interaction.messages = [each for each in interaction.messages if each is not message]
    return None


def _commands_of(call: RestCall) -> int | None:
    call.own_application()
    return call.world.guild(call.number("guild")).id if "guild" in call.names else None


def all_commands(call: RestCall) -> RestAnswer:
    return call.world.commands.get(_commands_of(call), [])


def replace_commands(call: RestCall) -> RestAnswer:
    wanted = call.body
    if not isinstance(wanted, list):
        raise ApiError(400, 50035, "Invalid Form Body")
    return commands.replace_commands(call.world, _commands_of(call), wanted)
