"""Decisions for pages: the list, who saw and who decided each, the decisions that need a person, and the options as
actions.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice

from teamsup.config.entries import (
    ActionRejected,
    Age,
    Entry,
    EntryAction,
    EntryRow,
    EntrySource,
    EntryState,
    Need,
    Text,
    TimelineEvent,
    has_words,
    parse_number,
    take_matching,
)
from teamsup.config.people_protocol import DECISION_ANSWER, USER_COMM
from teamsup.hub import Message, MessageHub
from teamsup.terminal.console import ask_once

from ...protocol import GATEWAY
from . import rendering as words
from .decision import Decision
from .table import DecisionTable

_ANSWER_SECONDS = 10.0
_MAX_TITLE = 200
_OPTION = "option-"
_IN_WORDS = EntryAction("answer", "Answer…", is_main=True, needs_text="Your answer")
_STATES = {
    "open": EntryState("decision", "open"),
    "decided": EntryState("well", "decided"),
    "defaulted": EntryState("clock", "defaulted"),
    "expired": EntryState("failed", "expired"),
    "undeliverable": EntryState("failed", "undeliverable"),
    "withdrawn": EntryState("paused", "withdrawn"),
}


def sources() -> tuple[EntrySource, ...]:
    """Return the source of decisions."""
    return (DecisionSource(),)


class DecisionSource:
    """The decisions that agents request from people."""

    kind = "decision"
    title = "Decisions"
    address = "/decisions"
    columns = ("Asked by", "Answer")
    filters: Mapping[str, tuple[str, ...]] = {"show": ("open", "all"), "words": ()}

    def needs(self, hub: MessageHub, now: datetime) -> Sequence[Need]:  # noqa: ARG002
        """Return the open decisions."""
        return [_to_need(each) for each in DecisionTable(hub).pending()]

    def count_open(self, hub: MessageHub) -> int:
        return len(DecisionTable(hub).pending())

    def rows(
        self,
        hub: MessageHub,
        filters: Mapping[str, str],
        before: str | None,
        limit: int,
        now: datetime,  # noqa: ARG002
    ) -> Sequence[EntryRow]:
        table, is_open = DecisionTable(hub), filters.get("show") != "all"
        found = take_matching(
            lambda older_than: table.page(older_than, limit, is_open=is_open),
            lambda each: each.number,
            lambda each: has_words(filters.get("words", ""), *_texts_of(each)),
            parse_number(before),
        )
        return [_to_row(each) for each in islice(found, limit)]

    def entry(self, hub: MessageHub, entry_id: str, now: datetime) -> Entry | None:  # noqa: ARG002
        table = DecisionTable(hub)
        found = _find(table, entry_id)
        if found is None:
            return None
        return Entry(
            self.kind,
            entry_id,
            f"Decision {found.number}",
            _title_of(found),
            _STATES[found.state],
            _evidence_of(found),
            found.asked_at,
            facts=_facts_of(found),
            texts=(("Question", found.text),),
            timeline=tuple(_events_of(found, table.showings(found.number), hub)),
            actions=_actions_of(found),
            version=found.state,
            conversation=_conversation_of(hub, found),
        )

    def act(self, hub: MessageHub, entry_id: str, action: str, version: str, person: str, text: str) -> str:
        found = _find(DecisionTable(hub), entry_id)
        if found is None:
            raise ActionRejected(f"There is no decision {entry_id}.")
        if found.state != version or found.state != "open":
            raise ActionRejected(words.render_outcome(found))
        answer = _answer_of(found, action, text)
        metadata = {"decision": found.number}
        reply = ask_once(
            hub.team, USER_COMM, answer, _ANSWER_SECONDS, message_type=DECISION_ANSWER, metadata=metadata, person=person
        )
        if reply.message_type == "error":
            raise ActionRejected(reply.content)
        return reply.content


def _find(table: DecisionTable, entry_id: str) -> Decision | None:
    number = parse_number(entry_id)
    return None if number is None else table.get(number)


def _answer_of(decision: Decision, action: str, text: str) -> str:
    """Return the answer in words. Use an option's text instead of its number, because the person has read the text."""
    options = decision.spec.options
    number = parse_number(action.removeprefix(_OPTION))
    if options and action.startswith(_OPTION) and number is not None and number < len(options):
        return options[number]
    if action == _IN_WORDS.name and not options and text.strip():
        return text
    raise ActionRejected(f"Decision {decision.number} has no such answer.")


