"""Follow open relays: report progress to people, and remind agents."""

import itertools
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from teamsup.config.startable_agents import list_agents
from teamsup.hub import Agent, Message, MessageHub, StoreError

from ..routing.live_rules import LiveRules
from .forwarding import Forwarder
from .progress import (
    PROGRESS_METADATA,
    NextAction,
    OpenRelay,
    ProgressTimeouts,
    RequestStatus,
    decide_next_action,
    retired_agent,
    without_note,
)
from .relays import Relays

_MAX_POLL_SECONDS = 2.0
"""The maximum time in seconds between two checks, if no message arrives."""


_AGE_DIVISOR = 30
"""The time between two reports of a changed note is the question's age divided by this number."""


@dataclass(frozen=True, slots=True)
class _FollowedRelay:
    """An open relay, and its due action."""

    relay: OpenRelay
    action: NextAction
    sentence_without_note: str
    """The status, without the note that the agent wrote itself."""
    is_abandoned: bool
    """Whether the agent left before it read the question."""

    @property
    def is_reported(self) -> bool:
        return self.relay.last_progress == self.action.sentence

    @property
    def needs_action(self) -> bool:
        return self.action.remind or self.action.give_up


@dataclass(frozen=True, slots=True)
class _LastProgress:
    """The last reported progress of a question, without notes, and its time."""

    sentences: tuple[str, ...]
    sent_at: float


class FollowUp:
    """Checks all open relays when a message arrives or an action is due.

    ``relays_in_doubt`` returns the relays whose agent waits for a decision. Such an agent is not reminded.
    """

    def __init__(
        self,
        hub: MessageHub,
        forwarder: Forwarder,
        relays: Relays,
        relays_in_doubt: Callable[[], set[str]],
        rules: LiveRules,
        unread_seconds: float,
        log: logging.Logger,
    ) -> None:
        self._hub = hub
        self._forwarder = forwarder
        self._relays = relays
        self._relays_in_doubt = relays_in_doubt
        self._rules = rules
        self._unread_seconds = unread_seconds
        self._log = log
        self._version = -1
        self._next_poll_at = 0.0
        self._last_progress: dict[int, _LastProgress] = {}
        self.failure = ""
        """The error of the last check; empty if all questions could be checked."""

    def poll(self) -> bool:
        """Take the due actions. Return whether any relay is open."""
        version = self._hub.data_version()
        if version == self._version and time.monotonic() < self._next_poll_at:
            return True
        self._version, self._next_poll_at = version, time.monotonic() + _MAX_POLL_SECONDS
        self.failure = ""
        in_doubt = self._relays_in_doubt()
        found = [relay for relay in self._relays.open_relays() if relay.message_id not in in_doubt]
        agents = {agent.name: agent for agent in list_agents(self._hub)} if found else {}
        still_open = {relay.question for relay in found}
        self._last_progress = {
            question: last for question, last in self._last_progress.items() if question in still_open
        }
        for number, group in itertools.groupby(found, key=lambda relay: relay.question):
            try:
                self._follow_question(list(group), agents)
            except StoreError:
                raise
            except Exception as error:
                # Any error with one question must not delay the others.
                self._log.exception("cannot follow question #%s", number)
                self.failure = f"People get no progress of question #{number}: {type(error).__name__}. See the log."
        return bool(found)

    def _follow_question(self, found: list[OpenRelay], agents: dict[str, Agent]) -> None:
        """Follow one question with all its relays."""
        now = datetime.now(UTC)
        waiting_since = max(relay.waiting_since or now for relay in found)
        if waiting_since > now:
            # The clock was set back. Without this step people would get no progress until the clock has caught up.
            self._relays.end_future_waiting(now.timestamp())
        early = self._rules.section.progress_seconds - (now - waiting_since).total_seconds()
        if early > 0:
            self._poll_in(early)
            return
        relays = [self._follow(relay, agents, now) for relay in found if not relay.is_lost]
        if any(self._forwarder.reassign(each.relay.number, now) for each in relays if each.is_abandoned):
            return  # until the next look
        question, steps = found[0].question, tuple(each.sentence_without_note for each in relays)
        if len(relays) == len(found) and not any(each.needs_action for each in relays):
            if all(relay.is_reported for relay in relays):
                return
            if (pause := self._seconds_to_wait(question, steps, (now - waiting_since).total_seconds())) > 0:
                self._poll_in(pause)
                return
        with self._hub.transaction():
            self._apply(found, relays)
        self._last_progress[question] = _LastProgress(steps, time.monotonic())

    def _follow(self, relay: OpenRelay, agents: dict[str, Agent], now: datetime) -> _FollowedRelay:
        agent = agents.get(relay.agent) or retired_agent(relay.agent)
        timeouts = ProgressTimeouts.from_section(self._rules.section, self._unread_seconds)
        return _FollowedRelay(
            relay,
            decide_next_action(RequestStatus(agent, relay), timeouts, now),
            decide_next_action(RequestStatus(without_note(agent, now), relay), timeouts, now).sentence,
            is_abandoned=relay.state == "ready" and not relay.is_read and not agent.is_present(now),
        )

    def _poll_in(self, seconds: float) -> None:
        self._next_poll_at = min(self._next_poll_at, time.monotonic() + seconds)

    def _seconds_to_wait(self, question: int, steps: tuple[str, ...], age: float) -> float:
        """Return the seconds to wait before progress is shown, if only the note has changed."""
        last = self._last_progress.get(question)
        if last is None or last.sentences != steps:
            return 0.0
        return last.sent_at + max(self._rules.section.progress_seconds, age / _AGE_DIVISOR) - time.monotonic()

    def _apply(self, found: list[OpenRelay], followed: list[_FollowedRelay]) -> None:
        """End lost relays and notify the person. Remind, time out, and report progress."""
        for relay in found:
            if relay.is_lost:
                self._relays.delete(relay.number)
        # The answer may have arrived since these rows were read.
        followed = [each for each in followed if self._relays.is_open(each.relay.number)]
        if not followed:
            return
        question = self._hub.queries.message(f"#{found[0].question}")
        for each in followed:
            if each.action.give_up:
                self._relays.delete(each.relay.number)
                more = self._relays.pending_answers(question)
                self._hub.answer(question, each.action.sentence, message_type="error", metadata=more)
                continue
            if each.action.remind:
                self._relays.send_reminder(self._hub.queries.message(f"#{each.relay.number}"), question)
            self._relays.set_last_progress(each.relay.number, each.action.sentence)
        self._send_progress(question, [each for each in followed if not each.action.give_up])

    def _send_progress(self, question: Message, relays: list[_FollowedRelay]) -> None:
        """Send progress in place of an unread earlier report."""
        if all(relay.is_reported for relay in relays):
            return
        earlier = self._hub.queries.find(
            reply_to=question.message_id, sender=self._hub.agent, message_type="status_report", unread=True
        )
        for old in earlier:
            if old.metadata.get("progress"):  # the reports of agents stay
                self._hub.cancel(old.message_id)
        text = "\n".join(dict.fromkeys(relay.action.sentence for relay in relays))
        self._hub.answer(question, text, message_type="status_report", metadata=PROGRESS_METADATA)
