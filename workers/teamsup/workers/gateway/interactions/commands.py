"""Which slash commands there are, what each of them means, and that Discord knows them."""

import asyncio
import hashlib
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import discord

from teamsup.hub import MessageHub

from ...backoff import backoff
from ..state import get_state, set_state

COMMAND_TYPE = "command"
"""The type of a message that was one."""
_STATE_KEY = "commands"  # as they were last told to Discord
_STRING_OPTION = 3  # Discord's type of an option
_MAX_RETRY_SECONDS = 60.0

SLASH_COMMANDS: list[dict[str, Any]] = [
    {
        "name": "ask",
        "description": "Ask the team",
        "options": [
            {"type": _STRING_OPTION, "name": "text", "description": "What you want to know", "required": True},
            {"type": _STRING_OPTION, "name": "agent", "description": "Whom; else whoever this conversation is with"},
        ],
    },
    {"name": "status", "description": "How the team is"},
    {"name": "agents", "description": "Who is in the team"},
    {"name": "alerts", "description": "What is wrong now"},
    {
        "name": "ack",
        "description": "Say that you take care of an alert",
        "options": [{"type": _STRING_OPTION, "name": "id", "description": "The alert's id", "required": True}],
    },
    {
        "name": "decide",
        "description": "Decide what an agent has asked",
        "options": [
            {"type": _STRING_OPTION, "name": "id", "description": "The decision's id", "required": True},
            {
                "type": _STRING_OPTION,
                "name": "answer",
                "description": "A choice, its number, or your words",
                "required": True,
            },
        ],
    },
    {"name": "stop", "description": "Withdraw what you have asked here"},
    {"name": "new", "description": "Begin a conversation that stays with nobody"},
    {
        "name": "trace",
        "description": "What became of your last question here, or of a message",
        "options": [{"type": _STRING_OPTION, "name": "id", "description": "The message's id, such as #12"}],
    },
    {
        "name": "history",
        "description": "What was said here",
        "options": [{"type": _STRING_OPTION, "name": "count", "description": "How many messages, up to 50"}],
    },
    {"name": "ps", "description": "Which processes run"},
    {"name": "help", "description": "What you can say to the team"},
]


def to_text(name: str, values: dict[str, str]) -> str:
    """What user_comm is told of a command. Pure."""
    values = {key: value.strip() for key, value in values.items()}
    if name != "ask":
        return " ".join(["/" + name, *values.values()])
    text, agent = values.get("text", ""), values.get("agent", "")
    return f"/ask {agent} {text}" if agent else text


async def register_commands(
    client: discord.Client, hub: MessageHub, log: logging.Logger, trouble: Callable[[str], Awaitable[None]]
) -> None:
    """Tell Discord which commands there are, if it does not know. It takes only so many changes in a day.

    ``trouble`` hears the reason when that goes wrong for a minute, and nothing when it is done.
    """
    application = client.application_id
    if application is None:
        return
    digest = hashlib.sha256(json.dumps([application, SLASH_COMMANDS]).encode()).hexdigest()
    for pause in backoff(longest=_MAX_RETRY_SECONDS):
        try:
            if await asyncio.to_thread(get_state, hub, _STATE_KEY) != digest:
                await client.http.bulk_upsert_global_commands(application, SLASH_COMMANDS)
                await asyncio.to_thread(set_state, hub, _STATE_KEY, digest)
            await trouble("")
            return
        except Exception as error:  # discord.py lets everything out
            log.warning("the commands could not be told to Discord, next try in %.0f s: %s", pause, error)
            if pause == _MAX_RETRY_SECONDS:
                await trouble(f"Discord does not know the team's commands: {error}")
        await asyncio.sleep(pause)
