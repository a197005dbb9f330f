"""Messages in a conversation: copies and progress are folded, and each delivery says how far it is."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from teamsup.hub import Agent, Message
from teamsup.hub.models import DeliveryState
from teamsup.workers.web.pages.rendering import Missing
from teamsup.workers.web.pages.views.message_views import (
    MessageView,
    newest_progress,
    open_deliveries,
    view_delivery,
    view_messages,
)

NOW = datetime(2026, 3, 4, 12, 0, 0, tzinfo=UTC)
STORED = NOW - timedelta(minutes=5)
AGENTS = {
    "lead": Agent("lead", "agent", "online", NOW, {}, 0),
    "scout": Agent("scout", "agent", "online", NOW - timedelta(minutes=3), {}, 0),
    "user_comm": Agent("user_comm", "daemon", "online", NOW, {}, 0),
    "console-ann": Agent("console-ann", "console", "offline", None, {}, 0),
}


def message(number: int, sender: str, recipient: str, content: str = "", **options: object) -> Message:
    return replace(
        Message(number, f"m{number}", sender, recipient, content or f"text {number}", created_at=STORED),
        **options,  # type: ignore[arg-type]
    )


def state(recipient: str = "lead", name: str = "done", **options: object) -> DeliveryState:
    done = STORED + timedelta(seconds=6.1) if name == "done" else None
    found = DeliveryState(recipient, name, 1, STORED, None, None, done, None, undeliverable=False)
    return replace(found, **options)  # type: ignore[arg-type]


QUESTION = message(1, "console-ann", "user_comm")
RELAY = message(2, "user_comm", "lead", metadata={"question": "m1"})
PROGRESS = message(3, "lead", "user_comm", reply_to="m2", message_type="status_report")
ANSWER = message(4, "lead", "user_comm", reply_to="m2")
COPY = message(5, "user_comm", "console-ann", metadata={"source": "m4"}, reply_to="m1")


def view(messages: Sequence[Message], *states: DeliveryState, folds: bool = True) -> list[MessageView]:
    return view_messages(messages, {messages[0].id: states} if states else {}, AGENTS, NOW, folds=folds)


def test_a_forwarded_question_and_answer_are_each_shown_once_with_all_deliveries() -> None:
    states = {1: [state("user_comm")], 2: [state("lead")], 4: [state("user_comm")], 5: [state("console-ann")]}
    shown = view_messages([QUESTION, RELAY, PROGRESS, ANSWER, COPY], states, AGENTS, NOW)
    assert [(each.author, [delivery.recipient for delivery in each.deliveries]) for each in shown] == [
        ("ann", ["user_comm", "lead"]),
        ("lead", ["user_comm", "console-ann"]),
    ]


def test_every_message_is_shown_where_nothing_is_folded() -> None:
    assert [each.id for each in view([QUESTION, RELAY, PROGRESS, ANSWER, COPY], folds=False)] == [1, 2, 3, 4, 5]


def test_a_copy_whose_source_is_elsewhere_is_shown() -> None:
    assert [each.id for each in view([COPY])] == [5]


def test_an_agent_cannot_hide_its_message_as_a_copy() -> None:
    assert [each.id for each in view([QUESTION, message(2, "lead", "scout", metadata={"source": "m1"})])] == [1, 2]


def test_the_newest_report_on_an_open_question_is_its_progress() -> None:
    later = replace(PROGRESS, id=9, message_id="m9")
    assert newest_progress([QUESTION, RELAY, PROGRESS, later]) == {"m1": later}
    assert newest_progress([QUESTION, RELAY, PROGRESS, ANSWER]) == {}


def test_the_author_is_who_people_know() -> None:
    by_gateway = message(1, "gateway", "user_comm", metadata={"author_name": "Ben <b>"})
    authors = [(each.author, each.kind) for each in view([by_gateway, message(2, "lead", "scout"), QUESTION])]
    assert authors == [("Ben <b>", "person"), ("lead", "agent"), ("ann", "person")]


@pytest.mark.parametrize(
    ("given", "shape", "word"),
    [
        (state(), "acknowledged", "done"),
        (state(name="dead", outcome="no luck"), "failed", "given up"),
        (state(name="expired"), "paused", "expired"),
        (state(name="leased", read_at=STORED), "working", "read"),
        (state(name="leased"), "working", "offered"),
        (state(name="ready"), "paused", "waits"),
        (state(name="ready", next_try_at=NOW), "degraded", "waits"),
        (state(name="ready", undeliverable=True), "unknown", "waits"),
        (state("scout", "leased", read_at=STORED), "unknown", "unknown"),
        (state("scout", "ready"), "silent", "waits"),
    ],
)
def test_a_delivery_says_how_far_it_is(given: DeliveryState, shape: str, word: str) -> None:
    shown = view_delivery(given, AGENTS.get(given.recipient), NOW)
    assert (shown.state.shape, shown.state.word) == (shape, word)


def test_the_work_of_a_silent_agent_is_unknown_and_not_merely_late() -> None:
    known = view_delivery(state("lead", "leased", offered_at=STORED), AGENTS["lead"], NOW)
    unknown = view_delivery(state("scout", "leased", offered_at=STORED), AGENTS["scout"], NOW)
    assert (known.offered, known.read) == (0.0, None)
    assert (unknown.offered, unknown.read, unknown.done) == (0.0, Missing.UNKNOWN, Missing.UNKNOWN)


def test_one_line_sums_the_deliveries_up() -> None:
    (well,) = view([QUESTION], state("lead"))
    (unwell,) = view([QUESTION], state("lead"), state("scout", "dead", outcome="no luck"))
    assert (well.summary, well.is_quiet) == (("lead, 6 s",), True)
    assert (unwell.state.shape, unwell.summary, unwell.is_quiet) == (
        "failed",
        ("1 of 2 done; scout given up",),
        False,
    )


def test_only_agents_that_have_something_open_are_at_work() -> None:
    views = view([QUESTION], state("user_comm", "leased"), state("lead", "leased", read_at=STORED), state("scout"))
    assert [delivery.recipient for _, delivery in open_deliveries(views)] == ["lead"]
