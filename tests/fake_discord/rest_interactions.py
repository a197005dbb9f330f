"""The bot's answers to interactions, and its commands, over REST."""

from . import commands
from .calls import Answer, Call
from .drafts import Draft, apply, check, check_not_empty
from .ids import BOT
from .payloads import message_json
from .refusals import Refusal, invalid, unknown
from .rest_messages import edited
from .talk import change, new_message, publish, remove
from .things import COMMAND, EPHEMERAL, LOADING, REPLY, Interaction, Json, Message, Reference
from .world import World

_MESSAGE, _DEFERRED, _DEFERRED_UPDATE, _UPDATE, _CHOICES, _MODAL = 4, 5, 6, 7, 8, 9
_ONLY_FOR_COMPONENTS = (_DEFERRED_UPDATE, _UPDATE)
_COMPONENT = 3


def callback(call: Call) -> Answer:
    """The first answer, which Discord waits three seconds for."""
    world = call.world
    interaction = world.interactions.get(call.number("interaction"))
    if interaction is None or interaction.token != call.names["token"]:
        raise unknown("Interaction")
    if interaction.answer is not None:
        raise Refusal(400, 40060, "Interaction has already been acknowledged.")
    if world.clock.now() - interaction.created > world.rules.answer_deadline:
        raise unknown("Interaction")
    kind, data = call.body.get("type"), call.body.get("data") or {}
    if kind not in (_MESSAGE, _DEFERRED, *_ONLY_FOR_COMPONENTS, _CHOICES, _MODAL):
        raise invalid("type", "BASE_TYPE_CHOICES", "Value must be one of (4, 5, 6, 7, 8, 9).")
    if kind in _ONLY_FOR_COMPONENTS and interaction.kind != _COMPONENT:
        raise invalid("type", "INTERACTION_RESPONSE_TYPE_INVALID", "Only for components")
    message = _first_answer(world, interaction, kind, Draft(data, call.draft.uploads))
    interaction.answer, interaction.answered = kind, world.clock.now()
    if message is not None:
        interaction.original = message.id
    if kind == _MODAL:
        interaction.modal = data
    return _callback_response(world, interaction, message) if call.query.get("with_response") in ("1", "true") else None


def _first_answer(world: World, interaction: Interaction, kind: int, draft: Draft) -> Message | None:
    pressed = world.messages.get(interaction.pressed or 0)
    if kind == _MESSAGE:
        return _say(world, interaction, draft)
    if kind == _DEFERRED:
        return _think(world, interaction, draft.fields.get("flags", 0))
    if kind == _UPDATE and pressed is not None:
        return edited(world, pressed, draft)
    return pressed if kind == _DEFERRED_UPDATE else None


def _think(world: World, interaction: Interaction, flags: int) -> Message:
    message = _new(world, interaction)
    message.flags |= LOADING | flags & EPHEMERAL
    return _publish(world, interaction, message)


def _say(world: World, interaction: Interaction, draft: Draft) -> Message:
    channel = world.channels[interaction.channel]
    check(world, channel, draft)
    check_not_empty(draft)
    message = _new(world, interaction)
    apply(world, message, draft)
    return _publish(world, interaction, message)


def _new(world: World, interaction: Interaction) -> Message:
    message = new_message(world, world.channels[interaction.channel], BOT)
    message.kind = COMMAND if interaction.kind == 2 and interaction.original is None else REPLY
    message.interaction = interaction.id
    answered = interaction.original or interaction.pressed
    if message.kind == REPLY and answered is not None:
        message.reference = Reference(interaction.channel, answered)
    return message


def _publish(world: World, interaction: Interaction, message: Message) -> Message:
    interaction.messages.append(message)
    # Only one person sees it, and no channel keeps it.
    return message if message.flags & EPHEMERAL else publish(world, message)


def _callback_response(world: World, interaction: Interaction, message: Message | None) -> Json:
    about: Json = {"id": str(interaction.id), "type": interaction.kind}
    response: Json = {"interaction": about}
    if message is not None:
        about["response_message_id"] = str(message.id)
        about["response_message_loading"] = bool(message.flags & LOADING)
        about["response_message_ephemeral"] = bool(message.flags & EPHEMERAL)
    if message is not None and interaction.answer in (_MESSAGE, _UPDATE):
        response["resource"] = {"type": interaction.answer, "message": message_json(world, message)}
    return response


def _with_token(call: Call) -> Interaction:
    """The interaction whose token is in the path, while it lives."""
    rules, now = call.world.rules, call.world.clock.now()
    call.own_application()
    interaction = next((each for each in call.world.interactions.values() if each.token == call.names["token"]), None)
    if interaction is None:
        raise unknown("Webhook")
    if now - interaction.created > rules.token_life:
        raise Refusal(*rules.expired_token)
    if interaction.answer is None:
        raise unknown("Webhook")
    return interaction


def follow_up(call: Call) -> Answer:
    interaction = _with_token(call)
    original = _find(call.world, interaction, "@original") if interaction.thinking else None
    if original is not None and original.flags & LOADING:
        check_not_empty(call.draft)
        return message_json(call.world, _finish(call.world, original, call.draft))
    return message_json(call.world, _say(call.world, interaction, call.draft))


def _find(world: World, interaction: Interaction, name: str) -> Message:
    number = interaction.original if name == "@original" else int(name) if name.isdecimal() else 0
    for message in [*interaction.messages, *filter(None, [world.messages.get(interaction.pressed or 0)])]:
        if message.id == number and (message.flags & EPHEMERAL or message.id in world.messages):
            return message
    raise unknown("Message")


def _finish(world: World, message: Message, draft: Draft) -> Message:
    """Edit an answer. What was said while the bot was thinking is not shown as edited."""
    if not message.flags & LOADING:
        return edited(world, message, draft)
    check(world, world.channels[message.channel], draft)
    seen_by_one = message.flags & EPHEMERAL

    def fill() -> None:
        apply(world, message, draft)
        message.flags = message.flags & ~LOADING & ~EPHEMERAL | seen_by_one

    return change(world, message, fill)


def answer_message(call: Call) -> Answer:
    return message_json(call.world, _find(call.world, _with_token(call), call.names["message"]))


def edit_answer(call: Call) -> Answer:
    message = _find(call.world, _with_token(call), call.names["message"])
    return message_json(call.world, _finish(call.world, message, call.draft))


def delete_answer(call: Call) -> Answer:
    interaction = _with_token(call)
    message = _find(call.world, interaction, call.names["message"])
    remove(call.world, message)
    interaction.messages = [each for each in interaction.messages if each is not message]
    return None


def _commands_of(call: Call) -> int | None:
    call.own_application()
    return call.world.guild(call.number("guild")).id if "guild" in call.names else None


def all_commands(call: Call) -> Answer:
    return call.world.commands.get(_commands_of(call), [])


def replace_commands(call: Call) -> Answer:
    wanted = call.body
    if not isinstance(wanted, list):
        raise Refusal(400, 50035, "Invalid Form Body")
    return commands.replace(call.world, _commands_of(call), wanted)
