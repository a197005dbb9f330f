"""Conversations: with whom each stays, and what was said in it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from teamsup.hub import Message, MessageHub

from ..protocol import GATEWAY
from .people import person_of, quote_messages

_MAX_HISTORY_LENGTH = 4000
# Between people and us. /ask is a question like any other.
_MESSAGES = """
    SELECT m.message_id FROM messages AS m LEFT JOIN conversations AS c ON c.conversation = m.conversation_id
        LEFT JOIN agent_status AS a ON lower(a.agent_name) = m.sender
        LEFT JOIN agent_status AS b ON lower(b.agent_name) = m.recipient
      WHERE m.conversation_id = :conversation AND m.id < :before AND m.id > coalesce(c.history_from, 0)
        AND m.message_type NOT IN ('status_report', 'command', 'deleted', 'edited')
        AND NOT (m.sender = :gateway AND m.message_type IN ('error', 'notification'))
        AND (m.content NOT GLOB '/*' OR lower(m.content) GLOB '/ask *')
        AND NOT EXISTS (SELECT 1 FROM messages AS q WHERE q.message_id = m.reply_to
          AND q.content GLOB '/*' AND lower(q.content) NOT GLOB '/ask *')
        AND ((m.recipient = :me AND (coalesce(a.kind, 'console') = 'console' OR m.sender = :gateway))
          OR (m.sender = :me AND (coalesce(b.kind, 'console') = 'console' OR m.recipient = :gateway)))
      ORDER BY m.id DESC LIMIT :limit
"""


@dataclass(frozen=True)
class ConversationHistory:
    """What was said, and by whom: if they are to be forgotten, so is this."""

    text: str = ""
    people: tuple[str, ...] = ()


NO_HISTORY = ConversationHistory()


class Conversations:
    """Its verbs block, and raise the hub's errors."""

    def __init__(self, hub: MessageHub) -> None:
        self._hub = hub

    def assigned_agents(self, conversation: str | None) -> tuple[str, ...]:
        """With whom a conversation stays."""
        rows = self._hub.query("SELECT agents FROM conversations WHERE conversation = ?", (conversation,))
        return tuple(json.loads(rows[0]["agents"])) if rows else ()

    def assign(self, question: Message, agents: Sequence[str]) -> None:
        if question.conversation_id is not None and agents:
            self._hub.execute(
                "INSERT INTO conversations (conversation, agents) VALUES (?, ?)"
                " ON CONFLICT (conversation) DO UPDATE SET agents = excluded.agents",
                (question.conversation_id, json.dumps(list(agents))),
            )

    def reset(self, conversation: str | None, message: Message) -> None:
        """The conversation stays with nobody, and what was said before is history to nobody."""
        if conversation is not None:
            self._hub.execute("INSERT OR REPLACE INTO conversations VALUES (?, '[]', ?)", (conversation, message.id))

    def messages_before(self, conversation: str | None, before: int, limit: int) -> list[Message]:
        """The last messages between people and us in a conversation, since it began; commands are none."""
        values = {
            "conversation": conversation,
            "before": before,
            "me": self._hub.agent,
            "gateway": GATEWAY,
            "limit": limit,
        }
        rows = self._hub.query(_MESSAGES, values)
        return [self._hub.message(row["message_id"]) for row in reversed(rows)]

    def history_before(self, question: Message, limit: int) -> ConversationHistory:
        """What was said before, for an agent that was not there."""
        first = original_id(question.message_id)
        said = self.messages_before(question.conversation_id, question.id, limit)
        others = [
            each for each in said if first not in (original_id(each.message_id), original_id(each.reply_to or ""))
        ]
        lines = quote_messages(others, self._hub.agent)
        if len(lines) > _MAX_HISTORY_LENGTH:
            lines = "> …\n" + lines[-_MAX_HISTORY_LENGTH:].partition("\n")[2]
        people = {person_of(each) for each in others if each.sender != self._hub.agent}
        return ConversationHistory(f"\n(said here before:)\n{lines}" if lines else "", tuple(sorted(people)))


def original_id(question: str) -> str:
    """Whose edits are versions of it: ``discord:NUMBER`` of ``discord:NUMBER:TIME``."""
    return ":".join(question.split(":")[:2]) if question.startswith("discord:") else question
