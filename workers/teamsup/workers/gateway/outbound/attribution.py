"""Show on Discord who speaks, so that no agent speaks for another or for the team.

Workers speak for the team. An agent that writes to the gateway directly speaks in its own name. Every chunk of an
agent's long answer shows the agent's name, even if user_comm forwards the answer.
"""

from dataclasses import dataclass

from teamsup.config.people_protocol import USER_COMM
from teamsup.hub import Message, MessageHub, UnknownMessage
from teamsup.hub.models import HUB_SENDER
from teamsup.terminal.formatting import prefix_speaker, sanitize, to_single_line

from ...protocol import SOURCE_KEY
from ..markup import tables_to_code
from .chunking import MAX_LENGTH, iterate_chunks
from .mentions import find_participants, mention_people

_TEAM_KINDS = ("daemon", "supervisor")
_MAX_NAME = 64


@dataclass(frozen=True, slots=True)
class AttributedText:
    """A text and its speaker. Without a speaker, the team speaks."""

    text: str
    speaker: str = ""

    def with_text(self, *texts: str) -> "AttributedText":
        """Return another text of the same speaker."""
        return AttributedText("\n\n".join(texts), self.speaker)

    @property
    def is_short(self) -> bool:
        """Return whether the text is one unchanged chunk: it fits, and each block of code in it is closed."""
        # A character has at most two UTF-16 units.
        return 2 * len(self.text) <= MAX_LENGTH and "```" not in self.text and "~~~" not in self.text

    def chunks(self) -> list[str]:
        """Return the text in chunks for Discord, each with its speaker. White space alone makes no chunk."""
        if self.is_short:
            return [self.text] if self.text.strip() else []
        if not self.speaker:
            return [part.text for part in iterate_chunks(self.text)]
        head = f"{self.speaker} goes on:\n"
        first, *others = [part.text for part in iterate_chunks(self.text, MAX_LENGTH - len(head))] or [""]
        return [first, *(head + other for other in others)]


def attribute(hub: MessageHub, message: Message) -> AttributedText:
    """Return the speaker and the text of a message, with mentions and without invisible characters. Blocks."""
    content = sanitize(message.content)
    if "@" in content:
        content = mention_people(content, find_participants(hub, message.conversation_id))
    if "|" in content:
        content = tables_to_code(content)
    if message.sender == USER_COMM:
        return AttributedText(content, _speaker_of(hub, message.metadata.get(SOURCE_KEY)))
    name = to_single_line(message.sender, _MAX_NAME)
    return (
        AttributedText(content)
        if _speaks_for_team(hub, message.sender)
        else AttributedText(prefix_speaker(name, content), name)
    )


def _speaker_of(hub: MessageHub, source: object) -> str:
    """Return the agent whose text user_comm forwards, or an empty text if user_comm or a worker is the author."""
    try:
        sender = hub.queries.message(source).sender if isinstance(source, str) else USER_COMM
    except UnknownMessage:
        return ""
    return "" if sender == USER_COMM or _speaks_for_team(hub, sender) else to_single_line(sender, _MAX_NAME)


def _speaks_for_team(hub: MessageHub, name: str) -> bool:
    if name in (HUB_SENDER, hub.agent):
        return True
    found = hub.find_agent(name)
    return found is not None and found.kind in _TEAM_KINDS
