"""The slash commands, their meaning, and their registration at Discord."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import discord

from teamsup.config.components import people_commands
from teamsup.config.people_protocol import CommandDefinition

from ...backoff import backoff

_CHAT_COMMAND = 1  # Discord's type of a command that people write
_STRING_OPTION = 3  # Discord's type of an option
_MAX_RETRY_SECONDS = 60.0
_OPTIONAL_ON_DISCORD = {("ask", "agent")}  # without an agent, the conversation's agent gets the question


def _to_slash_command(command: CommandDefinition) -> dict[str, Any]:
    """Return the command in Discord's form, with the required options first."""
    options = [
        {
            "type": _STRING_OPTION,
            "name": argument.name,
            "description": _capitalize(argument.help),
            "required": not argument.is_optional and (command.name, argument.name) not in _OPTIONAL_ON_DISCORD,
        }
        for argument in command.arguments
    ]
    shown = {"name": command.name, "description": _capitalize(command.help)}
    return shown | ({"options": sorted(options, key=lambda each: not each["required"])} if options else {})


def _capitalize(text: str) -> str:
    return text[:1].upper() + text[1:]


SLASH_COMMANDS = [_to_slash_command(command) for command in people_commands()]


def to_text(name: str, values: dict[str, str]) -> str:
    """Return the text of a command for user_comm. Pure."""
    values = {key: value.strip() for key, value in values.items()}
    if name != "ask":
        return " ".join(["/" + name, *values.values()])
    text, agent = values.get("text", ""), values.get("agent", "")
    return f"/ask {agent} {text}" if agent else text


def describe_differences(registered: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the differences between the commands that Discord knows and those of the team. Pure."""
    known = {each["name"]: each for each in registered if each.get("type", _CHAT_COMMAND) == _CHAT_COMMAND}
    ours = {each["name"]: each for each in SLASH_COMMANDS}
    return [
        *(f"/{name} is missing" for name in ours.keys() - known.keys()),
        *(f"/{name} is not a command of the team" for name in known.keys() - ours.keys()),
        *(
            f"/{name} is registered with another description or other options"
            for name in ours.keys() & known.keys()
            if _to_comparable(ours[name]) != _to_comparable(known[name])
        ),
    ]


def _to_comparable(command: Mapping[str, Any]) -> tuple[object, ...]:
    """Return what people see of a command. Discord adds fields, and leaves out those that are false."""
    options = command.get("options") or ()
    shown = [(each["type"], each["name"], each["description"], bool(each.get("required"))) for each in options]
    return command["description"], shown


async def register_commands(
    client: discord.Client, log: logging.Logger, trouble: Callable[[str], Awaitable[None]]
) -> None:
    """Register the commands at Discord if they have changed, because Discord permits only a few changes a day.

    ``trouble`` is called with the reason of a failure that lasts a minute, and with an empty text when the failure has
    ended.
    """
    application = client.application_id
    if application is None:
        return
    for pause in backoff(longest=_MAX_RETRY_SECONDS):
        try:
            if describe_differences(await client.http.get_global_commands(application)):
                await client.http.bulk_upsert_global_commands(application, SLASH_COMMANDS)
            await trouble("")
            return
        except Exception as error:  # discord.py raises errors of the network and of Discord
            log.warning("the commands could not be registered, next try in %.0f s: %s", pause, error)
            if pause == _MAX_RETRY_SECONDS:
                await trouble(f"Discord does not know the team's commands: {error}")
        await asyncio.sleep(pause)
