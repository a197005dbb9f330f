"""Decisions: what a message with options looks like on Discord, who has pressed which, and what the team is told."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from teamsup.hub import Message, MessageHub, UnknownMessage
from teamsup.hub.clock import from_text, to_text

from .text import plain

if TYPE_CHECKING:
    import discord

RECIPIENT = "user_comm"
_MOST, _LABEL, _CONTENT = 25, 80, 2000
_ID = re.compile(r"teamsup:(?P<message>\d{1,18}):(?P<option>\d{1,2})")


@dataclass(frozen=True, slots=True)
class Pressed:
    """Which option of which message."""

    message: int
    option: int


@dataclass(frozen=True, slots=True)
class Decision:
    """What somebody has decided, and when."""

    person: int
    name: str
    option: int
    text: str
    at: datetime | None

    @property
    def sentence(self) -> str:
        when = "" if self.at is None else f" <t:{int(self.at.timestamp())}:f>"
        return f"**{plain(self.name, 100)}** chose **{plain(self.text, 200)}**{when}"


class Decisions:
    """What the hub keeps of them. Its verbs block and raise the hub's errors."""

    def __init__(self, hub: MessageHub) -> None:
        self._hub = hub

    def question(self, number: int) -> Message | None:
        """The message that asks."""
        try:
            message = self._hub.message(f"#{number}")
        except UnknownMessage:
            return None
        return message if message.recipient == self._hub.agent and options(message) else None

    def decide(
        self, question: Message, option: int, person: int, name: str, *, snowflake: int, channel: int, now: float
    ) -> tuple[Decision, bool]:
        """The decision, and whether it is this one. The first counts; it is kept and told in one step."""
        with self._hub.transaction():
            decided = self._decided(question)
            if decided is not None:
                return decided, False
            chosen = options(question)[option]
            self._hub.change(
                "INSERT INTO discord_decisions VALUES (?, ?, ?, ?, ?)",
                (question.id, person, name, option, to_text(now)),
            )
            self._hub.send(
                RECIPIENT,
                f"@{question.metadata.get('asked_by', question.sender)} {chosen}",
                message_type="decision",
                message_id=f"discord:{snowflake}",
                conversation_id=f"discord:{channel}",
                metadata={"from": name, "user": person, "decides": question.message_id},
            )
            return Decision(person, name, option, chosen, from_text(to_text(now))), True

    def _decided(self, question: Message) -> Decision | None:
        rows = self._hub.rows("SELECT * FROM discord_decisions WHERE message = ?", (question.id,))
        if not rows:
            return None
        row = rows[0]
        text = options(question)[row["option"]]
        return Decision(row["person"], row["name"], row["option"], text, from_text(row["decided_at"]))


def options(message: Message) -> list[str]:
    """Between which it asks to decide; none: it does not ask."""
    given = message.metadata.get("options")
    return [str(option) for option in given[:_MOST]] if isinstance(given, list) else []


def pressed(custom_id: str) -> Pressed | None:
    """What a button of ours stands for."""
    match = _ID.fullmatch(custom_id)
    return None if match is None else Pressed(int(match["message"]), int(match["option"]))


def components(message: Message, chosen: int | None = None) -> "discord.ui.View | None":
    """A button for each option, also long after; none to press any more once one is chosen."""
    import discord

    if not options(message):
        return None
    view = discord.ui.View(timeout=None)
    for number, option in enumerate(options(message)):
        style = discord.ButtonStyle.success if number == chosen else discord.ButtonStyle.secondary
        button: discord.ui.Button[Any] = discord.ui.Button(
            style=style,
            label=option.strip()[:_LABEL] or f"{number + 1}",
            custom_id=f"teamsup:{message.id}:{number}",
            disabled=chosen is not None,
        )
        view.add_item(button)
    # We hear of every press ourselves; discord.py should not keep it.
    view.stop()
    return view


def with_decision(content: str, sentence: str) -> str | None:
    """What the message says then; None: there is no room."""
    if sentence in content:
        return content
    text = f"{content}\n\n{sentence}".strip()
    return text if len(text) <= _CONTENT else None
