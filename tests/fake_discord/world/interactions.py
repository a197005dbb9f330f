"""Commands that people run and buttons that they press: told to the bot, with a token to answer with."""

import secrets
from typing import Any

from ..ids import BOT
from .commands import GROUP, SUBCOMMAND, fill_in_options, find_command
from .models import FakeChannel, FakeEvent, FakeInteraction, FakeMessage, Json
from .payloads import channel_json, member_json, message_json, upload_limit, user_json
from .permissions import Permission
from .world import FakeWorld

_COMMAND, _COMPONENT = 2, 3
_BUTTON, _LINK = 2, 5
_USER, _CHANNEL, _ROLE = 6, 7, 8


def run_command(
    world: FakeWorld, channel: FakeChannel, user: int, line: str, values: dict[str, Any]
) -> FakeInteraction:
    words = line.removeprefix("/").split()
    command, known = find_command(world, channel.guild, words)
    options = fill_in_options(known, values)
    data: Json = {"id": command["id"], "name": command["name"], "type": 1}
    if resolved := _resolve_options(world, channel, options):
        data["resolved"] = resolved
    for depth, word in reversed(list(enumerate(words[1:]))):
        kind = SUBCOMMAND if depth == len(words) - 2 else GROUP
        options = [{"name": word, "type": kind, "options": options}]
    if options:
        data["options"] = options
    return _send_interaction(world, channel, user, _COMMAND, " ".join(words), data)


def press_component(
    world: FakeWorld, message: FakeMessage, user: int, custom_id: str, values: list[str] | None = None
) -> FakeInteraction:
    """A button, or a choice from a list. Fails where a person could not do it."""
    parts = [part for row in message.components for part in row.get("components", [])]
    part = next((each for each in parts if each.get("custom_id") == custom_id), None)
    if part is None or part.get("disabled") or (part.get("style") == _LINK and part["type"] == _BUTTON):
        raise LookupError(f"nobody can press {custom_id} on message {message.id}")
    data: Json = {"custom_id": custom_id, "component_type": part["type"]}
    if part["type"] != _BUTTON:
        data["values"] = values or []
    channel = world.channels[message.channel]
    return _send_interaction(world, channel, user, _COMPONENT, custom_id, data, message)


def _send_interaction(
    world: FakeWorld,
    channel: FakeChannel,
    user: int,
    kind: int,
    name: str,
    data: Json,
    message: FakeMessage | None = None,
) -> FakeInteraction:
    token = secrets.token_urlsafe(48)
    number, now = world.snowflakes.next_id(), world.clock.now()
    pressed = message.id if message is not None else None
    interaction = FakeInteraction(number, token, kind, name, user, channel.id, now, pressed)
    world.interactions[number] = interaction
    guild = channel.guild
    payload: Json = {
        "id": str(number),
        "application_id": str(BOT),
        "type": kind,
        "token": token,
        "version": 1,
        "data": data,
        "channel_id": str(channel.id),
        "channel": {**channel_json(world, channel), "permissions": str(int(world.permissions_of(channel, user)))},
        "app_permissions": str(int(world.permissions_of(channel))),
        "locale": "en-US",
        "entitlements": [],
        "authorizing_integration_owners": {"0": str(guild or 0)},
        "context": 1 if guild is None else 0,
        "attachment_size_limit": upload_limit(world, channel),
    }
    if message is not None:
        payload["message"] = message_json(world, message)
    if guild is None:
        payload["user"] = user_json(world.users[user])
    else:
        permissions = str(int(world.permissions_of(channel, user)))
        payload["guild_id"] = str(guild)
        payload["guild"] = {"id": str(guild), "locale": "en-US", "features": []}
        payload["guild_locale"] = "en-US"
        payload["member"] = {**member_json(world, world.guilds[guild].members[user]), "permissions": permissions}
    world.send_event(FakeEvent("INTERACTION_CREATE", payload))
    return interaction


def _resolve_options(world: FakeWorld, channel: FakeChannel, options: list[Json]) -> Json:
    """The people, channels and roles that options name, as Discord adds them."""
    resolved: Json = {}
    for option in options:
        value = option["value"]
        if option["type"] == _USER:
            option["value"] = str(value)
            resolved.setdefault("users", {})[str(value)] = user_json(world.users[value])
            if channel.guild is not None:
                member = member_json(world, world.guilds[channel.guild].members[value], with_user=False)
                resolved.setdefault("members", {})[str(value)] = {
                    **member,
                    "permissions": str(int(Permission.VIEW_CHANNEL)),
                }
        elif option["type"] == _CHANNEL:
            option["value"] = str(value)
            named = {**channel_json(world, world.channels[value]), "permissions": str(int(Permission.VIEW_CHANNEL))}
            resolved.setdefault("channels", {})[str(value)] = named
        elif option["type"] == _ROLE:
            option["value"] = str(value)
    return resolved
