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

from teamsup.hub import CallerError, Delivery, Message, MessageHub, StoreError
from teamsup.hub.sections import GatewaySection, UserCommSection

from . import decision_words as words
from .decision import (
    ANSWERS,
    JUST_NOW,
    Decision,
    Due,
    Refused,
    State,
    asked_in,
    due,
    is_current,
    judge,
    missed,
    person_behind,
    picked,
)
from .decision_showing import DecisionShowing
from .decision_table import DecisionTable, summary
from .people import GATEWAY, name_of, own_words, person_of, places, session_of
from .relays import ABOUT

_LOOK_SECONDS, _TROUBLE_SECONDS, _PAUSE_SECONDS = 2.0, 60.0, 0.2
_LONGEST_SECONDS = 60.0  # a machine may have slept meanwhile
_LAST_QUESTION = """
    SELECT m.message_id FROM messages AS m JOIN agent_status AS a ON lower(a.agent_name) = m.sender
      WHERE m.conversation_id = ? AND m.recipient = ? AND (a.kind = 'console' OR m.sender = 'gateway')
      ORDER BY m.id DESC LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """What somebody says to the decision of that number."""

    decision: int
    text: str


class Decisions:
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
        self._showing = DecisionShowing(hub, self._table, gateway)
        self._section = section
        self._gateway = gateway
        self._question_behind = question_behind
        self._log = log
        self._overdue: dict[int, float] = {}

    def open(self, delivery: Delivery) -> None:
        """An agent asks. Shown where a person has asked, if it is about that; else in every place of people."""
        message = delivery.message
        question = self._question_of_a_person(message)
        people = {} if question is None else self._person_by_name(question)
        try:
            asked = asked_in(message, people)
        except CallerError as error:
            self._hub.reply(delivery, str(error), message_type="error")
            return
        with self._hub.transaction():
            decision = self._table.add(message, asked, everywhere=question is None)
            ends_as = self._due(decision, time.time()).ends_as
            if decision.state == "open" and ends_as is not None:
                # As when we were down meanwhile.
                self._end(decision, ends_as)
                outcome = "its time was over"
            elif question is None:
                count = self._showing.show_everywhere(decision, self._showing.everywhere())
                outcome = f"shown in {count} places" if count else "nobody is there to decide yet"
            else:
                self._showing.show(decision, question.sender, question.conversation_id, question.message_id)
                self._showing.show_deciders(decision, question.sender)
                outcome = "shown where it was asked"
            if ends_as is None and (strangers := self._showing.strangers(decision)):
                told = words.strangers(decision, strangers, places(self._hub, home=False))
                self._tell_asker(decision, told, "status_report", {"strangers": strangers})
            self._hub.acknowledge(delivery, outcome=outcome)

    def answer(self, delivery: Delivery, answer: Answer | None = None) -> None:
        """Somebody decides, by an opinion_response or by a line that was picked."""
        message = delivery.message
        with self._hub.transaction():
            decision, refused = self._decide(answer or self._answer_in(message), message)
            kind = "error" if refused else ANSWERS if answer is None else "message"
            if message.sender == GATEWAY and kind == ANSWERS:
                # It was a press of a button, and the message with the buttons will say so.
                self._hub.acknowledge(delivery, outcome="decided")
                return
            metadata = {} if decision is None else summary(decision)
            if decision is None:
                sentence = words.unknown(self.pending())
            else:
                sentence = words.refusal(decision, refused) if refused else words.outcome(decision)
            about = {"refused": refused.why} if refused else {}
            self._hub.reply(delivery, sentence, message_type=kind, metadata=metadata | about)

    def pick(self, message: Message) -> Answer | None:
        """Whether this line of a person answers a decision: it replies to one on Discord, or it is the number or the
        words of an option of one that was shown to them here, or a number that is none."""
        line, written = own_words(message)[0], message.created_at or datetime.now(UTC)
        replied_to = self._table.of(self._table.shown_by(str(message.metadata.get("answers") or "")) or 0)
        if replied_to is not None and is_current(replied_to, written):
            return Answer(replied_to.number, line)
        shown = self._table.seen_in(message.sender, message.conversation_id, (written - JUST_NOW).timestamp())
        decision = picked(line, shown, written)
        if decision is None and not message.metadata.get("answers"):
            decision = missed(line, shown, person_of(message), self._gateway().deciders)
        return None if decision is None else Answer(decision.number, line)

    def is_outcome(self, message_id: str) -> bool:
        """Whether that is what we have told an agent of its decision."""
        sql = "SELECT 1 FROM messages AS m JOIN messages AS q ON q.message_id = m.reply_to"
        sql += " JOIN decisions AS d ON d.question = q.id WHERE m.message_id = ? AND m.sender = ?"
        return bool(self._hub.rows(sql, (message_id, self._hub.agent)))

    def answer_by_id(self, delivery: Delivery, text: str) -> None:
        """Somebody writes "ID ANSWER"."""
        number, _, rest = text.strip().removeprefix("#").partition(" ")
        if number.isascii() and number.isdecimal():
            self.answer(delivery, Answer(int(number[:18]), rest))
        else:
            self._hub.reply(delivery, words.usage(self.pending()), message_type="error")

    def pending(self) -> list[Decision]:
        """What is to be decided, the oldest first."""
        return self._table.pending()

    def lines(self) -> list[str]:
        """The same for people, a line each."""
        return [words.line(decision, datetime.now(UTC)) for decision in self.pending()]

    def withdraw(self, relay: str) -> None:
        """What was asked in reply to that message of ours need not be decided any more."""
        with self._hub.transaction():
            for decision in self._table.asked_in_reply_to(relay):
                self._end(decision, "withdrawn")

    def tick(self, now: float) -> float | None:
        """Do what is due; in how many seconds to come again, or None while nothing is open."""
        seconds = []
        pending = self.pending()
        everywhere = self._showing.everywhere() if any(decision.everywhere for decision in pending) else []
        for decision in pending:
            try:
                seconds.append(self._tend(decision, everywhere, now))
            except StoreError:
                raise
            except Exception:
                # It must not hold up the others.
                self._log.exception("cannot look after #%d", decision.number)
                seconds.append(_TROUBLE_SECONDS)
        return min(seconds, default=None)

    def _tend(self, decision: Decision, everywhere: Sequence[str], now: float) -> float:
        """Seconds until it wants that again."""
        found = self._due(decision, now)
        if found.ends_as is not None and self._may_have_come_in_time(decision):
            return _PAUSE_SECONDS
        if found.ends_as is None and not found.remind and not self._showing.newcomers(decision, everywhere):
            return min(found.seconds, _LOOK_SECONDS if decision.everywhere else _LONGEST_SECONDS)
        with self._hub.transaction():
            current = self._table.of(decision.number)
            if current is not None and current.state == "open":
                found = self._due(current, now)
                if found.ends_as is not None:
                    self._end(current, found.ends_as)
                else:
                    if found.remind:
                        self._showing.remind(current, now)
                    self._showing.show_everywhere(current, everywhere)
        return 0.0

    def _may_have_come_in_time(self, decision: Decision) -> bool:
        """Whether something is still to be read since before the deadline, as when we were down meanwhile."""
        began = self._overdue.setdefault(decision.number, time.monotonic())
        if time.monotonic() < began + _TROUBLE_SECONDS and self._table.waits_since(decision):
            return True
        del self._overdue[decision.number]
        return False

    def _due(self, decision: Decision, now: float) -> Due:
        moment = datetime.fromtimestamp(now, UTC)
        first = self._section().decision_reminder_seconds
        is_over = decision.deadline is not None and decision.deadline <= moment
        return due(decision, moment, first, self._showing.shown_at(decision) if is_over else None)

    def _decide(self, answer: Answer, message: Message) -> tuple[Decision | None, Refused | None]:
        """The decision as it is then, and why the answer does not count. The first that does ends it."""
        decision = self._table.of(answer.decision)
        if decision is None:
            return None, Refused("unknown")
        if decision.deadline is not None and (message.created_at or decision.asked_at) >= decision.deadline:
            found = self._due(decision, time.time())
            if decision.state == "open" and found.ends_as is not None:
                decision = self._end(decision, found.ends_as)
        session = session_of(message)
        judged = judge(
            decision,
            session or person_of(message),
            answer.text,
            self._gateway().deciders,
            is_agent=bool(session) or not self._is_of_a_person(message),
            is_own=self._share_a_session(decision.asked_by, message.sender),
        )
        if isinstance(judged, Refused):
            return decision, judged
        return self._end(decision, "decided", judged.answer, message), None

    def _end(self, decision: Decision, state: State, answer: str | None = None, by: Message | None = None) -> Decision:
        """Keep it, and tell whoever asked and every place that knows of it but the one where it was decided, which is
        answered there."""
        person, name = (None, None) if by is None else (person_behind(person_of(by)), _called(by))
        if state == "defaulted":
            answer = decision.asked.fallback
        ended = self._table.end(decision.number, state, answer, person, name, time.time())
        if state != "withdrawn":
            text, kind = (words.outcome(ended), "error") if ended.answer is None else (ended.answer, ANSWERS)
            self._tell_asker(ended, text, kind, {"from": name} if name else {})
        self._showing.tell_outcome(ended, but=None if by is None else by.sender)
        return ended

    def _tell_asker(self, decision: Decision, text: str, kind: str, more: Mapping[str, Any]) -> None:
        # Not in its conversation: an agent that still works on the question before could not read it.
        asks = self._hub.message(decision.message_id)
        question = replace(asks, conversation_id=None)
        about = {**summary(decision), **more}
        if not decision.everywhere and (asked := self._question_of_a_person(asks)) is not None:
            about[ABOUT] = asked.message_id
        self._hub.answer(question, text, message_type=kind, metadata=about)

    def _person_by_name(self, question: Message) -> dict[str, tuple[str, ...]]:
        """Whom an agent may mean by the name of the person whose question it is: on Discord people choose theirs, and
        may choose that of somebody else's console."""
        name, person = name_of(question), person_behind(person_of(question))
        consoles = (self._hub.agent_named(each) for each in (name, f"console-{name}"))
        return {name: tuple({person, *(each.name for each in consoles if each is not None)})}

    def _question_of_a_person(self, message: Message) -> Message | None:
        """The one that a decision belongs to."""
        question = None if message.reply_to is None else self._question_behind(message.reply_to)
        if question is None and message.conversation_id is not None:
            rows = self._hub.rows(_LAST_QUESTION, (message.conversation_id, self._hub.agent))
            question = self._hub.message(rows[0][0]) if rows else None
        if question is None or question.sender == GATEWAY:
            return question
        sender = self._hub.agent_named(question.sender)
        return question if sender is not None and sender.kind == "console" else None

    def _answer_in(self, message: Message) -> Answer:
        number = message.metadata.get("decision")
        if not isinstance(number, int) or not 0 < number < 2**63:
            number = self._table.shown_by(message.reply_to or "") or 0
        return Answer(number, own_words(message)[0])

    def _share_a_session(self, *names: str) -> bool:
        """Whether these are agents of one Claude Code session, which has one server for its subagents too."""
        agents = [self._hub.agent_named(name) for name in names]
        pids = {agent.metadata.get("pid") if agent is not None and agent.kind == "agent" else None for agent in agents}
        return len(pids) == 1 and None not in pids

    def _is_of_a_person(self, message: Message) -> bool:
        """A command's console has gone when it has waited for long; else only who is known to be a person is one."""
        sender = self._hub.agent_named(message.sender)
        known = message.sender.startswith("console-") if sender is None else sender.kind == "console"
        return known or message.sender == GATEWAY


def _called(message: Message) -> str:
    """What whoever decides is called."""
    name = name_of(message)
    return name if message.sender == GATEWAY else re.sub(r"^console-(.+?)(-\d+)?$", r"\1", name)
