"""Relays: the messages that forward a question to agents, and the table of open relays.

The metadata ``question`` of such a message names the question permanently.
"""

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from teamsup.hub import Agent, DeliveryState, Message, MessageHub, UnknownMessage
from teamsup.hub.engines.engine import Row
from teamsup.hub.timestamps import format_time, parse_time
from teamsup.terminal.console import MORE_ANSWERS

from ...protocol import DELETED_TYPE, GATEWAY, NAMED_PEOPLE_KEY, QUESTION_KEY
from ..classification import split_context
from ..conversations import NO_HISTORY, ConversationHistory, original_id
from ..people import name_of, person_of, shorten, truncate_to_limit
from .progress import PROGRESS_METADATA, OpenRelay, describe_report

QUESTION_REF_KEY = "question_ref"
"""The key for the question in other messages about it. A reply to such a message answers the question too."""
_MAX_SEARCHED = 100  # messages of a conversation, in the search for the person's last message
_IN_CONVERSATION = "person = ? AND coalesce(conversation, '') = coalesce(CAST(? AS TEXT), '')"
_WITHDRAWAL_TEXTS = {
    "deleted": "The person has deleted this message.",
    "stop": "The person has withdrawn this: stop.",
}


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """The relays that were withdrawn from agents."""

    relays: tuple[str, ...] = ()
    """The ids of the messages that forwarded a question."""
    agents: tuple[str, ...] = ()
    """The agents that had such a message and had not completed it."""


