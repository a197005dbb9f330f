"""The open questions from Discord, as the hub knows them. Blocks."""

import itertools
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from teamsup.config.people_protocol import USER_COMM
from teamsup.hub import MessageHub

from ..ids import channel_of, snowflake_of
from ..state import get_state, set_state

_MAX_OPEN = 500
_ROLES = ("question", "relay", "answer")
_LOST = ("dead", "expired")
_STATE_KEY = "board"  # up to which message questions have been taken in

_NEW_QUESTIONS = """
    SELECT id, conversation_id, sender = :me AS is_question, CASE WHEN sender = :me THEN message_id
        WHEN json_valid(metadata) THEN CAST(json_extract(metadata, '$.question') AS TEXT) END AS question
      FROM messages WHERE id > :seen AND id <= :last AND conversation_id GLOB 'discord:*' AND question GLOB 'discord:*'
        AND ((sender = :me AND recipient = :answerer AND message_type = 'message')
          OR (sender = :answerer AND recipient <> :me)) ORDER BY id
"""

# The + keeps SQLite from looking through all that we have sent; CROSS JOIN, from beginning with all messages.
_DELIVERIES = """
    WITH asked AS (SELECT * FROM discord_questions ORDER BY snowflake DESC LIMIT :most),
    versions AS MATERIALIZED (
      SELECT q.snowflake, m.id, m.message_id FROM asked AS q CROSS JOIN messages AS m
        ON m.message_id = 'discord:' || q.snowflake WHERE +m.sender = :me
      UNION ALL
      SELECT q.snowflake, m.id, m.message_id FROM asked AS q CROSS JOIN messages AS m
        ON m.message_id > 'discord:' || q.snowflake || ':' AND m.message_id < 'discord:' || q.snowflake || ';'
        WHERE +m.sender = :me)
    SELECT snowflake, channel, reactions, NULL AS role, NULL AS state, NULL AS is_read, NULL AS is_error FROM asked
    UNION ALL
    SELECT v.snowflake, NULL, NULL, 'question', d.state, d.read_at IS NOT NULL, 0
      FROM versions AS v CROSS JOIN deliveries AS d ON d.message = v.id AND d.recipient = :answerer
    UNION ALL
    SELECT q.snowflake, NULL, NULL, 'relay', d.state, d.read_at IS NOT NULL, 0
      FROM asked AS q CROSS JOIN discord_relays AS r ON r.snowflake = q.snowflake
      CROSS JOIN deliveries AS d ON d.message = r.message
    UNION ALL
    SELECT v.snowflake, NULL, NULL, 'answer', d.state, 0,
        a.message_type = 'error' OR coalesce(d.outcome, '') LIKE 'refused%'
      FROM versions AS v CROSS JOIN messages AS a ON a.reply_to = v.message_id
        AND a.message_type NOT IN ('status_report', 'opinion_request')
      CROSS JOIN deliveries AS d ON d.message = a.id AND d.recipient = :me
    ORDER BY 1
"""


class QuestionStatus(StrEnum):
    """The status of a question, with the reaction that shows it."""

    STORED = "👀"
    WORKING = "⚙"
    ANSWERED = "✅"
    FAILED = "❌"
    WITHDRAWN = ""

    @property
    def is_final(self) -> bool:
        return self not in (QuestionStatus.STORED, QuestionStatus.WORKING)


@dataclass(frozen=True, slots=True)
class QuestionDelivery:
    """A delivery from a question to its answer: of the question, of its relay, or of an answer."""

    role: str
    state: str
    is_read: bool = False
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class OpenQuestion:
    """A message of a person that waits for its answer."""

    snowflake: int
    channel: int
    reactions: tuple[str, ...]
    status: QuestionStatus
    is_in_progress: bool
    """Whether somebody is at work on it now."""


