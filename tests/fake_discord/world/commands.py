"""Slash commands: what an application has registered, held against Discord's rules."""

import re
from typing import Any

from ..ids import BOT
from .api_errors import invalid_form_body, too_long
from .models import Json
from .world import FakeWorld

SUBCOMMAND, GROUP = 1, 2
_NAME = re.compile(r"[-_'\w]{1,32}")
_MAX_COMMANDS = 100
# Discord leaves out of an option what says nothing.
_EMPTY_DESCRIPTION: tuple[Any, ...] = (None, False, [], {})


def replace_commands(world: FakeWorld, guild: int | None, wanted: list[Json]) -> list[Json]:
    """A bulk overwrite. A command of a known name keeps its id, one that has changed gets a new version."""
    if len(wanted) > _MAX_COMMANDS:
        raise too_long("commands", _MAX_COMMANDS)
    seen: set[tuple[int, str]] = set()
    for number, command in enumerate(wanted):
        _check_command(command, str(number), is_chat=command.get("type", 1) == 1)
        key = (command.get("type", 1), command["name"])
        if key in seen:
            name = "APPLICATION_COMMANDS_DUPLICATE_NAME"
            raise invalid_form_body(str(number), name, "Application command names must be unique")
        seen.add(key)
    before = {(command["type"], command["name"]): command for command in world.commands.get(guild, [])}
    world.commands[guild] = [_to_stored(world, guild, command, before) for command in wanted]
    return world.commands[guild]


def _to_stored(world: FakeWorld, guild: int | None, command: Json, before: dict[tuple[int, str], Json]) -> Json:
    kind = command.get("type", 1)
    said = {
        "application_id": str(BOT),
        "type": kind,
        "name": command["name"],
        "name_localizations": command.get("name_localizations"),
        "description": command.get("description", ""),
        "description_localizations": command.get("description_localizations"),
        "default_member_permissions": _text_or_none(command.get("default_member_permissions")),
        "dm_permission": command.get("dm_permission", True),
        "contexts": command.get("contexts"),
        "integration_types": command.get("integration_types") or [0],
        "nsfw": command.get("nsfw", False),
        **({"options": [_to_option(option) for option in command["options"]]} if command.get("options") else {}),
        **({"guild_id": str(guild)} if guild is not None else {}),
    }
    known = before.get((kind, command["name"]))
    if known is None:
        return {"id": str(world.snowflakes.next_id()), "version": str(world.snowflakes.next_id()), **said}
    same = {name: value for name, value in known.items() if name not in ("id", "version")} == said
    return {"id": known["id"], "version": known["version"] if same else str(world.snowflakes.next_id()), **said}


def _to_option(option: Json) -> Json:
    options = [_to_option(each) for each in option.get("options") or []]
    kept = {name: value for name, value in option.items() if value not in _EMPTY_DESCRIPTION}
    return {**kept, "options": options} if options else kept


def _text_or_none(value: object) -> str | None:
    return None if value is None else str(value)


def _check_command(command: Json, path: str, *, is_chat: bool = True) -> None:
    name = command.get("name") or ""
    if is_chat and (not _NAME.fullmatch(name) or name != name.lower()):
        sentence = "Command name is invalid"
        raise invalid_form_body(f"{path}.name", "APPLICATION_COMMAND_INVALID_NAME", sentence)
    if is_chat and not 1 <= len(command.get("description") or "") <= 100:
        raise invalid_form_body(f"{path}.description", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 100 in length.")
    options = command.get("options") or []
    if len(options) > 25:
        raise too_long(f"{path}.options", 25)
    optional_seen = False
    for number, option in enumerate(options):
        where = f"{path}.options.{number}"
        _check_command(option, where)
        if option["type"] in (SUBCOMMAND, GROUP):
            continue
        if option.get("required") and optional_seen:
            sentence = "Required options must be placed before non-required options"
            raise invalid_form_body(where, "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID", sentence)
        optional_seen = optional_seen or not option.get("required")


def find_command(world: FakeWorld, guild: int | None, words: list[str]) -> tuple[Json, list[Json]]:
    """The command that a person picks, and the options of its last word. Fails where a person finds no such command."""
    for command in [*world.commands.get(guild, []), *world.commands.get(None, [])]:
        if command["name"] == words[0] and command["type"] == 1 and _is_shown(command, in_dm=guild is None):
            options = command.get("options", [])
            for word in words[1:]:
                options = next(each for each in options if each["name"] == word).get("options", [])
            return command, options
    raise LookupError(f"nobody sees a command /{' '.join(words)} here")


def _is_shown(command: Json, *, in_dm: bool) -> bool:
    contexts = command["contexts"]
    if contexts is not None:
        return (1 if in_dm else 0) in contexts
    return not in_dm or bool(command["dm_permission"])


def fill_in_options(known: list[Json], values: dict[str, Any]) -> list[Json]:
    """The options as a person has filled them in, which Discord's client checks."""
    by_name = {option["name"]: option for option in known}
    if unknown := set(values) - set(by_name):
        raise LookupError(f"the command has no option {', '.join(sorted(unknown))}")
    if missing := [name for name, option in by_name.items() if option.get("required") and name not in values]:
        raise LookupError(f"the command wants {', '.join(missing)}")
    return [{"name": name, "type": by_name[name]["type"], "value": value} for name, value in values.items()]
