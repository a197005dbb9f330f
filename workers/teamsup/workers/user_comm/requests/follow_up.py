"""Following what is open: people are told how it goes, agents are reminded, and nobody is left without a word."""

import itertools
import logging
import sqlite3
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from teamsup.hub import Agent, Message, MessageHub, StoreError
from teamsup.hub.timestamps import format_time, parse_time

from ..routing.live_rules import LiveRules
from .forwarding import PROGRESS_METADATA, Forwarder
from .progress import NextAction, ProgressTimeouts, RequestStatus, decide_next_action, retired_agent, without_note
from .relays import Relays

# An agent that has asked people to decide something first waits for them, and not they for it.
_OPEN_RELAYS = """
    SELECT r.*, d.state, d.offered_at IS NOT NULL AS is_offered, d.read_at IS NOT NULL AS is_read,
        (SELECT m.content FROM messages AS asked JOIN messages AS m ON m.reply_to = asked.message_id
          WHERE asked.id = r.message AND m.sender = r.agent AND m.message_type = 'status_report'
          ORDER BY m.id DESC LIMIT 1) AS report
      FROM relays AS r LEFT JOIN deliveries AS d ON d.message = r.message AND d.recipient = r.agent
      WHERE NOT EXISTS (SELECT 1 FROM messages AS m JOIN messages AS q ON q.reply_to = m.message_id
        JOIN decisions AS o ON o.question = q.id AND o.state = 'open' WHERE m.id = r.message)
      ORDER BY r.question, r.message
"""
_LOST_STATES = ("dead", "expired", "cancelled")
_MAX_POLL_SECONDS = 2.0
"""Between two looks while nothing is written: what only the clock brings about may come so much later."""


# What agents have told by themselves stays.
_UNREAD_PROGRESS = """
    SELECT m.message_id FROM messages AS m JOIN deliveries AS d ON d.message = m.id AND d.state = 'ready'
      WHERE m.reply_to = :question AND m.sender = :me AND m.message_type = 'status_report'
        AND json_extract(CASE WHEN json_valid(m.metadata) THEN m.metadata END, '$.progress')
"""
_AGE_DIVISOR = 30
"""A note that changes is told again after a part of the question's age, one of so many."""


@dataclass(frozen=True, slots=True)
class _OpenRelay:
    """A relay that its agent has still to answer, and what is due."""

    row: sqlite3.Row
    action: NextAction
    sentence_without_note: str
    """How it stands, but for the agent's own note."""
    is_abandoned: bool
    """Whether its agent went without reading it."""

    @property
    def number(self) -> int:
        return int(self.row["message"])

    @property
    def is_reported(self) -> bool:
        return str(self.row["last_progress"]) == self.action.sentence

    @property
    def needs_action(self) -> bool:
        return self.action.remind or self.action.give_up


@dataclass(frozen=True, slots=True)
class _LastProgress:
    """What was told of a question last, without notes, and when."""

    sentences: tuple[str, ...]
    sent_at: float


