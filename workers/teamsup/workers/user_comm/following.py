"""Following what is open: people are told how it goes, agents are reminded, and nobody is left without a word."""

import itertools
import logging
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from teamsup.hub import Agent, MessageHub, StoreError
from teamsup.hub.clock import from_text, to_text
from teamsup.hub.sections import UserCommSection

from .progress import Due, Patience, Standing, due, retired, without_note
from .requests import NEWS, Requests

# An agent that has asked people to decide something first waits for them, and not they for it.
_OPEN = """
    SELECT r.*, d.state, d.offered_at IS NOT NULL AS is_offered, d.read_at IS NOT NULL AS is_read,
        (SELECT m.content FROM messages AS asked JOIN messages AS m ON m.reply_to = asked.message_id
          WHERE asked.id = r.message AND m.sender = r.agent AND m.message_type = 'status_report'
          ORDER BY m.id DESC LIMIT 1) AS report
      FROM relays AS r LEFT JOIN deliveries AS d ON d.message = r.message AND d.recipient = r.agent
      WHERE NOT EXISTS (SELECT 1 FROM messages AS m JOIN messages AS q ON q.reply_to = m.message_id
        JOIN decisions AS o ON o.question = q.id AND o.state = 'open' WHERE m.id = r.message)
      ORDER BY r.question, r.message
"""
_LOST = ("dead", "expired", "cancelled")
_LONGEST_SECONDS = 2.0
"""Between two looks while nothing is written: what only the clock brings about may come so much later."""


# What agents have told by themselves stays.
_UNREAD_NEWS = """
    SELECT m.message_id FROM messages AS m JOIN deliveries AS d ON d.message = m.id AND d.state = 'ready'
      WHERE m.reply_to = :question AND m.sender = :me AND m.message_type = 'status_report'
        AND json_extract(CASE WHEN json_valid(m.metadata) THEN m.metadata END, '$.progress')
"""
_OFTEN = 30
"""A note that changes is told again after a part of the question's age, one of so many."""


@dataclass(frozen=True, slots=True)
class _Told:
    """What was told of a question last, without notes, and when."""

    steps: tuple[str, ...]
    at: float


