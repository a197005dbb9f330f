"""Conversations: the agents to which each is assigned, and what was written in it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from teamsup.hub import Message, MessageHub

from ..protocol import GATEWAY
from .people import person_of, quote_messages

_MAX_HISTORY_LENGTH = 4000
# Between people and us. /ask counts as a question, other commands do not.
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
    """Earlier messages as text, and their authors: to forget one of them removes this too."""

    text: str = ""
    people: tuple[str, ...] = ()


NO_HISTORY = ConversationHistory()


class Conversations:
    """Its verbs block, and raise the hub's errors."""

    def __init__(self, hub: MessageHub) -> None:
        self._hub = hub

    def assigned_agents(self, conversation: str | None) -> tuple[str, ...]:
        """Return the agents to which a conversation is assigned."""
        rows = self._hub.query("SELECT agents FROM conversations WHERE conversation = ?", (conversation,))
        return tuple(json.loads(rows[0]["agents"])) if rows else ()

    def assign(self, question: Message, agents: Sequence[str]) -> None:
        """Let these agents get what is written next in the conversation of the question."""
        if question.conversation_id is not None and agents:
            self._hub.execute(
                "INSERT INTO conversations (conversation, agents) VALUES (?, ?)"
                " ON CONFLICT (conversation) DO UPDATE SET agents = excluded.agents",
                (question.conversation_id, json.dumps(list(agents))),
            )

    def reset(self, conversation: str | None, message: Message) -> None:
        """End the assignment, and let the history begin after this message."""
        if conversation is not None:
            self._hub.execute("INSERT OR REPLACE INTO conversations VALUES (?, '[]', ?)", (conversation, message.id))

    def messages_before(self, conversation: str | None, before: int, limit: int) -> list[Message]:
        """Return the last messages between people and us since the conversation began, without commands."""
        values = {
            "conversation": conversation,
            "before": before,
            "me": self._hub.agent,
            "gateway": GATEWAY,
            "limit": limit,
        }
        rows = self._hub.query(_MESSAGES, values)
        return [self._hub.queries.message(row["message_id"]) for row in reversed(rows)]

    def history_before(self, question: Message, limit: int) -> ConversationHistory:
        """Return what was written before, for an agent that has not read it."""
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
    """Return the id of the first version: ``discord:NUMBER`` for ``discord:NUMBER:TIME``."""
    return ":".join(question.split(":")[:2]) if question.startswith("discord:") else question
