"""The decisions in the team's database, and the messages that show them."""

import contextlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from teamsup.hub import DeliveryState, Message, MessageHub, UnknownMessage
from teamsup.hub.engines.engine import Row
from teamsup.hub.models import MessageLabels
from teamsup.hub.timestamps import format_time, parse_time

from ...protocol import GATEWAY, NOT_FOR_DISCORD, SENT_ELSEWHERE
from .decision import Decision, DecisionSpec, DecisionState, may_decide

# CROSS JOIN keeps SQLite from beginning with the recipients, because there are more recipients than such decisions.
_SHOWINGS_IN = """
    SELECT p.question, p.message FROM decisions AS d CROSS JOIN decision_messages AS p
    WHERE p.question = d.question AND (d.state = 'open' OR d.decided_at >= ?) AND p.recipient = ?
    ORDER BY p.message DESC
"""


class DecisionTable:
    """Reads and writes decisions, within the caller's transaction if there is one."""

    def __init__(self, hub: MessageHub) -> None:
        self._hub = hub

    def get(self, number: int) -> Decision | None:
        found = self._select("WHERE question = ?", number)
        return found[0] if found else None

    def pending(self) -> list[Decision]:
        """Return the open decisions, the oldest first."""
        return self._select("WHERE state = 'open' ORDER BY question")

    def latest(self, limit: int) -> list[Decision]:
        """Return the last decisions in any state, the oldest first."""
        return self._select("ORDER BY question DESC LIMIT ?", limit)[::-1]

    def page(self, before: int | None, limit: int, *, is_open: bool) -> list[Decision]:
        """Return the newest decisions, or only open decisions, the newest first. With ``before`` return only older
        decisions.
        """
        wanted = ["state = 'open'"] * is_open + ["question < ?"] * (before is not None)
        where = f"WHERE {' AND '.join(wanted)} " if wanted else ""
        older = () if before is None else (before,)
        return self._select(f"{where}ORDER BY question DESC LIMIT ?", *older, limit)

    def open_in_reply_to(self, message_id: str) -> list[Decision]:
        """Return the open decisions about a message."""
        about_it = {message.id for message in self._hub.queries.find(reply_to=message_id)}
        return [decision for decision in self.pending() if decision.number in about_it] if about_it else []

    def insert(self, message: Message, asked: DecisionSpec, *, is_public: bool) -> Decision:
        """Store a decision, unless its message already has one."""
        deadline = None if message.expires_at is None else format_time(message.expires_at.timestamp())
        options = json.dumps(asked.options, ensure_ascii=False)
        self._hub.execute(
            "INSERT INTO decisions (question, asked_by, options, deciders, default_answer, default_denies, deadline,"
            " is_public) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (
                message.id,
                message.sender,
                options,
                json.dumps(asked.deciders),
                asked.default,
                int(asked.default_denies),
                deadline,
                int(is_public),
            ),
        )
        return self._select("WHERE question = ?", message.id)[0]

    def close(
        self, number: int, state: DecisionState, answer: str | None, person: str | None, name: str | None, now: float
    ) -> Decision:
        """Store the outcome of a decision, and its decider."""
        self._hub.execute(
            "UPDATE decisions SET state = ?, answer = ?, decided_by_id = ?, decided_by = ?, decided_at = ?"
            " WHERE question = ?",
            (state, answer, person, name, format_time(now), number),
        )
        return self._select("WHERE question = ?", number)[0]

    def set_reminded(self, number: int, now: float) -> None:
        self._hub.execute("UPDATE decisions SET reminded_at = ? WHERE question = ?", (format_time(now), number))

    def add_showing(self, number: int, message: Message, recipient: str) -> None:
        """Store that a message shows the decision to an agent."""
        self._hub.execute("INSERT INTO decision_messages VALUES (?, ?, ?)", (message.id, number, recipient))

    def showings(self, number: int) -> list[tuple[Message, str]]:
        """Return the messages that show the decision, the last first, each with its recipient."""
        recipients = self._recipients_by_message(number)
        messages = self._hub.queries.messages(recipients)
        return [(messages[message], recipient) for message, recipient in recipients.items() if message in messages]

    def recipients_of(self, number: int) -> set[str]:
        """Return the agents that have a message with the decision."""
        return set(self._recipients_by_message(number).values())

    def first_shown_at(self, decision: Decision) -> datetime | None:
        """Return the time when the decision first reached a decider, or None."""
        recipients = self._recipients_by_message(decision.number)
        moments = [
            state.done_at
            for message, states in self._hub.queries.trace_each(recipients).items()
            for state in states
            if _has_reached_people(state)
            and (
                may_decide(decision, recipients[message])
                or (recipients[message] == GATEWAY and decision.spec.deciders_on_discord)
            )
        ]
        return min((moment for moment in moments if moment is not None), default=None)

    def has_unread_before_deadline(self, decision: Decision) -> bool:
        """Return whether an unread message to user_comm is older than its deadline."""
        return decision.deadline is not None and self._hub.queries.has_open_before(decision.deadline)

    def is_empty(self) -> bool:
        """Return whether there has never been a decision."""
        return not self._hub.query("SELECT 1 FROM decisions LIMIT 1")

    def shown_in(self, recipient: str, conversation: str | None, since: float) -> list[Decision]:
        """Return the decisions shown to an agent that are open, or have ended since a time. The last comes first."""
        rows = self._hub.query(_SHOWINGS_IN, (format_time(since), recipient))
        numbers = {row["message"]: row["question"] for row in rows}
        labels, states = self._hub.queries.labels(numbers), self._hub.queries.trace_each(numbers)
        shown = [
            question
            for message, question in numbers.items()
            if message in labels and _is_shown_in(labels[message], states.get(message, ()), recipient, conversation)
        ]
        found = (self.get(number) for number in dict.fromkeys(shown))
        return [decision for decision in found if decision is not None]

    def relays_in_doubt(self) -> set[str]:
        """Return the message_ids of relays whose agent is waiting for people's decision."""
        rows = self._hub.query("SELECT question FROM decisions WHERE state = 'open'")
        asked = self._hub.queries.labels(row["question"] for row in rows)
        return {message.reply_to for message in asked.values() if message.reply_to is not None}

    def is_outcome_message(self, message: Message) -> bool:
        """Return whether the message told an agent the outcome of its decision."""
        if message.sender != self._hub.agent or message.reply_to is None:
            return False
        asked = self._number_of(message.reply_to)
        return bool(self._hub.query("SELECT 1 FROM decisions WHERE question = ?", (asked,)))

    def decision_shown_by(self, message_id: str) -> int | None:
        """Return the number of the decision that this message shows, or requests."""
        number = self._number_of(message_id)
        rows = self._hub.query(
            "SELECT question FROM decision_messages WHERE message = ?"
            " UNION ALL SELECT question FROM decisions WHERE question = ?",
            (number, number),
        )
        return rows[0][0] if rows else None

    def _number_of(self, message_id: str) -> int | None:
        with contextlib.suppress(UnknownMessage):
            found = self._hub.queries.message(message_id)
            return found.id if found.message_id == message_id else None
        return None

    def _recipients_by_message(self, number: int) -> dict[int, str]:
        """Return the recipients of the decision, by the number of the message that showed it, the last first."""
        sql = "SELECT message, recipient FROM decision_messages WHERE question = ? ORDER BY message DESC"
        return {row["message"]: row["recipient"] for row in self._hub.query(sql, (number,))}

    def _select(self, clauses: str, *values: object) -> list[Decision]:
        rows = self._hub.query(f"SELECT * FROM decisions {clauses}", values)  # noqa: S608 - clauses of ours
        asked = self._hub.queries.messages(row["question"] for row in rows)
        return [_to_decision(row, asked[row["question"]]) for row in rows if row["question"] in asked]