def _actions_of(decision: Decision) -> tuple[EntryAction, ...]:
    if decision.state != "open":
        return ()
    options = decision.spec.options
    return tuple(EntryAction(f"{_OPTION}{index}", text) for index, text in enumerate(options)) or (_IN_WORDS,)


def _title_of(decision: Decision) -> str:
    title = " ".join(decision.text.split())
    return title if len(title) <= _MAX_TITLE else f"{title[: _MAX_TITLE - 1]}…"


def _texts_of(decision: Decision) -> Sequence[str]:
    """Return the texts in which a person searches."""
    return f"#{decision.number}", decision.text, decision.asked_by, decision.answer or "", decision.decided_by or ""


def _evidence_of(decision: Decision) -> Text:
    if decision.state == "open":
        deciders = " or ".join(decision.spec.deciders) or "anybody"
        return (f"{decision.asked_by} asks {deciders}. Nobody has answered; asked ", Age(decision.asked_at), ".")
    ended = () if decision.decided_at is None else (" ", Age(decision.decided_at))
    return (words.render_outcome(decision), *ended)


def _to_need(decision: Decision) -> Need:
    default = decision.spec.default
    return Need(
        DecisionSource.kind,
        str(decision.number),
        f"Decision {decision.number}",
        _title_of(decision),
        _evidence_of(decision),
        _STATES[decision.state],
        decision.asked_at,
        deadline=decision.deadline,
        deadline_note="" if decision.deadline is None else f"then {default} counts" if default else "then it expires",
        actions=_actions_of(decision),
        version=decision.state,
        is_critical=decision.priority == "urgent",
    )


def _to_row(decision: Decision) -> EntryRow:
    cells = (decision.asked_by, decision.answer or "")
    return EntryRow(
        str(decision.number),
        _title_of(decision),
        _STATES[decision.state],
        _evidence_of(decision),
        decision.asked_at,
        cells,
    )


def _facts_of(decision: Decision) -> tuple[tuple[str, str], ...]:
    spec = decision.spec
    denies = " (nothing is done then)" if spec.default_denies else ""
    facts = {
        "Asked by": decision.asked_by,
        "Deciders": ", ".join(spec.deciders) or "every person of the team",
        "Options": " / ".join(spec.options) or "in words",
        "Without an answer": f"{spec.default} counts{denies}" if spec.default else "it expires",
        "Answer": decision.answer or "",
        "Decided by": decision.decided_by or "",
    }
    return tuple((label, value) for label, value in facts.items() if value)


def _events_of(decision: Decision, showings: Sequence[tuple[Message, str]], hub: MessageHub) -> Iterator[TimelineEvent]:
    yield TimelineEvent(decision.asked_at, (f"{decision.asked_by} asked.",), _STATES["open"])
    states = hub.queries.trace_each(message.id for message, _ in showings)
    for message, recipient in reversed(showings):
        where = "Discord" if recipient == GATEWAY else recipient.removeprefix("console-")
        state = next((each for each in states.get(message.id, ()) if each.recipient == recipient), None)
        seen = state is not None and state.done_at is not None and state.state == "done"
        text = f"{where}: shown." if seen else f"{where}: sent, and not shown yet."
        yield TimelineEvent(message.created_at, (text,), EntryState("notified", "shown" if seen else "sent"))
    if decision.reminded_at is not None:
        yield TimelineEvent(decision.reminded_at, ("People were reminded.",), EntryState("clock", "reminded"))
    if decision.state != "open":
        yield TimelineEvent(decision.decided_at, (words.render_outcome(decision),), _STATES[decision.state])
    elif decision.deadline is not None:
        default = decision.spec.default
        then = f"Without an answer, {default} counts" if default else "Without an answer it expires"
        yield TimelineEvent(decision.deadline, (then,), EntryState("clock", "to come"), is_future=True)


def _conversation_of(hub: MessageHub, decision: Decision) -> str | None:
    found = hub.queries.labels([decision.number]).get(decision.number)
    return None if found is None else found.conversation_id