class FollowUp:
    """Looks at all that is open, when something was written or the time has come."""

    def __init__(
        self,
        hub: MessageHub,
        forwarder: Forwarder,
        relays: Relays,
        rules: LiveRules,
        unread_seconds: float,
        log: logging.Logger,
    ) -> None:
        self._hub = hub
        self._forwarder = forwarder
        self._relays = relays
        self._rules = rules
        self._unread_seconds = unread_seconds
        self._log = log
        self._version = -1
        self._next_poll_at = 0.0
        self._last_progress: dict[int, _LastProgress] = {}
        self.failure = ""
        """Why a question could not be followed at the last look; empty: all could."""

    def poll(self) -> bool:
        """Do what is due; whether anything is open."""
        version = self._hub.data_version()
        if version == self._version and time.monotonic() < self._next_poll_at:
            return True
        self._version, self._next_poll_at = version, time.monotonic() + _MAX_POLL_SECONDS
        self.failure = ""
        rows = self._hub.query(_OPEN_RELAYS)
        agents = {agent.name: agent for agent in self._hub.agents()} if rows else {}
        still_open = {row["question"] for row in rows}
        self._last_progress = {
            question: told for question, told in self._last_progress.items() if question in still_open
        }
        for number, group in itertools.groupby(rows, key=lambda row: row["question"]):
            try:
                self._follow_question(list(group), agents)
            except StoreError:
                raise
            except Exception as error:
                # Whatever is wrong with one question, the others must not wait for it.
                self._log.exception("cannot follow question #%s", number)
                self.failure = f"Nobody hears how question #{number} goes: {type(error).__name__}. See the log."
        return bool(rows)

    def _follow_question(self, rows: list[sqlite3.Row], agents: dict[str, Agent]) -> None:
        """One question, with all whom it was passed on to."""
        now = datetime.now(UTC)
        begun = max(_waiting_since(row, now) for row in rows)
        if begun > now:
            self._reset_waiting(now)
        early = self._rules.section.progress_seconds - (now - begun).total_seconds()
        if early > 0:
            self._poll_in(early)
            return
        relays = [self._to_open_relay(row, agents, now) for row in rows if row["state"] not in (None, *_LOST_STATES)]
        if any(self._forwarder.reassign(relay.number, now) for relay in relays if relay.is_abandoned):
            return  # to look again
        question, steps = int(rows[0]["question"]), tuple(relay.sentence_without_note for relay in relays)
        if len(relays) == len(rows) and not any(relay.needs_action for relay in relays):
            if all(relay.is_reported for relay in relays):
                return
            if (pause := self._seconds_to_wait(question, steps, (now - begun).total_seconds())) > 0:
                self._poll_in(pause)
                return
        with self._hub.transaction():
            self._apply(rows, relays)
        self._last_progress[question] = _LastProgress(steps, time.monotonic())

    def _to_open_relay(self, row: sqlite3.Row, agents: dict[str, Agent], now: datetime) -> _OpenRelay:
        agent = agents.get(row["agent"]) or retired_agent(row["agent"])
        patience = ProgressTimeouts.from_section(self._rules.section, self._unread_seconds)
        return _OpenRelay(
            row,
            decide_next_action(_status_of(row, agent, now), patience, now),
            decide_next_action(_status_of(row, without_note(agent, now), now), patience, now).sentence,
            is_abandoned=row["state"] == "ready" and not row["is_read"] and not agent.is_present(now),
        )

    def _reset_waiting(self, now: datetime) -> None:
        """The clock was set back: nobody would hear of what is open until it has caught up."""
        at = format_time(now.timestamp())
        self._hub.execute("UPDATE relays SET waiting_since = ? WHERE waiting_since > ?", (at, at))

    def _poll_in(self, seconds: float) -> None:
        self._next_poll_at = min(self._next_poll_at, time.monotonic() + seconds)

    def _seconds_to_wait(self, question: int, steps: tuple[str, ...], age: float) -> float:
        """Seconds that news may wait of which only notes are new."""
        told = self._last_progress.get(question)
        if told is None or told.sentences != steps:
            return 0.0
        return told.sent_at + max(self._rules.section.progress_seconds, age / _AGE_DIVISOR) - time.monotonic()

    def _apply(self, rows: list[sqlite3.Row], relays: list[_OpenRelay]) -> None:
        """Told of a delivery that came to nothing is its sender by the hub, and through us its person."""
        for row in rows:
            if row["state"] is None or row["state"] in _LOST_STATES:
                self._hub.execute("DELETE FROM relays WHERE message = ?", (row["message"],))
        # The answer may have come since these rows were read.
        relays = [relay for relay in relays if self._is_open(relay.number)]
        if not relays:
            return
        question = self._hub.message(f"#{rows[0]['question']}")
        for relay in relays:
            if relay.action.give_up:
                self._hub.execute("DELETE FROM relays WHERE message = ?", (relay.number,))
                more = self._relays.pending_answers(question)
                self._hub.answer(question, relay.action.sentence, message_type="error", metadata=more)
                continue
            at = relay.row["reminded_at"]
            if relay.action.remind:
                at = format_time(time.time())
                self._relays.send_reminder(self._hub.message(f"#{relay.number}"), question)
            sql = "UPDATE relays SET last_progress = ?, reminded_at = ? WHERE message = ?"
            self._hub.execute(sql, (relay.action.sentence, at, relay.number))
        self._send_progress(question, [relay for relay in relays if not relay.action.give_up])

    def _send_progress(self, question: Message, relays: list[_OpenRelay]) -> None:
        """What is new, in the place of what was told and has not been read."""
        if all(relay.is_reported for relay in relays):
            return
        for old in self._hub.query(_UNREAD_PROGRESS, {"question": question.message_id, "me": self._hub.agent}):
            self._hub.cancel(old["message_id"])
        news = "\n".join(dict.fromkeys(relay.action.sentence for relay in relays))
        self._hub.answer(question, news, message_type="status_report", metadata=PROGRESS_METADATA)

    def _is_open(self, number: int) -> bool:
        return bool(self._hub.query("SELECT 1 FROM relays WHERE message = ?", (number,)))


def _waiting_since(row: sqlite3.Row, now: datetime) -> datetime:
    return parse_time(row["waiting_since"]) or now


def _status_of(row: sqlite3.Row, agent: Agent, now: datetime) -> RequestStatus:
    return RequestStatus(
        agent,
        row["message"],
        _waiting_since(row, now),
        is_offered=bool(row["is_offered"]),
        is_read=bool(row["is_read"]),
        is_completed=row["state"] == "done",
        is_reminded=row["reminded_at"] is not None,
        report=row["report"] or "",
    )
