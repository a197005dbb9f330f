"""Whose words a message says on Discord, so that no agent speaks for another or for the team.

Workers speak for the team. An agent that writes to the gateway itself speaks in its own name, and so it does in each
further piece of a long answer, also of one that user_comm brings.
"""

from dataclasses import dataclass

from teamsup.hub import Message, MessageHub, UnknownMessage
from teamsup.hub.messages import HUB
from teamsup.hub.wording import one_line, printable, said_by

from .intake import RECIPIENT
from .text import LIMIT, cut

_TEAM = ("daemon", "supervisor")
_LONGEST_NAME = 64
SOURCE = "source"
"""In the metadata of what user_comm brings, the message that said it to the team."""


@dataclass(frozen=True, slots=True)
class Voice:
    """What is said, and by whom. No speaker: the team."""

    text: str
    speaker: str = ""

    def saying(self, *texts: str) -> "Voice":
        """The same voice with other words."""
        return Voice("\n\n".join(texts), self.speaker)

    def pieces(self) -> list[str]:
        """The text in pieces that Discord takes, each with its speaker."""
        if not self.speaker:
            return [part.text for part in cut(self.text)]
        head = f"{self.speaker} goes on:\n"
        first, *others = [part.text for part in cut(self.text, LIMIT - len(head))] or [""]
        return [first, *(head + other for other in others)]


def voice_of(hub: MessageHub, message: Message) -> Voice:
    """Whose voice that message has, with nothing in it that cannot be seen. Blocks."""
    content = printable(message.content)
    if message.sender == RECIPIENT:
        return Voice(content, _speaker(hub, message.metadata.get(SOURCE)))
    name = one_line(message.sender, _LONGEST_NAME)
    return Voice(content) if _is_team(hub, message.sender) else Voice(said_by(name, content), name)


def _speaker(hub: MessageHub, source: object) -> str:
    """Whose words user_comm brings; empty: its own, or a worker's."""
    try:
        sender = hub.message(source).sender if isinstance(source, str) else RECIPIENT
    except UnknownMessage:
        return ""
    return "" if sender == RECIPIENT or _is_team(hub, sender) else one_line(sender, _LONGEST_NAME)


def _is_team(hub: MessageHub, name: str) -> bool:
    if name in (HUB, hub.agent):
        return True
    found = hub.agent_named(name)
    return found is not None and found.kind in _TEAM
