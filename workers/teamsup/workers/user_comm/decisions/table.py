"""The decisions that the team's database keeps, and the messages that show them."""

import json
import sqlite3
from datetime import UTC, datetime
from typing import Any

from teamsup.hub import Message, MessageHub
from teamsup.hub.models import PRIORITIES
from teamsup.hub.timestamps import format_time, parse_time

from ...protocol import GATEWAY, SENT_ELSEWHERE
from .decision import Decision, DecisionSpec, DecisionState, may_decide

_SELECT = """
    SELECT d.*, m.message_id, m.content, m.priority, m.created_at FROM decisions AS d JOIN messages AS m
      ON m.id = d.question
"""
_FIRST_SEEN = """
    SELECT p.place, min(d.done_at) AS moment FROM decision_messages AS p JOIN deliveries AS d ON d.message = p.message
      WHERE p.question = ? AND d.state = 'done' AND coalesce(d.outcome, '') NOT LIKE 'refused%'
        AND d.outcome IS NOT 'not for Discord' GROUP BY p.place
"""
_UNREAD_BEFORE_DEADLINE = """
    SELECT 1 FROM deliveries AS d JOIN messages AS m ON m.id = d.message
      WHERE d.recipient = ? AND d.done_at IS NULL AND d.available_at IS NULL
        AND m.created_at < (SELECT deadline FROM decisions WHERE question = ?) LIMIT 1
"""
# A thread that the gateway has made is a conversation of its own. CROSS JOIN begins with the decisions, of which there
# are fewer than places.
_SHOWN_IN = """
    SELECT p.question FROM decisions AS o CROSS JOIN decision_messages AS p ON p.question = o.question
      JOIN messages AS m ON m.id = p.message JOIN deliveries AS d ON d.message = p.message
      WHERE (o.state = 'open' OR o.decided_at >= :since) AND p.place = :place AND d.read_at IS NOT NULL
        AND (:place <> 'gateway' OR m.conversation_id = :conversation OR d.outcome = :sent_elsewhere)
      GROUP BY p.question ORDER BY max(p.message) DESC
"""


