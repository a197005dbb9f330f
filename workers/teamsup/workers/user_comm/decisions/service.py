"""Decisions: agents ask, people answer where it is shown to them, and the first valid answer counts everywhere.

All that is known of them stands in the team's tables, and each step is one transaction with what is told of it.
"""

import logging
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from teamsup.config.people_protocol import DECISION_ANSWER
from teamsup.config.sections import GatewaySection, UserCommSection
from teamsup.hub import CallerError, Delivery, Message, MessageHub, StoreError

from ...protocol import GATEWAY
from ..people import announcement_recipients, name_of, person_of, session_of, split_context
from ..requests.relays import QUESTION_REF_KEY
from . import rendering as words
from .decision import (
    GRACE_PERIOD,
    Decision,
    DecisionState,
    DueAction,
    InvalidAnswer,
    canonical_person,
    evaluate,
    find_mistyped,
    is_answerable,
    match_answer,
    next_action,
    parse_spec,
)
from .presenter import DecisionPresenter
from .table import DecisionTable, to_metadata

_POLL_SECONDS, _RETRY_SECONDS, _PAUSE_SECONDS = 2.0, 60.0, 0.2
_MAX_POLL_SECONDS = 60.0  # a machine may have slept meanwhile
_LAST_QUESTION = """
    SELECT m.message_id FROM messages AS m JOIN agent_status AS a ON lower(a.agent_name) = m.sender
      WHERE m.conversation_id = ? AND m.recipient = ? AND (a.kind = 'console' OR m.sender = 'gateway')
      ORDER BY m.id DESC LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class DecisionAnswer:
    """What somebody says to the decision of that number."""

    number: int
    text: str


class DecisionService:
    """Its verbs block, and raise the hub's errors. ``question_behind`` gives the question of a person that we passed on
    with a message."""

    def __init__(
        self,
        hub: MessageHub,
        section: Callable[[], UserCommSection],
        gateway: Callable[[], GatewaySection],
        question_behind: Callable[[str], Message | None],
        log: logging.Logger,
    ) -> None:
        self._hub = hub
        self._table = DecisionTable(hub)
        self._presenter = DecisionPresenter(hub, self._table, gateway)
        self._section = section
        self._gateway = gateway
        self._question_of = question_behind
        self._log = log
        self._overdue_since: dict[int, float] = {}

    def open_decision(self, delivery: Delivery) -> None:
        """An agent asks. Shown where a person has asked, if it is about that; else in every place of people."""
        message = delivery.message
        question = self._person_question(message)
        people = {} if question is None else self._people_by_name(question)
        try:
            asked = parse_spec(message, people)
        except CallerError as error:
            self._hub.reply(delivery, str(error), message_type="error")
            return
        with self._hub.transaction():
            decision = self._table.insert(message, asked, everywhere=question is None)
            ends_as = self._next_action(decision, time.time()).final_state
            if decision.state == "open" and ends_as is not None:
                # As when we were down meanwhile.
                self._close(decision, ends_as)
                outcome = "its time was over"
            elif question is None:
                count = self._presenter.show_to_all(decision, self._presenter.all_recipients())
                outcome = f"shown in {count} places" if count else "nobody is there to decide yet"
            else:
                self._presenter.show(decision, question.sender, question.conversation_id, question.message_id)
                self._presenter.show_to_deciders(decision, question.sender)
                outcome = "shown where it was asked"
            if ends_as is None and (strangers := self._presenter.unknown_deciders(decision)):
                told = words.render_unknown_deciders(
                    decision, strangers, announcement_recipients(self._hub, home=False)
                )
                self._notify_asker(decision, told, "status_report", {"strangers": strangers})
            self._hub.acknowledge(delivery, outcome=outcome)

    def answer(self, delivery: Delivery, answer: DecisionAnswer | None = None) -> None:
        """Somebody decides, by an opinion_response or by a line that was picked."""
        message = delivery.message
        with self._hub.transaction():
            decision, refused = self._apply_answer(answer or self._parse_answer(message), message)
            kind = "error" if refused else DECISION_ANSWER if answer is None else "message"
            if message.sender == GATEWAY and kind == DECISION_ANSWER:
                # It was a press of a button, and the message with the buttons will say so.
                self._hub.acknowledge(delivery, outcome="decided")
                return
            metadata = {} if decision is None else to_metadata(decision)
            if decision is None:
                sentence = words.render_unknown_decision(self.pending())
            else:
                sentence = words.render_invalid_answer(decision, refused) if refused else words.render_outcome(decision)
            about = {"refused": refused.reason} if refused else {}
            self._hub.reply(delivery, sentence, message_type=kind, metadata=metadata | about)

    def match_line(self, message: Message) -> DecisionAnswer | None:
        """Whether this line of a person answers a decision: it replies to one on Discord, or it is the number or the
        words of an option of one that was shown to them here, or a number that is none."""
        line, written = split_context(message)[0], message.created_at or datetime.now(UTC)
        replied_to = self._table.get(self._table.decision_shown_by(str(message.metadata.get("answers") or "")) or 0)
        if replied_to is not None and is_answerable(replied_to, written):
            return DecisionAnswer(replied_to.number, line)
        shown = self._table.shown_in(message.sender, message.conversation_id, (written - GRACE_PERIOD).timestamp())
        decision = match_answer(line, shown, written)
        if decision is None and not message.metadata.get("answers"):
            decision = find_mistyped(line, shown, person_of(message), self._gateway().deciders)
        return None if decision is None else DecisionAnswer(decision.number, line)

    def is_outcome_message(self, message_id: str) -> bool:
        """Whether that is what we have told an agent of its decision."""
        sql = "SELECT 1 FROM messages AS m JOIN messages AS q ON q.message_id = m.reply_to"
        sql += " JOIN decisions AS d ON d.question = q.id WHERE m.message_id = ? AND m.sender = ?"
        return bool(self._hub.query(sql, (message_id, self._hub.agent)))

    def answer_by_id(self, delivery: Delivery, text: str) -> None:
        """Somebody writes "ID ANSWER"."""
        number, _, rest = text.strip().removeprefix("#").partition(" ")
        if number.isascii() and number.isdecimal():
            self.answer(delivery, DecisionAnswer(int(number[:18]), rest))
        else:
            self._hub.reply(delivery, words.render_usage(self.pending()), message_type="error")

    def pending(self) -> list[Decision]:
        """What is to be decided, the oldest first."""
        return self._table.pending()

    def describe_pending(self) -> list[str]:
        """The same for people, a line each."""
        return [words.render_line(decision, datetime.now(UTC)) for decision in self.pending()]

    def withdraw(self, relay: str) -> None:
        """What was asked in reply to that message of ours need not be decided any more."""
        with self._hub.transaction():
            for decision in self._table.open_in_reply_to(relay):
                self._close(decision, "withdrawn")

    def run_due(self, now: float) -> float | None:
        """Do what is due; in how many seconds to come again, or None while nothing is open."""
        seconds = []
        pending = self.pending()
        everywhere = self._presenter.all_recipients() if any(decision.is_public for decision in pending) else []
        for decision in pending:
            try:
                seconds.append(self._run_due_of(decision, everywhere, now))
            except StoreError:
                raise
            except Exception:
                # It must not hold up the others.
                self._log.exception("cannot look after #%d", decision.number)
                seconds.append(_RETRY_SECONDS)
        return min(seconds, default=None)

    def _run_due_of(self, decision: Decision, everywhere: Sequence[str], now: float) -> float:
        """Seconds until it wants that again."""
        found = self._next_action(decision, now)
        if found.final_state is not None and self._may_have_unread_answer(decision):
            return _PAUSE_SECONDS
        if found.final_state is None and not found.remind and not self._presenter.new_recipients(decision, everywhere):
            return min(found.seconds, _POLL_SECONDS if decision.is_public else _MAX_POLL_SECONDS)
        with self._hub.transaction():
            current = self._table.get(decision.number)
            if current is not None and current.state == "open":
                found = self._next_action(current, now)
                if found.final_state is not None:
                    self._close(current, found.final_state)
                else:
                    if found.remind:
                        self._presenter.remind(current, now)
                    self._presenter.show_to_all(current, everywhere)
        return 0.0

    def _may_have_unread_answer(self, decision: Decision) -> bool:
        """Whether something is still to be read since before the deadline, as when we were down meanwhile."""
        began = self._overdue_since.setdefault(decision.number, time.monotonic())
        if time.monotonic() < began + _RETRY_SECONDS and self._table.has_unread_before_deadline(decision):
            return True
        del self._overdue_since[decision.number]
        return False

    def _next_action(self, decision: Decision, now: float) -> DueAction:
        moment = datetime.fromtimestamp(now, UTC)
        first = self._section().decision_reminder_seconds
        is_over = decision.deadline is not None and decision.deadline <= moment
        return next_action(decision, moment, first, self._presenter.first_shown_at(decision) if is_over else None)

    def _apply_answer(self, answer: DecisionAnswer, message: Message) -> tuple[Decision | None, InvalidAnswer | None]:
        """The decision as it is then, and why the answer does not count. The first that does ends it."""
        decision = self._table.get(answer.number)
        if decision is None:
            return None, InvalidAnswer("unknown")
        if decision.deadline is not None and (message.created_at or decision.asked_at) >= decision.deadline:
            found = self._next_action(decision, time.time())
            if decision.state == "open" and found.final_state is not None:
                decision = self._close(decision, found.final_state)
        session = session_of(message)
        judged = evaluate(
            decision,
            session or person_of(message),
            answer.text,
            self._gateway().deciders,
            is_agent=bool(session) or not self._is_from_person(message),
            is_own=self._is_same_session(decision.asked_by, message.sender),
        )
        if isinstance(judged, InvalidAnswer):
            return decision, judged
        return self._close(decision, "decided", judged.answer, message), None

    def _close(
        self, decision: Decision, state: DecisionState, answer: str | None = None, by: Message | None = None
    ) -> Decision:
        """Keep it, and tell whoever asked and every place that knows of it but the one where it was decided, which is
        answered there."""
        person, name = (None, None) if by is None else (canonical_person(person_of(by)), _display_name(by))
        if state == "defaulted":
            answer = decision.spec.default
        ended = self._table.close(decision.number, state, answer, person, name, time.time())
        if state != "withdrawn":
            text, kind = (
                (words.render_outcome(ended), "error") if ended.answer is None else (ended.answer, DECISION_ANSWER)
            )
            self._notify_asker(ended, text, kind, {"from": name} if name else {})
        self._presenter.send_outcome(ended, but=None if by is None else by.sender)
        return ended

    def _notify_asker(self, decision: Decision, text: str, kind: str, more: Mapping[str, Any]) -> None:
        # Not in its conversation: an agent that still works on the question before could not read it.
        asks = self._hub.message(decision.message_id)
        question = replace(asks, conversation_id=None)
        about = {**to_metadata(decision), **more}
        if not decision.is_public and (asked := self._person_question(asks)) is not None:
            about[QUESTION_REF_KEY] = asked.message_id
        self._hub.answer(question, text, message_type=kind, metadata=about)

    def _people_by_name(self, question: Message) -> dict[str, tuple[str, ...]]:
        """Whom an agent may mean by the name of the person whose question it is: on Discord people choose theirs, and
        may choose that of somebody else's console."""
        name, person = name_of(question), canonical_person(person_of(question))
        consoles = (self._hub.find_agent(each) for each in (name, f"console-{name}"))
        return {name: tuple({person, *(each.name for each in consoles if each is not None)})}

    def _person_question(self, message: Message) -> Message | None:
        """The one that a decision belongs to."""
        question = None if message.reply_to is None else self._question_of(message.reply_to)
        if question is None and message.conversation_id is not None:
            rows = self._hub.query(_LAST_QUESTION, (message.conversation_id, self._hub.agent))
            question = self._hub.message(rows[0][0]) if rows else None
        if question is None or question.sender == GATEWAY:
            return question
        sender = self._hub.find_agent(question.sender)
        return question if sender is not None and sender.kind == "console" else None

    def _parse_answer(self, message: Message) -> DecisionAnswer:
        number = message.metadata.get("decision")
        if not isinstance(number, int) or not 0 < number < 2**63:
            number = self._table.decision_shown_by(message.reply_to or "") or 0
        return DecisionAnswer(number, split_context(message)[0])

    def _is_same_session(self, *names: str) -> bool:
        """Whether these are agents of one Claude Code session, which has one server for its subagents too."""
        agents = [self._hub.find_agent(name) for name in names]
        pids = {agent.metadata.get("pid") if agent is not None and agent.kind == "agent" else None for agent in agents}
        return len(pids) == 1 and None not in pids

    def _is_from_person(self, message: Message) -> bool:
        """A command's console has gone when it has waited for long; else only who is known to be a person is one."""
        sender = self._hub.find_agent(message.sender)
        known = message.sender.startswith("console-") if sender is None else sender.kind == "console"
        return known or message.sender == GATEWAY


def _display_name(message: Message) -> str:
    """What whoever decides is called."""
    name = name_of(message)
    return name if message.sender == GATEWAY else re.sub(r"^console-(.+?)(-\d+)?$", r"\1", name)
