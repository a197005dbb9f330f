"""Conversations: with whom each stays, and what was said in it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from teamsup.hub import Message, MessageHub

from .people import GATEWAY, person_of, quoted

_HISTORY_CHARACTERS = 4000
# Between people and us. /ask is a question like any other.
_SAID = """
    SELECT m.message_id FROM messages AS m LEFT JOIN conversations AS c ON c.conversation = m.conversation_id
        LEFT JOIN agent_status AS a ON lower(a.agent_name) = m.sender
        LEFT JOIN agent_status AS b ON lower(b.agent_name) = m.recipient
      WHERE m.conversation_id = :conversation AND m.id < :before AND m.id > coalesce(c.begun, 0)
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
class History:
    """What was said, and by whom: if they are to be forgotten, so is this."""

    text: str = ""
    people: tuple[str, ...] = ()


NO_HISTORY = History()


class Conversations:
    """Its verbs block, and raise the hub's errors."""

    def __init__(self, hub: MessageHub) -> None:
        self._hub = hub

    def agents_of(self, conversation: str | None) -> tuple[str, ...]:
        """With whom a conversation stays."""
        rows = self._hub.rows("SELECT agents FROM conversations WHERE conversation = ?", (conversation,))
        return tuple(json.loads(rows[0]["agents"])) if rows else ()

    def stay(self, question: Message, agents: Sequence[str]) -> None:
        if question.conversation_id is not None and agents:
            self._hub.change(
                "INSERT INTO conversations (conversation, agents) VALUES (?, ?)"
                " ON CONFLICT (conversation) DO UPDATE SET agents = excluded.agents",
                (question.conversation_id, json.dumps(list(agents))),
            )

    def begin_anew(self, conversation: str | None, message: Message) -> None:
        """The conversation stays with nobody, and what was said before is history to nobody."""
        if conversation is not None:
            self._hub.change("INSERT OR REPLACE INTO conversations VALUES (?, '[]', ?)", (conversation, message.id))

    def said(self, conversation: str | None, before: int, limit: int) -> list[Message]:
        """The last messages between people and us in a conversation, since it began; commands are none."""
        values = {
            "conversation": conversation,
            "before": before,
            "me": self._hub.agent,
            "gateway": GATEWAY,
            "limit": limit,
        }
        rows = self._hub.rows(_SAID, values)
        return [self._hub.message(row["message_id"]) for row in reversed(rows)]

    def history(self, question: Message, limit: int) -> History:
        """What was said before, for an agent that was not there."""
        first = first_version(question.message_id)
        said = self.said(question.conversation_id, question.id, limit)
        others = [
            each for each in said if first not in (first_version(each.message_id), first_version(each.reply_to or ""))
        ]
        lines = quoted(others, self._hub.agent)
        if len(lines) > _HISTORY_CHARACTERS:
            lines = "> …\n" + lines[-_HISTORY_CHARACTERS:].partition("\n")[2]
        people = {person_of(each) for each in others if each.sender != self._hub.agent}
        return History(f"\n(said here before:)\n{lines}" if lines else "", tuple(sorted(people)))


def first_version(question: str) -> str:
    """Whose edits are versions of it: ``discord:NUMBER`` of ``discord:NUMBER:TIME``."""
    return ":".join(question.split(":")[:2]) if question.startswith("discord:") else question