class Following:
    """Looks at all that is open, when something was written or the time has come."""

    def __init__(
        self,
        hub: MessageHub,
        requests: Requests,
        section: Callable[[], UserCommSection],
        unread_seconds: float,
        log: logging.Logger,
    ) -> None:
        self._hub = hub
        self._requests = requests
        self._section = section
        self._unread_seconds = unread_seconds
        self._log = log
        self._version = -1
        self._again_at = 0.0
        self._told: dict[int, _Told] = {}

    def look(self) -> bool:
        """Do what is due; whether anything is open."""
        version = self._hub.data_version()
        if version == self._version and time.monotonic() < self._again_at:
            return True
        self._version, self._again_at = version, time.monotonic() + _LONGEST_SECONDS
        rows = self._hub.rows(_OPEN)
        agents = {agent.name: agent for agent in self._hub.agents()} if rows else {}
        still_open = {row["question"] for row in rows}
        self._told = {question: told for question, told in self._told.items() if question in still_open}
        for _, group in itertools.groupby(rows, key=lambda row: row["question"]):
            try:
                self._follow(list(group), agents)
            except StoreError:
                raise
            except Exception:
                # Whatever is wrong with one question, the others must not wait for it.
                self._log.exception("cannot follow a question")
        return bool(rows)

    def _follow(self, rows: list[sqlite3.Row], agents: dict[str, Agent]) -> None:
        """One question, with all whom it was passed on to."""
        now = datetime.now(UTC)
        section = self._section()
        patience = Patience.of(section, self._unread_seconds)
        open_rows = [row for row in rows if row["state"] is not None and row["state"] not in _LOST]
        asked = [agents.get(row["agent"]) or retired(row["agent"]) for row in open_rows]
        found = [
            (row, due(_standing(row, agent, now), patience, now)) for row, agent in zip(open_rows, asked, strict=True)
        ]
        youngest = max((_begun(row, now) for row in rows), default=now)
        if youngest > now:
            # The clock was set back. What is open begins anew, or nobody would hear of it until then.
            sql = "UPDATE relays SET begun_at = ? WHERE begun_at > ?"
            self._hub.change(sql, (to_text(now.timestamp()), to_text(now.timestamp())))
        early = section.progress_seconds - (now - youngest).total_seconds()
        if early > 0:
            self._again_at = min(self._again_at, time.monotonic() + early)
            return
        left = [
            row["message"]
            for row, agent in zip(open_rows, asked, strict=True)
            if row["state"] == "ready" and not row["is_read"] and not agent.is_present(now)
        ]
        if any(self._requests.hand_over(number, now) for number in left):
            return  # to look again
        if len(open_rows) == len(rows) and all(_is_known(row, each) for row, each in found):
            return
        steps = tuple(
            due(_standing(row, without_note(agent, now), now), patience, now).sentence
            for row, agent in zip(open_rows, asked, strict=True)
        )
        pause = max(section.progress_seconds, (now - youngest).total_seconds() / _OFTEN)
        if len(open_rows) == len(rows) and self._is_early(rows[0]["question"], steps, pause, found):
            return
        with self._hub.transaction():
            self._act(rows, found)
        self._told[rows[0]["question"]] = _Told(steps, time.monotonic())

    def _is_early(
        self, question: int, steps: tuple[str, ...], pause: float, found: list[tuple[sqlite3.Row, Due]]
    ) -> bool:
        """Whether only notes have changed, and not long after the last ones."""
        told = self._told.get(question)
        if told is None or told.steps != steps or any(each.remind or each.give_up for _, each in found):
            return False
        seconds = told.at + pause - time.monotonic()
        if seconds > 0:
            self._again_at = min(self._again_at, time.monotonic() + seconds)
        return seconds > 0

    def _act(self, rows: list[sqlite3.Row], found: list[tuple[sqlite3.Row, Due]]) -> None:
        """Told of a delivery that came to nothing is its sender by the hub, and through us its person."""
        for row in rows:
            if row["state"] is None or row["state"] in _LOST:
                self._hub.change("DELETE FROM relays WHERE message = ?", (row["message"],))
        # The answer may have come since these rows were read.
        found = [(row, each) for row, each in found if self._is_open(row)]
        if not found:
            return
        question = self._hub.message(f"#{rows[0]['question']}")
        for row, each in found:
            if each.give_up:
                self._hub.change("DELETE FROM relays WHERE message = ?", (row["message"],))
                self._hub.answer(question, each.sentence, message_type="error")
                continue
            at = row["reminded_at"]
            if each.remind:
                at = to_text(time.time())
                self._requests.remind(self._hub.message(f"#{row['message']}"), question)
            sql = "UPDATE relays SET told = ?, reminded_at = ? WHERE message = ?"
            self._hub.change(sql, (each.sentence, at, row["message"]))
        going_on = [(row, each) for row, each in found if not each.give_up]
        if any(not _is_told(row, each) for row, each in going_on):
            news = "\n".join(dict.fromkeys(each.sentence for _, each in going_on))
            for old in self._hub.rows(_UNREAD_NEWS, {"question": question.message_id, "me": self._hub.agent}):
                self._hub.cancel(old["message_id"])
            self._hub.answer(question, news, message_type="status_report", metadata=NEWS)

    def _is_open(self, row: sqlite3.Row) -> bool:
        return bool(self._hub.rows("SELECT 1 FROM relays WHERE message = ?", (row["message"],)))


def _is_known(row: sqlite3.Row, each: Due) -> bool:
    return _is_told(row, each) and not each.remind and not each.give_up


def _is_told(row: sqlite3.Row, each: Due) -> bool:
    return str(row["told"]) == each.sentence


def _begun(row: sqlite3.Row, now: datetime) -> datetime:
    return from_text(row["begun_at"]) or now


def _standing(row: sqlite3.Row, agent: Agent, now: datetime) -> Standing:
    return Standing(
        agent,
        row["message"],
        _begun(row, now),
        is_offered=bool(row["is_offered"]),
        is_read=bool(row["is_read"]),
        is_over=row["state"] == "done",
        is_reminded=row["reminded_at"] is not None,
        report=row["report"] or "",
    )
