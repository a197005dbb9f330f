"""Following what is open: people are told how it goes, agents are reminded, and nobody is left without a word."""

import itertools
import logging
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from teamsup.hub import Agent, Message, MessageHub, StoreError
from teamsup.hub.clock import from_text, to_text
from teamsup.hub.sections import UserCommSection

from .progress import Due, Patience, Standing, due, retired, without_note
from .relays import Relays
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
class _Open:
    """A relay that its agent has still to answer, and what is due."""

    row: sqlite3.Row
    due: Due
    step: str
    """How it stands, but for the agent's own note."""
    is_left: bool
    """Whether its agent went without reading it."""

    @property
    def number(self) -> int:
        return int(self.row["message"])

    @property
    def is_told(self) -> bool:
        return str(self.row["told"]) == self.due.sentence

    @property
    def is_to_be_acted_on(self) -> bool:
        return self.due.remind or self.due.give_up


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
        relays: Relays,
        section: Callable[[], UserCommSection],
        unread_seconds: float,
        log: logging.Logger,
    ) -> None:
        self._hub = hub
        self._requests = requests
        self._relays = relays
        self._section = section
        self._unread_seconds = unread_seconds
        self._log = log
        self._version = -1
        self._again_at = 0.0
        self._told: dict[int, _Told] = {}
        self.trouble = ""
        """Why a question could not be followed at the last look; empty: all could."""

    def look(self) -> bool:
        """Do what is due; whether anything is open."""
        version = self._hub.data_version()
        if version == self._version and time.monotonic() < self._again_at:
            return True
        self._version, self._again_at = version, time.monotonic() + _LONGEST_SECONDS
        self.trouble = ""
        rows = self._hub.rows(_OPEN)
        agents = {agent.name: agent for agent in self._hub.agents()} if rows else {}
        still_open = {row["question"] for row in rows}
        self._told = {question: told for question, told in self._told.items() if question in still_open}
        for number, group in itertools.groupby(rows, key=lambda row: row["question"]):
            try:
                self._follow(list(group), agents)
            except StoreError:
                raise
            except Exception as error:
                # Whatever is wrong with one question, the others must not wait for it.
                self._log.exception("cannot follow question #%s", number)
                self.trouble = f"Nobody hears how question #{number} goes: {type(error).__name__}. See the log."
        return bool(rows)

    def _follow(self, rows: list[sqlite3.Row], agents: dict[str, Agent]) -> None:
        """One question, with all whom it was passed on to."""
        now = datetime.now(UTC)
        begun = max(_begun(row, now) for row in rows)
        if begun > now:
            self._begin_anew(now)
        early = self._section().progress_seconds - (now - begun).total_seconds()
        if early > 0:
            self._look_again_in(early)
            return
        relays = [self._open(row, agents, now) for row in rows if row["state"] not in (None, *_LOST)]
        if any(self._requests.hand_over(relay.number, now) for relay in relays if relay.is_left):
            return  # to look again
        question, steps = int(rows[0]["question"]), tuple(relay.step for relay in relays)
        if len(relays) == len(rows) and not any(relay.is_to_be_acted_on for relay in relays):
            if all(relay.is_told for relay in relays):
                return
            if (pause := self._pause(question, steps, (now - begun).total_seconds())) > 0:
                self._look_again_in(pause)
                return
        with self._hub.transaction():
            self._act(rows, relays)
        self._told[question] = _Told(steps, time.monotonic())

    def _open(self, row: sqlite3.Row, agents: dict[str, Agent], now: datetime) -> _Open:
        agent = agents.get(row["agent"]) or retired(row["agent"])
        patience = Patience.of(self._section(), self._unread_seconds)
        return _Open(
            row,
            due(_standing(row, agent, now), patience, now),
            due(_standing(row, without_note(agent, now), now), patience, now).sentence,
            is_left=row["state"] == "ready" and not row["is_read"] and not agent.is_present(now),
        )

    def _begin_anew(self, now: datetime) -> None:
        """The clock was set back: nobody would hear of what is open until it has caught up."""
        at = to_text(now.timestamp())
        self._hub.change("UPDATE relays SET begun_at = ? WHERE begun_at > ?", (at, at))

    def _look_again_in(self, seconds: float) -> None:
        self._again_at = min(self._again_at, time.monotonic() + seconds)

    def _pause(self, question: int, steps: tuple[str, ...], age: float) -> float:
        """Seconds that news may wait of which only notes are new."""
        told = self._told.get(question)
        if told is None or told.steps != steps:
            return 0.0
        return told.at + max(self._section().progress_seconds, age / _OFTEN) - time.monotonic()

    def _act(self, rows: list[sqlite3.Row], relays: list[_Open]) -> None:
        """Told of a delivery that came to nothing is its sender by the hub, and through us its person."""
        for row in rows:
            if row["state"] is None or row["state"] in _LOST:
                self._hub.change("DELETE FROM relays WHERE message = ?", (row["message"],))
        # The answer may have come since these rows were read.
        relays = [relay for relay in relays if self._is_open(relay.number)]
        if not relays:
            return
        question = self._hub.message(f"#{rows[0]['question']}")
        for relay in relays:
            if relay.due.give_up:
                self._hub.change("DELETE FROM relays WHERE message = ?", (relay.number,))
                more = self._relays.more_answers(question)
                self._hub.answer(question, relay.due.sentence, message_type="error", metadata=more)
                continue
            at = relay.row["reminded_at"]
            if relay.due.remind:
                at = to_text(time.time())
                self._relays.remind(self._hub.message(f"#{relay.number}"), question)
            sql = "UPDATE relays SET told = ?, reminded_at = ? WHERE message = ?"
            self._hub.change(sql, (relay.due.sentence, at, relay.number))
        self._tell(question, [relay for relay in relays if not relay.due.give_up])

    def _tell(self, question: Message, relays: list[_Open]) -> None:
        """What is new, in the place of what was told and has not been read."""
        if all(relay.is_told for relay in relays):
            return
        for old in self._hub.rows(_UNREAD_NEWS, {"question": question.message_id, "me": self._hub.agent}):
            self._hub.cancel(old["message_id"])
        news = "\n".join(dict.fromkeys(relay.due.sentence for relay in relays))
        self._hub.answer(question, news, message_type="status_report", metadata=NEWS)

    def _is_open(self, number: int) -> bool:
        return bool(self._hub.rows("SELECT 1 FROM relays WHERE message = ?", (number,)))


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
