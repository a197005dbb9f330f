"""Decisions: agents ask, and people answer in any conversation that shows the question. The first valid answer counts
everywhere.

The team's tables contain their whole state. Each step and its messages are one transaction.
"""

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from teamsup.config.people_protocol import DECISION_ANSWER, DECISION_REQUEST, UNKNOWN_DECIDERS
from teamsup.hub import CallerError, Message, MessageHub, StoreError

from ...protocol import GATEWAY
from ..classification import DecisionAnswer, split_context
from ..outcome import Done, Outcome, Reply
from ..people import (
    announcement_recipients,
    display_name_of,
    is_from_person,
    is_known_decider,
    is_same_session,
    name_of,
    person_of,
    session_of,
)
from ..requests.relays import QUESTION_REF_KEY, Relays
from ..routing.live_rules import LiveRules
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
from .table import DecisionTable, to_metadata

_POLL_SECONDS, _RETRY_SECONDS, _PAUSE_SECONDS = 2.0, 60.0, 0.2
_MAX_POLL_SECONDS = 60.0  # a machine may have slept meanwhile


class DecisionService:
    """Opens and ends decisions. Its methods block, and raise the hub's errors. All except ``run_due`` run inside the
    caller's transaction.
    """

    def __init__(
        self, hub: MessageHub, table: DecisionTable, rules: LiveRules, relays: Relays, log: logging.Logger
    ) -> None:
        self._hub = hub
        self._table = table
        self._rules = rules
        self._relays = relays
        self._log = log
        self._overdue_since: dict[int, float] = {}

    def open_decision(self, message: Message) -> Outcome:
        """Open a decision. Show it in the conversation of its question, or to all people if it has none."""
        question = self._relays.person_question_of(message)
        people = {} if question is None else self._people_by_name(question)
        try:
            asked = parse_spec(message, people)
        except CallerError as error:
            return Reply(str(error), "error")
        decision = self._table.insert(message, asked, is_public=question is None)
        ends_as = self._next_action(decision, time.time()).final_state
        if decision.state == "open" and ends_as is not None:
            # The deadline has passed, for example while user_comm was down.
            self._close(decision, ends_as)
            return Done("its deadline had passed")
        if question is None:
            count = self._show_to_all(decision, self._all_recipients())
            outcome = f"shown to {count}" if count else "nobody can decide yet"
        else:
            self._show(decision, question.sender, question.conversation_id, question.message_id)
            self._show_to_deciders(decision, question.sender)
            outcome = "shown in the conversation of the question"
        access = self._rules.gateway
        if unknown := [name for name in asked.deciders if not is_known_decider(self._hub, name, access)]:
            text = words.render_unknown_deciders(decision, unknown, announcement_recipients(self._hub, home=False))
            self._notify_asker(decision, text, "status_report", {UNKNOWN_DECIDERS: unknown})
        return Done(outcome)

    def answer(self, message: Message, answer: DecisionAnswer) -> Outcome:
        """Apply an answer: an opinion_response, or a line that matches an option."""
        decision, refused = self._apply_answer(answer, message)
        is_response = message.message_type == DECISION_ANSWER
        if message.sender == GATEWAY and is_response and refused is None:
            # This was a button press, and the message with the buttons will show it.
            return Done("decided")
        if decision is None:
            sentence = words.render_unknown_decision(self._table.pending())
        else:
            sentence = words.render_invalid_answer(decision, refused) if refused else words.render_outcome(decision)
        kind = "error" if refused else DECISION_ANSWER if is_response else "message"
        about = {"refused": refused.reason} if refused else {}
        return Reply(sentence, kind, ({} if decision is None else to_metadata(decision)) | about)

    def find_answered(self, message: Message) -> int | None:
        """Return the number of the decision that this message answers, or 0."""
        if message.message_type != DECISION_ANSWER:
            return self._match_line(message) if message.reply_to is None else None
        number = message.metadata.get("decision")
        if isinstance(number, int) and 0 < number < 2**63:
            return number
        return self._table.decision_shown_by(message.reply_to or "") or 0

    def _match_line(self, message: Message) -> int | None:
        """Return the decision that a person's line answers. The line replies to the decision on Discord, or is the
        number or the text of an option that was shown here.

        A number without an option counts too, if only one decision is open.
        """
        line, written = split_context(message)[0], message.created_at or datetime.now(UTC)
        if replied := str(message.metadata.get("replied_message") or ""):
            decision = self._table.get(self._table.decision_shown_by(replied) or 0)
            if decision is not None and is_answerable(decision, written):
                return decision.number
        shown = self._table.shown_in(message.sender, message.conversation_id, (written - GRACE_PERIOD).timestamp())
        if not shown:
            return None
        decision = match_answer(line, shown, written)
        if decision is None and not replied:
            decision = find_mistyped(line, shown, person_of(message), self._rules.gateway.deciders)
        return None if decision is None else decision.number

    def answer_by_id(self, message: Message, text: str) -> Outcome:
        """Apply an answer of the form "ID ANSWER"."""
        number, _, rest = text.strip().removeprefix("#").partition(" ")
        if number.isascii() and number.isdecimal():
            return self.answer(message, DecisionAnswer(int(number[:18]), rest))
        return Reply(words.render_usage(self._table.pending()), "error")

    def describe_pending(self) -> list[str]:
        """Return the open decisions for people, a line each."""
        return [words.render_line(decision, datetime.now(UTC)) for decision in self._table.pending()]

    def withdraw(self, relays: Iterable[str]) -> None:
        """Withdraw the decisions that agents have requested about these relays."""
        for relay in relays:
            for decision in self._table.open_in_reply_to(relay):
                self._close(decision, "withdrawn")

    def take_back(self, request: str, sender: str) -> Outcome:
        """End the open decision that this message of the sender has requested. If people have answered it before, their
        answer counts.
        """
        decision = self._table.get(self._table.decision_shown_by(request) or 0)
        if decision is None or (decision.message_id, decision.asked_by) != (request, sender):
            return Done("no decision of the sender")
        return Done("it had ended" if decision.state != "open" else self._close(decision, "withdrawn").state)

    def run_due(self, now: float) -> float | None:
        """Take the due steps. Return the seconds until the next step, or None if no decision is open."""
        seconds = []
        pending = self._table.pending()
        everywhere = self._all_recipients() if any(decision.is_public for decision in pending) else []
        for decision in pending:
            try:
                seconds.append(self._run_due_of(decision, everywhere, now))
            except StoreError:
                raise
            except Exception:
                # An error in one decision must not delay the others.
                self._log.exception("cannot follow #%d", decision.number)
                seconds.append(_RETRY_SECONDS)
        return min(seconds, default=None)

    def _run_due_of(self, decision: Decision, everywhere: Sequence[str], now: float) -> float:
        """Return the seconds until the next step of this decision."""
        found = self._next_action(decision, now)
        if found.final_state is not None and self._may_have_unread_answer(decision):
            return _PAUSE_SECONDS
        if found.final_state is None and not found.remind and not self._new_recipients(decision, everywhere):
            return min(found.seconds, _POLL_SECONDS if decision.is_public else _MAX_POLL_SECONDS)
        with self._hub.transaction():
            current = self._table.get(decision.number)
            if current is not None and current.state == "open":
                found = self._next_action(current, now)
                if found.final_state is not None:
                    self._close(current, found.final_state)
                else:
                    if found.remind:
                        self._remind(current, now)
                    self._show_to_all(current, everywhere)
        return 0.0

    def _may_have_unread_answer(self, decision: Decision) -> bool:
        """Return whether an unread message is older than the deadline, as after a downtime."""
        began = self._overdue_since.setdefault(decision.number, time.monotonic())
        if time.monotonic() < began + _RETRY_SECONDS and self._table.has_unread_before_deadline(decision):
            return True
        del self._overdue_since[decision.number]
        return False

    def _next_action(self, decision: Decision, now: float) -> DueAction:
        moment = datetime.fromtimestamp(now, UTC)
        first = self._rules.section.decision_reminder_seconds
        is_over = decision.deadline is not None and decision.deadline <= moment
        return next_action(decision, moment, first, self._table.first_shown_at(decision) if is_over else None)

    def _apply_answer(self, answer: DecisionAnswer, message: Message) -> tuple[Decision | None, InvalidAnswer | None]:
        """Return the decision after the answer, and the reason if the answer does not count. The first valid answer
        ends the decision.
        """
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
            self._rules.gateway.deciders,
            is_agent=bool(session) or not is_from_person(self._hub, message),
            is_own=is_same_session(self._hub, decision.asked_by, message.sender),
        )
        if isinstance(judged, InvalidAnswer):
            return decision, judged
        return self._close(decision, "decided", judged.answer, message), None

    def _close(
        self, decision: Decision, state: DecisionState, answer: str | None = None, by: Message | None = None
    ) -> Decision:
        """Store the outcome. Notify the agent, and all people who have seen the decision except the decider."""
        person, name = (None, None) if by is None else (canonical_person(person_of(by)), display_name_of(by))
        if state == "defaulted":
            answer = decision.spec.default
        now = time.time()
        ended = self._table.close(decision.number, state, answer, person, name, now)
        asks = self._hub.queries.message(decision.message_id)
        if asks.reply_to is not None:
            self._relays.restart_waiting(asks.reply_to, now)
        if state != "withdrawn":
            text, kind = (
                (words.render_outcome(ended), "error") if ended.answer is None else (ended.answer, DECISION_ANSWER)
            )
            self._notify_asker(ended, text, kind, {"author_name": name, "person": person} if name else {})
        self._send_outcome(ended, but=None if by is None else by.sender)
        return ended

    def _notify_asker(self, decision: Decision, text: str, kind: str, more: Mapping[str, Any]) -> None:
        # Send it outside of the conversation: an agent that still works on an earlier message there could not read it.
        asks = self._hub.queries.message(decision.message_id)
        question = replace(asks, conversation_id=None)
        about = {**to_metadata(decision), **more}
        if not decision.is_public and (asked := self._relays.person_question_of(asks)) is not None:
            about[QUESTION_REF_KEY] = asked.message_id
        self._hub.answer(question, text, message_type=kind, metadata=about)

    def _people_by_name(self, question: Message) -> dict[str, tuple[str, ...]]:
        """Return the people whom an agent may name as deciders. On Discord people choose their own names, and may
        choose the name of a console.
        """
        name, person = name_of(question), canonical_person(person_of(question))
        consoles = (self._hub.find_agent(each) for each in (name, f"console-{name}"))
        return {name: tuple({person, *(each.name for each in consoles if each is not None)})}

    def _show(
        self,
        decision: Decision,
        recipient: str,
        conversation: str | None,
        reply_to: str | None = None,
        *,
        again: bool = False,
    ) -> None:
        if self._hub.find_agent(recipient) is None:
            return
        on_discord = recipient == GATEWAY
        metadata: dict[str, Any] = {"decision": decision.number, "asked_by": decision.asked_by}
        if decision.spec.options:
            metadata["options"] = list(decision.spec.options)
        if on_discord and (ping := decision.spec.deciders_on_discord):
            metadata["ping"] = list(ping)
        showing = self._hub.send(
            recipient,
            words.render_question(decision, datetime.now(UTC), on_discord=on_discord, again=again),
            message_type=DECISION_REQUEST,
            priority=decision.priority,
            metadata=metadata,
            conversation_id=conversation,
            reply_to=reply_to if self._relays.find_message(reply_to) else None,
        )
        self._table.add_showing(decision.number, showing, recipient)

    def _show_to_all(self, decision: Decision, everywhere: Sequence[str]) -> int:
        """Show the decision to each recipient that has not seen it. Return their number."""
        home = f"discord:{self._rules.gateway.home_channel}"
        newcomers = self._new_recipients(decision, everywhere)
        for recipient in newcomers:
            self._show(decision, recipient, home if recipient == GATEWAY else None)
        return len(newcomers)

    def _show_to_deciders(self, decision: Decision, but: str) -> None:
        """Show the decision to named deciders, even if its subject is a question of another person."""
        for name in decision.spec.deciders:
            for recipient in (name, f"console-{name}"):
                agent = self._hub.find_agent(recipient)
                if agent is not None and agent.kind == "console" and recipient != but:
                    self._show(decision, recipient, None)

    def _all_recipients(self) -> list[str]:
        return announcement_recipients(self._hub, home=self._rules.gateway.home_channel != 0)

    def _new_recipients(self, decision: Decision, everywhere: Sequence[str]) -> list[str]:
        known = self._table.recipients_of(decision.number) if decision.is_public else everywhere
        return [recipient for recipient in everywhere if recipient not in known]

    def _remind(self, decision: Decision, now: float) -> None:
        """Show the decision again to people who have read it. The others still have it unread."""
        reminded = set()
        for showing, recipient in self._table.showings(decision.number):
            states = self._hub.queries.trace(showing.message_id)
            if recipient not in reminded and all(state.state == "done" for state in states):
                self._show(decision, recipient, showing.conversation_id, showing.reply_to, again=True)
            reminded.add(recipient)
        self._table.set_reminded(decision.number, now)

    def _send_outcome(self, decision: Decision, but: str | None) -> None:
        """Send the outcome once to each recipient. On Discord, update each message with buttons."""
        notified = {but} - {GATEWAY}
        for showing, recipient in self._table.showings(decision.number):
            if self._hub.cancel(showing.message_id) or recipient in notified:
                continue  # nobody has seen the decision, or all know its outcome
            notified |= {recipient} - {GATEWAY}
            if self._hub.find_agent(recipient) is not None:
                self._hub.send(
                    recipient,
                    words.render_outcome(decision),
                    message_type=DECISION_ANSWER,
                    metadata=to_metadata(decision),
                    conversation_id=showing.conversation_id,
                    reply_to=showing.message_id,
                )