class DecisionTable:
    """Reads and writes; in a transaction, as part of it."""

    def __init__(self, hub: MessageHub) -> None:
        self._hub = hub

    def get(self, number: int) -> Decision | None:
        found = self._select("WHERE d.question = ?", number)
        return found[0] if found else None

    def pending(self) -> list[Decision]:
        """Return the open decisions, the oldest first."""
        return self._select("WHERE d.state = 'open' ORDER BY d.question")

    def latest(self, limit: int) -> list[Decision]:
        """Return the last decisions in any state, the oldest first."""
        return self._select("ORDER BY d.question DESC LIMIT ?", limit)[::-1]

    def open_in_reply_to(self, message_id: str) -> list[Decision]:
        """Return the open decisions about that message."""
        return self._select("WHERE m.reply_to = ? AND d.state = 'open'", message_id)

    def insert(self, message: Message, asked: DecisionSpec, *, is_public: bool) -> Decision:
        """Store a decision, unless that message has one already."""
        deadline = None if message.expires_at is None else format_time(message.expires_at.timestamp())
        options = json.dumps(asked.options, ensure_ascii=False)
        self._hub.execute(
            "INSERT OR IGNORE INTO decisions (question, asked_by, options, deciders, default_answer, default_denies,"
            " deadline, is_public) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                message.id,
                message.sender,
                options,
                json.dumps(asked.deciders),
                asked.default,
                asked.default_denies,
                deadline,
                is_public,
            ),
        )
        return self._select("WHERE d.question = ?", message.id)[0]

    def close(
        self, number: int, state: DecisionState, answer: str | None, person: str | None, name: str | None, now: float
    ) -> Decision:
        """Store the outcome of a decision, and its decider."""
        self._hub.execute(
            "UPDATE decisions SET state = ?, answer = ?, decided_by_id = ?, decided_by = ?, decided_at = ?"
            " WHERE question = ?",
            (state, answer, person, name, format_time(now), number),
        )
        return self._select("WHERE d.question = ?", number)[0]

    def set_reminded(self, number: int, now: float) -> None:
        self._hub.execute("UPDATE decisions SET reminded_at = ? WHERE question = ?", (format_time(now), number))

    def add_showing(self, number: int, message: Message, place: str) -> None:
        """Store that a message shows the decision there."""
        self._hub.execute("INSERT INTO decision_messages VALUES (?, ?, ?)", (message.id, number, place))

    def showings(self, number: int) -> list[tuple[Message, str]]:
        """Return the messages that show it, the last first, and where."""
        sql = "SELECT message, place FROM decision_messages WHERE question = ? ORDER BY message DESC"
        return [(self._hub.queries.message(f"#{row[0]}"), row[1]) for row in self._hub.query(sql, (number,))]

    def recipients_of(self, number: int) -> set[str]:
        """Return where it is shown."""
        return {row[0] for row in self._hub.query("SELECT place FROM decision_messages WHERE question = ?", (number,))}

    def first_shown_at(self, decision: Decision) -> datetime | None:
        """Return the time when it first reached anybody who may decide it; None while it has not."""
        moments = [
            parse_time(row["moment"])
            for row in self._hub.query(_FIRST_SEEN, (decision.number,))
            if may_decide(decision, row["place"]) or (row["place"] == GATEWAY and decision.spec.deciders_on_discord)
        ]
        return min((moment for moment in moments if moment is not None), default=None)

    def has_unread_before_deadline(self, decision: Decision) -> bool:
        """Return whether an unread message of ours is older than its deadline."""
        return bool(self._hub.query(_UNREAD_BEFORE_DEADLINE, (self._hub.agent, decision.number)))

    def is_empty(self) -> bool:
        """Return whether no decision was ever requested."""
        return not self._hub.query("SELECT 1 FROM decisions LIMIT 1")

    def shown_in(self, place: str, conversation: str | None, since: float) -> list[Decision]:
        """Return the decisions shown there, the last first: open ones, and those that ended since then."""
        values = {
            "place": place,
            "conversation": conversation,
            "sent_elsewhere": f"{SENT_ELSEWHERE}{conversation}",
            "since": format_time(since),
        }
        found = (self.get(row[0]) for row in self._hub.query(_SHOWN_IN, values))
        return [decision for decision in found if decision is not None]

    def relays_in_doubt(self) -> set[int]:
        """Return the relays whose agent has asked people to decide something first, and waits for them."""
        sql = "SELECT r.id FROM decisions AS d JOIN messages AS q ON q.id = d.question"
        sql += " JOIN messages AS r ON r.message_id = q.reply_to WHERE d.state = 'open'"
        return {row[0] for row in self._hub.query(sql)}

    def is_outcome_message(self, message_id: str) -> bool:
        """Return whether that message told an agent the outcome of its decision."""
        sql = "SELECT 1 FROM messages AS m JOIN messages AS q ON q.message_id = m.reply_to"
        sql += " JOIN decisions AS d ON d.question = q.id WHERE m.message_id = ? AND m.sender = ?"
        return bool(self._hub.query(sql, (message_id, self._hub.agent)))

    def decision_shown_by(self, message_id: str) -> int | None:
        """Return the number of the decision that this message shows, or requests."""
        rows = self._hub.query(
            "SELECT coalesce(p.question, d.question) FROM messages AS m"
            " LEFT JOIN decision_messages AS p ON p.message = m.id LEFT JOIN decisions AS d ON d.question = m.id"
            " WHERE m.message_id = ?",
            (message_id,),
        )
        return rows[0][0] if rows else None

    def _select(self, where: str, *values: object) -> list[Decision]:
        return [_to_decision(row) for row in self._hub.query(_SELECT + where, values)]


def to_metadata(decision: Decision) -> dict[str, Any]:
    """Return the outcome for programs. ``chosen`` is the number of an option, from 0; ``at`` is in Unix seconds."""
    return {
        "decision": decision.number,
        "state": decision.state,
        "answer": decision.answer,
        "chosen": decision.option_index,
        "by": decision.decided_by,
        "person": decision.decided_by_id,
        "at": None if decision.decided_at is None else int(decision.decided_at.timestamp()),
    }


def _to_decision(row: sqlite3.Row) -> Decision:
    return Decision(
        row["question"],
        row["message_id"],
        row["asked_by"],
        row["content"],
        row["priority"] if row["priority"] in PRIORITIES else "normal",
        parse_time(row["created_at"]) or datetime.now(UTC),
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
    """Return a list of texts; foreign programs may have stored any value."""
    try:
        found = json.loads(str(stored))
    except ValueError:
        return ()
    return tuple(str(each) for each in found) if isinstance(found, list) else ()
