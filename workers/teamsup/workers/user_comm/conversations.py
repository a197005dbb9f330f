"""Conversations: the agents of each, and its history."""

import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from teamsup.hub import Message, MessageHub, UnknownMessage

from ..protocol import COMMAND_TYPE, DELETED_TYPE, EDITED_TYPE, GATEWAY
from .people import person_of, quote_messages

_MAX_HISTORY_LENGTH = 4000
_BATCH = 50
_NOT_TALK = ("status_report", COMMAND_TYPE, DELETED_TYPE, EDITED_TYPE)
_NOT_OF_PEOPLE = ("error", "notification")
"""Message types of the gateway's own messages."""


@dataclass(frozen=True)
class ConversationHistory:
    """Earlier messages as text, with their authors. When an author is forgotten, this text is removed too."""

    text: str = ""
    people: tuple[str, ...] = ()


NO_HISTORY = ConversationHistory()


class Conversations:
    """Reads and assigns conversations. Its methods block, and raise the hub's errors."""

    def __init__(self, hub: MessageHub) -> None:
        self._hub = hub

    def assigned_agents(self, conversation: str | None) -> tuple[str, ...]:
        """Return the agents to which a conversation is assigned."""
        rows = self._hub.query("SELECT agents FROM conversations WHERE conversation = ?", (conversation,))
        return tuple(json.loads(rows[0]["agents"])) if rows else ()

    def assign(self, question: Message, agents: Sequence[str]) -> None:
        """Assign the question's conversation to these agents, so that they get its next messages."""
        if question.conversation_id is not None and agents:
            self._hub.execute(
                "INSERT INTO conversations (conversation, agents) VALUES (?, ?)"
                " ON CONFLICT (conversation) DO UPDATE SET agents = excluded.agents",
                (question.conversation_id, json.dumps(list(agents))),
            )

    def reset(self, conversation: str | None, message: Message) -> None:
        """End the assignment, and let the history begin after this message."""
        if conversation is not None:
            self._hub.execute(
                "INSERT INTO conversations (conversation, agents, history_from) VALUES (?, '[]', ?)"
                " ON CONFLICT (conversation) DO UPDATE SET agents = '[]', history_from = excluded.history_from",
                (conversation, message.id),
            )

    def messages_before(self, conversation: str | None, before: int, limit: int) -> list[Message]:
        """Return the last messages between people and the team in this conversation, without commands."""
        if conversation is None:
            return []
        rows = self._hub.query("SELECT history_from FROM conversations WHERE conversation = ?", (conversation,))
        after = rows[0]["history_from"] if rows else None
        people: dict[str | None, bool] = {None: True, GATEWAY: True}
        found: list[Message] = []
        while len(found) < limit:
            batch = self._hub.queries.find(conversation=conversation, after=after, before=before, limit=_BATCH)
            found += [each for each in reversed(batch) if self._is_talk(each, people)]
            if len(batch) < _BATCH:
                break
            before = batch[0].id
        return found[:limit][::-1]

    def _is_talk(self, message: Message, people: dict[str | None, bool]) -> bool:
        """Return whether a person and the team exchanged the message. Of commands and their answers, only
        /ask counts.
        """
        if message.message_type in _NOT_TALK or _is_command(message):
            return False
        if message.sender == GATEWAY and message.message_type in _NOT_OF_PEOPLE:
            return False
        is_to_us = message.recipient == self._hub.agent and self._is_person(message.sender, people)
        is_by_us = message.sender == self._hub.agent and self._is_person(message.recipient, people)
        if not is_to_us and not is_by_us:
            return False
        with contextlib.suppress(UnknownMessage):
            return message.reply_to is None or not _is_command(self._hub.queries.message(message.reply_to))
        return True

    def _is_person(self, name: str | None, people: dict[str | None, bool]) -> bool:
        """Return whether the name belongs to a person's console, even if the console was forgotten. ``people`` caches
        the answer.
        """
        if name not in people:
            agent = self._hub.find_agent(name or "")
            people[name] = agent is None or agent.kind == "console"
        return people[name]

    def history_before(self, question: Message, limit: int) -> ConversationHistory:
        """Return the messages before a question that its new agent has not read."""
        first = original_id(question.message_id)
        earlier = self.messages_before(question.conversation_id, question.id, limit)
        others = [
            each for each in earlier if first not in (original_id(each.message_id), original_id(each.reply_to or ""))
        ]
        lines = quote_messages(others, self._hub.agent)
        if len(lines) > _MAX_HISTORY_LENGTH:
            lines = "> …\n" + lines[-_MAX_HISTORY_LENGTH:].partition("\n")[2]
        people = {person_of(each) for each in others if each.sender != self._hub.agent}
        return ConversationHistory(f"\n(said here before:)\n{lines}" if lines else "", tuple(sorted(people)))


def _is_command(message: Message) -> bool:
    return message.content.startswith("/") and not message.content.lower().startswith("/ask ")


def original_id(question: str) -> str:
    """Return the id of the first version: ``discord:NUMBER`` for ``discord:NUMBER:TIME``."""
    return ":".join(question.split(":")[:2]) if question.startswith("discord:") else question
