"""The questions from Discord that are not done with, as the hub knows them. Blocks."""

import itertools
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from teamsup.hub import MessageHub

from .facts import fact, note
from .intake import RECIPIENT
from .snowflakes import channel_of, snowflake_of
from .stages import Stage, Step, stage

_MOST_OPEN = 500
_FACT = "board"  # up to which message questions have been taken in

_NEW = """
    SELECT id, conversation_id, sender = :me AS is_question, CASE WHEN sender = :me THEN message_id
        WHEN json_valid(metadata) THEN CAST(json_extract(metadata, '$.question') AS TEXT) END AS question
      FROM messages WHERE id > :seen AND id <= :last AND conversation_id GLOB 'discord:*' AND question GLOB 'discord:*'
        AND ((sender = :me AND recipient = :answerer AND message_type = 'message')
          OR (sender = :answerer AND recipient <> :me)) ORDER BY id
"""

# The + keeps SQLite from looking through all that we have sent; CROSS JOIN, from beginning with all messages.
_STEPS = """
    WITH asked AS (SELECT * FROM discord_questions ORDER BY snowflake DESC LIMIT :most),
    versions AS MATERIALIZED (
      SELECT q.snowflake, m.id, m.message_id FROM asked AS q CROSS JOIN messages AS m
        ON m.message_id = 'discord:' || q.snowflake WHERE +m.sender = :me
      UNION ALL
      SELECT q.snowflake, m.id, m.message_id FROM asked AS q CROSS JOIN messages AS m
        ON m.message_id > 'discord:' || q.snowflake || ':' AND m.message_id < 'discord:' || q.snowflake || ';'
        WHERE +m.sender = :me)
    SELECT snowflake, channel, shown, NULL AS role, NULL AS state, NULL AS is_read, NULL AS is_error FROM asked
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


@dataclass(frozen=True, slots=True)
class Question:
    """A message of a person that waits for its answer."""

    snowflake: int
    channel: int
    shown: tuple[str, ...]
    stage: Stage
    is_held: bool
    """Whether somebody is at work on it now."""


class Questions:
    """What has been asked, and passed on, and where it stands."""

    def __init__(self, hub: MessageHub) -> None:
        self._hub = hub
        self._seen: int | None = None

    def read(self) -> list[Question]:
        """The questions that are not done with, the oldest first."""
        self._take_in()
        values = {"most": _MOST_OPEN, "me": self._hub.agent, "answerer": RECIPIENT}
        rows = self._hub.rows(_STEPS, values)
        return [_question(list(group)) for _, group in itertools.groupby(rows, key=lambda row: row["snowflake"])]

    def _take_in(self) -> None:
        """Note what has been asked, and passed on, since the last look."""
        if self._seen is None:
            self._seen = int(fact(self._hub, _FACT) or 0)
        last = self._hub.rows("SELECT coalesce(max(id), 0) FROM messages")[0][0]
        if last < self._seen:
            self._seen = 0  # somebody has replaced the file
        values = {"me": self._hub.agent, "answerer": RECIPIENT, "seen": self._seen, "last": last}
        if new := self._hub.rows(_NEW, values):
            with self._hub.transaction():
                for row in new:
                    self._take(row)
                note(self._hub, _FACT, str(last))
        self._seen = last

    def _take(self, row: sqlite3.Row) -> None:
        channel, asked = channel_of(row["conversation_id"]), snowflake_of(row["question"])
        if channel is None or asked is None:
            return
        if row["is_question"]:
            sql = "INSERT OR IGNORE INTO discord_questions (snowflake, channel) VALUES (?, ?)"
            self._hub.change(sql, (asked, channel))
        else:
            self._hub.change("INSERT OR IGNORE INTO discord_relays VALUES (?, ?)", (asked, row["id"]))

    def note_shown(self, snowflake: int, shown: Sequence[str]) -> None:
        """These reactions of ours may be there, whatever happens next."""
        sql = "UPDATE discord_questions SET shown = ? WHERE snowflake = ?"
        self._hub.change(sql, (" ".join(shown), snowflake))

    def forget(self, snowflake: int) -> None:
        """Nothing is to be shown there any more."""
        with self._hub.transaction():
            for table in ("discord_questions", "discord_relays"):
                self._hub.change(f"DELETE FROM {table} WHERE snowflake = ?", (snowflake,))  # noqa: S608


def _question(rows: Sequence[sqlite3.Row]) -> Question:
    (itself,) = (row for row in rows if row["role"] is None)
    steps = [
        Step(row["role"], row["state"], bool(row["is_read"]), bool(row["is_error"]))
        for row in rows
        if row["role"] is not None
    ]
    found = stage(steps)
    is_held = found is Stage.WORKING and any(step.state == "leased" and step.is_read for step in steps)
    return Question(itself["snowflake"], itself["channel"], tuple(itself["shown"].split()), found, is_held)