def to_metadata(decision: Decision) -> dict[str, Any]:
    """Return the outcome for programs. ``chosen`` is the index of an option, from 0. ``at`` is in Unix seconds."""
    return {
        "decision": decision.number,
        "state": decision.state,
        "answer": decision.answer,
        "chosen": decision.option_index,
        "by": decision.decided_by,
        "person": decision.decided_by_id,
        "at": None if decision.decided_at is None else int(decision.decided_at.timestamp()),
    }


def _has_reached_people(state: DeliveryState) -> bool:
    outcome = state.outcome or ""
    return state.state == "done" and not outcome.startswith("refused") and outcome != NOT_FOR_DISCORD


def _is_shown_in(
    showing: MessageLabels, states: Sequence[DeliveryState], recipient: str, conversation: str | None
) -> bool:
    """Return whether the message was read in a conversation.

    A thread that the gateway has made is a conversation of its own. Its number is that of the question. A person can
    answer there before the gateway has stored the outcome.
    """
    is_here = recipient != GATEWAY or conversation in (showing.conversation_id, showing.reply_to)
    sent_here = f"{SENT_ELSEWHERE}{conversation}"
    return any(state.read_at is not None and (is_here or state.outcome == sent_here) for state in states)


def _to_decision(row: Row, message: Message) -> Decision:
    return Decision(
        message.id,
        message.message_id,
        row["asked_by"],
        message.content,
        message.priority,
        message.created_at or datetime.now(UTC),
        DecisionSpec(
            _parse_texts(row["options"]),
            _parse_texts(row["deciders"]),
            row["default_answer"],
            row["default_denies"] == 1,
        ),
        parse_time(row["deadline"]),
        bool(row["is_public"]),
        row["state"],
        row["answer"],
        row["decided_by_id"],
        row["decided_by"],
        parse_time(row["decided_at"]),
        parse_time(row["reminded_at"]),
    )


def _parse_texts(stored: object) -> tuple[str, ...]:
    """Return a list of texts. Ignore other values, which foreign programs may have stored."""
    try:
        found = json.loads(str(stored))
    except ValueError:
        return ()
    return tuple(str(each) for each in found) if isinstance(found, list) else ()
