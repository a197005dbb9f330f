"""Buttons: the form of a message with options or commands, the meaning of a press, and the display of the outcome.
Pure. user_comm decides who may decide, and which answer counts.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import discord

from teamsup.hub import Message
from teamsup.terminal.formatting import to_single_line

from ...protocol import CLOSE_BUTTONS
from ..markup import escape

_MAX_BUTTONS, _MAX_LABEL, _MAX_CONTENT = 25, 80, 2000
_CUSTOM_ID = re.compile(r"teamsup:(?P<message>\d{1,18}):(?P<command>c?)(?P<number>\d{1,2})", re.ASCII)


@dataclass(frozen=True, slots=True)
class ButtonPress:
    """A button, and its message."""

    message: int
    number: int
    is_command: bool = False

    def text_in(self, message: Message) -> str | None:
        """Return the button's text for the team, or None if the message has no such button."""
        texts = list(commands_of(message).values()) if self.is_command else options_of(message)
        return texts[self.number] if self.number < len(texts) else None


def options_of(message: Message) -> list[str]:
    """Return the options of the decision that the message asks for, if any."""
    given = message.metadata.get("options")
    found = given[:_MAX_BUTTONS] if isinstance(given, list) else []
    return [str(option).strip() or f"{number}" for number, option in enumerate(found, 1)]


def commands_of(message: Message) -> dict[str, str]:
    """Return the buttons with commands: their labels and commands."""
    given = message.metadata.get("commands")
    room = _MAX_BUTTONS - len(options_of(message))
    found = given if isinstance(given, Mapping) else {}
    good = [(label, text) for label, text in found.items() if label.strip() and isinstance(text, str) and text.strip()]
    return dict(good[:room])


def reveal_commands(message: Message) -> Message:
    """Return the message with buttons that show their command, because an agent may choose any label."""
    shown: dict[str, str] = {}
    for number, (label, text) in enumerate(commands_of(message).items(), 1):
        words = f"{to_single_line(label, 30)} ({to_single_line(text, 40)})"
        shown[words if words not in shown else f"{number}. {words}"] = text
    return replace(message, metadata={**message.metadata, "commands": shown}) if shown else message


def parse_custom_id(custom_id: str) -> ButtonPress | None:
    """Return the meaning of one of the gateway's buttons."""
    match = _CUSTOM_ID.fullmatch(custom_id)
    return None if match is None else ButtonPress(int(match["message"]), int(match["number"]), bool(match["command"]))


def build_view(message: Message, outcome: Message | None = None) -> discord.ui.View | None:
    """Return a button for each option and command. Options are disabled after the outcome, and commands after the
    end."""
    chosen = None if outcome is None else outcome.metadata.get("chosen")
    view = discord.ui.View(timeout=None)
    for number, option in enumerate(options_of(message)):
        button: discord.ui.Button[Any] = discord.ui.Button(
            style=discord.ButtonStyle.success if number == chosen else discord.ButtonStyle.secondary,
            label=option[:_MAX_LABEL],
            custom_id=f"teamsup:{message.id}:{number}",
            disabled=outcome is not None,
        )
        view.add_item(button)
    is_closed = outcome is not None and outcome.message_type == CLOSE_BUTTONS
    for number, label in enumerate({} if is_closed else commands_of(message)):
        view.add_item(discord.ui.Button(label=label.strip()[:_MAX_LABEL], custom_id=f"teamsup:{message.id}:c{number}"))
    # We receive every press ourselves, so discord.py should not keep the view.
    view.stop()
    return view if view.children else None


def describe_outcome(outcome: Message) -> str:
    """Return the outcome of a decision, for the message that shows it."""
    by, answer, at = (outcome.metadata.get(name) for name in ("by", "answer", "at"))
    if not by or not answer:
        return escape(outcome.content, 300)
    when = f" <t:{at}:f>" if isinstance(at, int) else ""
    return f"**{escape(str(by), 100)}** chose **{escape(str(answer), 300)}**{when}"


def append_outcome(content: str, outcome: str) -> str:
    """Return the message with its outcome. If there is no room, shorten the message's own text."""
    room = _MAX_CONTENT - len(outcome) - 4
    kept = content if len(content) <= room else content[:room].rstrip() + "…"
    return f"{kept}\n\n{outcome}".strip()