class Relays:
    """Sends and closes relays. Its methods block, and raise the hub's errors."""

    def __init__(self, hub: MessageHub) -> None:
        self._hub = hub

    def send(
        self,
        agent: Agent,
        words: str,
        question: Message,
        *,
        context: str = "",
        history: ConversationHistory = NO_HISTORY,
        reply_to: str | None = None,
    ) -> Message:
        """Send a relay. ``context`` holds the gateway's additions to the person's text."""
        root = self.original_of(question).id
        metadata: dict[str, Any] = {
            "author_name": name_of(question),
            "person": person_of(question),
            QUESTION_KEY: question.message_id,
            "body_length": len(words),
        }
        if question.sender == GATEWAY:
            metadata["origin"] = "Discord"
        if history.people:
            metadata[NAMED_PEOPLE_KEY] = list(history.people)
        relay = self._hub.send(
            agent.name,
            truncate_to_limit(f"{words}{context}{history.text}", metadata, question),
            priority=question.priority,
            metadata=metadata,
            conversation_id=question.conversation_id,
            reply_to=reply_to,
        )
        self._hub.execute("DELETE FROM relays WHERE question = ? AND agent = ?", (root, agent.name))
        self._hub.execute(
            "INSERT INTO relays (message, question, conversation, person, agent, waiting_since)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (relay.id, root, question.conversation_id, person_of(question), agent.name, format_time(time.time())),
        )
        return relay

    def open_relays(self) -> list[OpenRelay]:
        """Return all open relays, one question after another."""
        rows = self._hub.query("SELECT * FROM relays ORDER BY question, message")
        numbers = [row["message"] for row in rows]
        queries = self._hub.queries
        sent = {number: labels.message_id for number, labels in queries.labels(numbers).items()}
        states = queries.trace_each(numbers)
        last = queries.reply_labels(sent.values(), message_type="status_report", only_last=True)
        contents = {number: message.content for number, message in queries.messages(each.id for each in last).items()}
        reports = {(each.reply_to, each.sender): contents.get(each.id, "") for each in last}
        return [
            _to_open_relay(
                row,
                sent.get(row["message"], ""),
                next((each for each in states.get(row["message"], ()) if each.recipient == row["agent"]), None),
                reports.get((sent.get(row["message"]), row["agent"]), ""),
            )
            for row in rows
        ]

    def is_open(self, number: int) -> bool:
        return bool(self._hub.query("SELECT 1 FROM relays WHERE message = ?", (number,)))

    def count_by_agent(self) -> list[tuple[str, int]]:
        """Return the number of questions that wait for each agent."""
        rows = self._hub.query("SELECT agent, count(*) FROM relays GROUP BY agent ORDER BY agent")
        return [(row[0], row[1]) for row in rows]

    def count_questions_of(self, person: str) -> int:
        """Return the number of a person's open questions."""
        sql = "SELECT count(DISTINCT question) FROM relays WHERE person = ?"
        return int(self._hub.query(sql, (person,))[0][0])

    def count_questions_in(self, conversation: str | None) -> int:
        """Return the number of a conversation's open questions."""
        sql = "SELECT count(DISTINCT question) FROM relays WHERE conversation = ?"
        return int(self._hub.query(sql, (conversation,))[0][0])

    def last_question(self, person: str, conversation: str | None) -> Message | None:
        """Return the last open question of a person in a conversation."""
        sql = f"SELECT question FROM relays WHERE {_IN_CONVERSATION} ORDER BY message DESC LIMIT 1"  # noqa: S608
        rows = self._hub.query(sql, (person, conversation))
        return self._hub.queries.message(f"#{rows[0]['question']}") if rows else None

    def restart_waiting(self, relay: str, now: float) -> None:
        """Record that the person waits for the agent again, because the agent no longer waits for people."""
        if (found := self.find_message(relay)) is not None:
            sql = "UPDATE relays SET waiting_since = ?, reminded_at = NULL WHERE message = ?"
            self._hub.execute(sql, (format_time(now), found.id))

    def end_future_waiting(self, now: float) -> None:
        """After the clock was set back, move the beginning of each wait that is in the future to now."""
        at = format_time(now)
        self._hub.execute("UPDATE relays SET waiting_since = ? WHERE waiting_since > ?", (at, at))

    def set_last_progress(self, number: int, progress: str) -> None:
        """Store the last progress that the person has seen."""
        self._hub.execute("UPDATE relays SET last_progress = ? WHERE message = ?", (progress, number))

    def record_report(self, question: Message, report: Message) -> None:
        """Record that the person has the report. The waiting time begins again."""
        self._hub.execute(
            "UPDATE relays SET last_progress = ?, waiting_since = ?, reminded_at = NULL"
            " WHERE question = ? AND agent = ?",
            (
                describe_report(report.sender, report.content),
                format_time(time.time()),
                self.original_of(question).id,
                report.sender,
            ),
        )

    def send_reminder(self, relay: Message, question: Message) -> None:
        """Ask the agent again. An answer to the reminder answers the question."""
        sql = "UPDATE relays SET reminded_at = ? WHERE message = ?"
        self._hub.execute(sql, (format_time(time.time()), relay.id))
        words = shorten(split_context(relay)[0], 200)
        self._hub.send(
            relay.recipient or self._hub.agent,
            f'{name_of(question)} still waits for your answer to #{relay.id}: "{words}"',
            metadata={
                key: value for key, value in relay.metadata.items() if key not in ("body_length", NAMED_PEOPLE_KEY)
            },
            conversation_id=relay.conversation_id,
            reply_to=relay.message_id,
        )

    def relays_of(self, question: str, conversation: str | None) -> list[Message]:
        """Return the relays of that question, in all its versions: ``discord:NUMBER`` and ``discord:NUMBER:TIME``."""
        if conversation is None:
            return []
        first = original_id(question)
        original = self.find_message(first)
        after = None if original is None else original.id
        ours = self._hub.queries.find(conversation=conversation, sender=self._hub.agent, after=after)
        return [each for each in ours if original_id(str(each.metadata.get(QUESTION_KEY))) == first]

    def find_message(self, message_id: object) -> Message | None:
        """Return the message with this id; None if there is none."""
        with contextlib.suppress(UnknownMessage):
            return self._hub.queries.message(message_id) if isinstance(message_id, str) else None
        return None

    def question_of(self, relay: Message | None) -> Message | None:
        """Return the question that this message of user_comm forwards or reports on, or None."""
        if relay is None or relay.sender != self._hub.agent:
            return None
        question = relay.metadata.get(QUESTION_KEY) or relay.metadata.get(QUESTION_REF_KEY)
        return self.find_message(str(question)) if question else None

    def person_question_of(self, message: Message) -> Message | None:
        """Return the person's question to which an agent's message belongs. This is the question that it replies to, or
        the last question of its conversation.
        """
        question = self.question_of(self.find_message(message.reply_to))
        if question is not None:
            return question if self._is_of_person(question) else None
        if message.conversation_id is None:
            return None
        to_us = self._hub.queries.find(
            conversation=message.conversation_id, recipient=self._hub.agent, limit=_MAX_SEARCHED
        )
        return next((each for each in reversed(to_us) if self._is_of_person(each)), None)

    def _is_of_person(self, message: Message) -> bool:
        sender = self._hub.find_agent(message.sender)
        return message.sender == GATEWAY or (sender is not None and sender.kind == "console")

    def is_assigned_to(self, question: Message, agent: str) -> bool:
        """Return whether the agent has an open relay of the question."""
        values = (self.original_of(question).id, agent)
        return bool(self._hub.query("SELECT 1 FROM relays WHERE question = ? AND agent = ?", values))

    def pending_answers(self, question: Message) -> dict[str, int]:
        """Return the note about answers of other agents that are still missing."""
        values = (self.original_of(question).id,)
        (count,) = self._hub.query("SELECT count(*) FROM relays WHERE question = ?", values)[0]
        return {MORE_ANSWERS: count} if count else {}

    def is_read(self, relay: Message) -> bool:
        return any(state.read_at is not None for state in self._hub.queries.trace(relay.message_id))

    def close(self, question: Message, agent: str | None = None) -> None:
        """Close the relays of one agent or of all agents, for all versions of this question."""
        rows = self._hub.query("SELECT message, agent FROM relays WHERE question = ?", (self.original_of(question).id,))
        for number in (row["message"] for row in rows if agent in (None, row["agent"])):
            self.cancel_reminders(self._hub.queries.message(f"#{number}"))
            self.delete(number)

    def withdraw(self, question: str, conversation: str | None, why: str) -> Withdrawal:
        """Withdraw a question in all its versions, so that no agent needs to answer it."""
        with self._hub.transaction():
            withdrawn = self._withdraw_each(self.relays_of(question, conversation), why)
            if (original := self.find_message(original_id(question))) is not None:
                self._hub.execute("DELETE FROM relays WHERE question = ?", (original.id,))
        return withdrawn

    def withdraw_all(self, person: str, conversation: str | None) -> Withdrawal:
        """Withdraw all open questions of a person in a conversation."""
        with self._hub.transaction():
            rows = self._hub.query(f"SELECT message FROM relays WHERE {_IN_CONVERSATION}", (person, conversation))  # noqa: S608
            withdrawn = self._withdraw_each([self._hub.queries.message(f"#{row['message']}") for row in rows], "stop")
            self._hub.execute(f"DELETE FROM relays WHERE {_IN_CONVERSATION}", (person, conversation))  # noqa: S608
        return withdrawn

    def is_withdrawn(self, relay: Message) -> bool:
        """Return whether the message no longer needs an answer: user_comm has cancelled it or has notified its agent.
        An agent that had completed it before can still answer it or its reminder.
        """
        states = self._hub.queries.trace(relay.message_id)
        if states and all(state.state == "cancelled" for state in states):
            return True
        if relay.sender != self._hub.agent:
            return False
        return relay.message_type == DELETED_TYPE or any(
            self._hub.queries.find(reply_to=each, sender=self._hub.agent, message_type=DELETED_TYPE, limit=1)
            for each in (relay.message_id, relay.reply_to)
            if each is not None
        )

    def delete(self, number: int) -> None:
        """Delete one relay. Keep the other relays of its question."""
        self._hub.execute("DELETE FROM relays WHERE message = ?", (number,))

    def cancel_reminders(self, relay: Message) -> None:
        """Withdraw reminders that an agent no longer needs."""
        for each in self._hub.queries.find(
            reply_to=relay.message_id, sender=self._hub.agent, recipient=relay.recipient
        ):
            self._hub.cancel(each.message_id)

    def original_of(self, question: Message) -> Message:
        """Return the first version of a question."""
        try:
            return self._hub.queries.message(original_id(question.message_id))
        except UnknownMessage:
            return question

    def _withdraw_each(self, relays: Sequence[Message], why: str) -> Withdrawal:
        """Cancel these messages, and notify each agent that has read one."""
        agents: dict[str, None] = {}
        self._show_withdrawal(relays)
        for relay in relays:
            if self._withdraw_one(relay, why) and relay.recipient is not None:
                agents[relay.recipient] = None
        return Withdrawal(tuple(relay.message_id for relay in relays), tuple(agents))

    def _show_withdrawal(self, relays: Sequence[Message]) -> None:
        """Replace the progress of these questions on Discord, because no answer will replace it."""
        shown = {
            row["question"]
            for relay in relays
            for row in self._hub.query(
                "SELECT question FROM relays WHERE message = ? AND last_progress <> ''", (relay.id,)
            )
        }
        for number in sorted(shown):
            question = self._hub.queries.message(f"#{number}")
            if question.sender == GATEWAY:
                self._hub.answer(question, "Withdrawn.", message_type="status_report", metadata=PROGRESS_METADATA)

    def _withdraw_one(self, relay: Message, why: str) -> bool:
        """Withdraw one message. Return whether its agent had read but not completed it."""
        knows = self.is_read(relay)
        taken = self._hub.cancel(relay.message_id, even_if_read=True)
        self.cancel_reminders(relay)
        if knows and relay.recipient is not None and self._hub.find_agent(relay.recipient) is not None:
            self._hub.send(
                relay.recipient,
                f"{_WITHDRAWAL_TEXTS[why]} No answer to #{relay.id} is needed.",
                message_type=DELETED_TYPE,
                conversation_id=relay.conversation_id,
                reply_to=relay.message_id,
            )
        return bool(taken) or knows


def _to_open_relay(row: Row, message_id: str, state: DeliveryState | None, report: str) -> OpenRelay:
    return OpenRelay(
        row["message"],
        message_id,
        row["question"],
        row["agent"],
        parse_time(row["waiting_since"]),
        str(row["last_progress"]),
        row["reminded_at"] is not None,
        None if state is None else state.state,
        state is not None and state.offered_at is not None,
        state is not None and state.read_at is not None,
        report,
    )