class QuestionTable:
    """The questions, their relays, and their status."""

    def __init__(self, hub: MessageHub) -> None:
        self._hub = hub
        self._seen_up_to: int | None = None

    def read(self) -> list[OpenQuestion]:
        """Return the open questions, the oldest first."""
        self._insert_new()
        values = {"most": _MAX_OPEN, "me": self._hub.agent, "answerer": USER_COMM}
        rows = self._hub.query(_DELIVERIES, values)
        return [_to_question(list(group)) for _, group in itertools.groupby(rows, key=lambda row: row["snowflake"])]

    def _insert_new(self) -> None:
        """Insert questions and relays since the last look."""
        if self._seen_up_to is None:
            self._seen_up_to = int(get_state(self._hub, _STATE_KEY) or 0)
        last = self._hub.query("SELECT coalesce(max(id), 0) FROM messages")[0][0]
        if last < self._seen_up_to:
            self._seen_up_to = 0  # the file was replaced
        values = {"me": self._hub.agent, "answerer": USER_COMM, "seen": self._seen_up_to, "last": last}
        if new := self._hub.query(_NEW_QUESTIONS, values):
            with self._hub.transaction():
                for row in new:
                    self._insert(row)
                set_state(self._hub, _STATE_KEY, str(last))
        self._seen_up_to = last

    def _insert(self, row: sqlite3.Row) -> None:
        channel, asked = channel_of(row["conversation_id"]), snowflake_of(row["question"])
        if channel is None or asked is None:
            return
        if row["is_question"]:
            sql = "INSERT OR IGNORE INTO discord_questions (snowflake, channel) VALUES (?, ?)"
            self._hub.execute(sql, (asked, channel))
        else:
            self._hub.execute("INSERT OR IGNORE INTO discord_relays VALUES (?, ?)", (asked, row["id"]))

    def set_reactions(self, snowflake: int, reactions: Sequence[str]) -> None:
        """Note that these reactions of ours may exist, before they are changed."""
        sql = "UPDATE discord_questions SET reactions = ? WHERE snowflake = ?"
        self._hub.execute(sql, (" ".join(reactions), snowflake))

    def delete(self, snowflake: int) -> None:
        """Delete a question, which shows nothing more."""
        with self._hub.transaction():
            for table in ("discord_questions", "discord_relays"):
                self._hub.execute(f"DELETE FROM {table} WHERE snowflake = ?", (snowflake,))  # noqa: S608


def _to_question(rows: Sequence[sqlite3.Row]) -> OpenQuestion:
    (itself,) = (row for row in rows if row["role"] is None)
    steps = [
        QuestionDelivery(row["role"], row["state"], bool(row["is_read"]), bool(row["is_error"]))
        for row in rows
        if row["role"] is not None
    ]
    found = determine_status(steps)
    is_held = found is QuestionStatus.WORKING and any(step.state == "leased" and step.is_read for step in steps)
    return OpenQuestion(itself["snowflake"], itself["channel"], tuple(itself["reactions"].split()), found, is_held)


def determine_status(steps: Sequence[QuestionDelivery]) -> QuestionStatus:
    """Return the status of a question."""
    asked, passed_on, answers = ([step for step in steps if step.role == role] for role in _ROLES)
    done = [answer for answer in answers if answer.state == "done"]
    if _are_lost(asked) or _are_lost(passed_on):
        return QuestionStatus.FAILED
    if any(not answer.is_error for answer in done):
        return QuestionStatus.ANSWERED
    if done or any(answer.state in _LOST for answer in answers):
        return QuestionStatus.FAILED
    if any(step.state == "leased" for step in asked) or any(step.is_read for step in passed_on):
        return QuestionStatus.WORKING
    is_open = any(step.state != "cancelled" for step in passed_on or asked)
    return QuestionStatus.STORED if is_open else QuestionStatus.WITHDRAWN


def _are_lost(steps: Sequence[QuestionDelivery]) -> bool:
    return bool(steps) and all(step.state in _LOST for step in steps)
