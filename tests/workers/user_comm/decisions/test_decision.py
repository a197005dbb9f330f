"""What a decision may be, which answer is meant and what is due, as tables."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from teamsup.hub import CallerError, Message
from teamsup.workers.user_comm.decisions.decision import (
    AcceptedAnswer,
    Decision,
    DecisionSpec,
    DueAction,
    InvalidAnswer,
    evaluate,
    find_mistyped,
    match_answer,
    may_decide,
    next_action,
    parse_spec,
)
from teamsup.workers.user_comm.decisions.rendering import (
    render_invalid_answer,
    render_line,
    render_outcome,
    render_question,
)

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
RESTART = Decision(12, "m", "lead", "Restart it?", "normal", NOON, DecisionSpec(("restart", "wait")))


def after(**how: float) -> datetime:
    return NOON + timedelta(**how)


def request(*, deadline: datetime | None = None, **metadata: Any) -> Message:  # noqa: ANN401 - any JSON
    return Message(12, "m", "lead", "user_comm", "Restart it?", metadata=metadata, expires_at=deadline)


@pytest.mark.parametrize(
    ("message", "asked"),
    [
        (request(), DecisionSpec()),
        (request(options=[]), DecisionSpec()),
        (request(options=["yes", " no\n"]), DecisionSpec(("yes", "no"))),
        (request(options=[2, 3.5]), DecisionSpec(("2", "3.5"))),
        (request(options=["Yes", "no"], default="yes", deadline=NOON), DecisionSpec(("Yes", "no"), default="Yes")),
        (request(options=["yes", "no"], default="2", deadline=NOON), DecisionSpec(("yes", "no"), default="no")),
        (request(default=" later ", deadline=NOON), DecisionSpec(default="later")),
        (request(deciders="Console-Ann"), DecisionSpec(deciders=("console-ann",))),
        (request(deciders=[7, "<@8>", "discord:9"]), DecisionSpec(deciders=("discord:7", "discord:8", "discord:9"))),
    ],
)  # fmt: skip
def test_an_agent_asks_with_text_and_options(message: Message, asked: DecisionSpec) -> None:
    assert parse_spec(message) == asked


def test_a_person_may_be_named_as_they_are_called() -> None:
    asked = parse_spec(request(deciders=["ann Lee", "bob"]), {"Ann Lee": ["discord:5"]})
    assert asked.deciders == ("discord:5", "bob")


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        (request(options="yes or no"), "options must be a list of texts."),
        (request(options=["yes", {}]), "options must be a list of texts."),
        (request(options=["yes"]), "There must be 2 to 5 options, or none for an answer in words."),
        (request(options=list("abcdef")), "There must be 2 to 5 options, or none for an answer in words."),
        (request(options=["yes", " "]), "Each option must have 1 to 80 characters."),
        (request(options=["yes", "x" * 81]), "Each option must have 1 to 80 characters."),
        (request(options=["yes", "YES"]), "The options must differ."),
        (request(options=["yes", "no"], default="yes"), "A default needs a deadline: set expires_in, in seconds."),
        (
            request(options=["yes", "no"], default="maybe", deadline=NOON),
            "The default 'maybe' is not one of the options.",
        ),
        (request(default=3, deadline=NOON), "The default must be a text."),
        (request(default="no", default_denies="yes", deadline=NOON), "default_denies must be true or false."),
        (request(default_denies=True, deadline=NOON), "default_denies needs a default."),
        (
            request(deciders=["a b"]),
            "deciders: 'a b' is not known; write the name of a person in a terminal, or discord:NUMBER.",
        ),
        (request(deciders={}), None),
        (request(deciders={"a": 1}), "deciders must be a list of at most 20 people."),
    ],
)
def test_an_agents_wrong_request_is_refused_with_a_sentence(message: Message, sentence: str | None) -> None:
    if sentence is None:
        parse_spec(message)
        return
    with pytest.raises(CallerError) as refused:
        parse_spec(message)
    assert str(refused.value) == sentence


@pytest.mark.parametrize(
    ("words", "judged"),
    [
        ("restart", AcceptedAnswer("restart")),
        (" Wait\n", AcceptedAnswer("wait")),
        ("1", AcceptedAnswer("restart")),
        ("2.", AcceptedAnswer("wait")),
        ("#2)", AcceptedAnswer("wait")),
        ("3", InvalidAnswer("no such option")),
        ("0", InvalidAnswer("no such option")),
        ("restart it", InvalidAnswer("no such option")),
        ("", InvalidAnswer("no such option")),
    ],
)
def test_an_option_is_meant_by_its_words_or_its_number(words: str, judged: object) -> None:
    assert evaluate(RESTART, "console-ann", words) == judged


def test_an_option_that_is_itself_a_number_is_meant_before_the_place_of_another() -> None:
    assert evaluate(replace(RESTART, spec=DecisionSpec(("2", "1"))), "console-ann", "2") == AcceptedAnswer("2")


def test_without_options_any_words_are_an_answer() -> None:
    free = replace(RESTART, spec=DecisionSpec())
    assert evaluate(free, "console-ann", " as you like\n") == AcceptedAnswer("as you like")
    assert evaluate(free, "console-ann", " ") == InvalidAnswer("no such option")


@pytest.mark.parametrize(
    ("deciders", "on_discord", "person", "may"),
    [
        ((), (), "console-ann", True),
        ((), (), "discord:5", True),
        ((), (5,), "discord:5", True),
        ((), (6,), "discord:5", False),
        ((), (6,), "console-ann", True),
        (("discord:5",), (), "discord:5", True),
        (("discord:5",), (6,), "discord:5", False),
        (("discord:5",), (), "discord:6", False),
        (("discord:5",), (), "console-ann", False),
        (("ann",), (), "console-ann", True),
        (("console-ann",), (), "console-ann-2", True),
        (("console-ann",), (), "console-anne", False),
        (("ann",), (), "ann", True),
    ],
)
def test_only_deciders_decide(deciders: tuple[str, ...], on_discord: tuple[int, ...], person: str, may: bool) -> None:
    decision = replace(RESTART, spec=DecisionSpec(("restart", "wait"), deciders))
    assert may_decide(decision, person, on_discord) is may
    assert (evaluate(decision, person, "1", on_discord) == InvalidAnswer("not allowed")) is not may


def test_an_agent_decides_only_what_names_it() -> None:
    assert evaluate(RESTART, "helper", "1", is_agent=True) == InvalidAnswer("not allowed")
    named = replace(RESTART, spec=DecisionSpec(("restart", "wait"), ("helper",)))
    assert evaluate(named, "helper", "1", is_agent=True) == AcceptedAnswer("restart")


def test_a_decision_is_final() -> None:
    assert evaluate(replace(RESTART, state="decided"), "console-ann", "1") == InvalidAnswer("closed")


def test_a_line_decides_what_was_shown_last_and_has_such_an_option() -> None:
    other = replace(RESTART, number=14, spec=DecisionSpec(("a", "b", "c")))
    in_words = replace(RESTART, number=15, spec=DecisionSpec())
    shown = [in_words, other, RESTART]
    assert match_answer("1", shown, NOON) is other
    assert match_answer(" Wait ", shown, NOON) is RESTART
    assert match_answer("4", shown, NOON) is None
    assert match_answer("wait, what?", shown, NOON) is None
    assert match_answer("1", [], NOON) is None


def test_a_number_without_an_option_means_the_only_open_decision_of_its_author() -> None:
    for_bob = replace(RESTART, number=14, spec=DecisionSpec(("a", "b"), ("console-bob",)))
    in_words, over = replace(RESTART, number=15, spec=DecisionSpec()), replace(RESTART, number=16, state="decided")
    assert find_mistyped("7", [over, for_bob, RESTART], "console-ann") is RESTART
    assert find_mistyped(" #0. ", [RESTART], "console-ann") is RESTART
    assert find_mistyped("7", [for_bob, RESTART], "console-bob") is None
    assert find_mistyped("7", [RESTART], "discord:7", (8,)) is None
    assert find_mistyped("7", [in_words], "console-ann") is None
    assert find_mistyped("7 of them", [RESTART], "console-ann") is None


def test_a_line_written_while_somebody_else_decided_still_means_that() -> None:
    decided = replace(RESTART, state="decided", decided_at=NOON)
    assert match_answer("1", [decided], after(seconds=5)) is decided
    assert match_answer("1", [decided], after(seconds=30)) is None


def test_people_are_reminded_each_time_after_twice_the_time() -> None:
    assert next_action(RESTART, after(seconds=0), 60, None) == DueAction(None, False, 60)
    assert next_action(RESTART, after(seconds=59), 60, None) == DueAction(None, False, 1)
    assert next_action(RESTART, after(seconds=60), 60, None) == DueAction(None, True, 120)
    reminded = replace(RESTART, reminded_at=after(seconds=60))
    assert next_action(reminded, after(seconds=60), 60, None) == DueAction(None, False, 120)
    assert next_action(reminded, after(seconds=180), 60, None) == DueAction(None, True, 240)


@pytest.mark.parametrize(
    ("fallback", "denies", "shown", "ends_as"),
    [
        (None, False, 29, "expired"),
        (None, False, None, "undeliverable"),
        ("wait", True, 29, "defaulted"),
        ("wait", True, None, "defaulted"),
        ("wait", False, None, "undeliverable"),
        ("restart", False, 0, "defaulted"),
        ("restart", False, None, "undeliverable"),
    ],
)
def test_a_deadline_brings_the_default_or_an_end(
    fallback: str | None, denies: bool, shown: float | None, ends_as: str
) -> None:
    decision = replace(
        RESTART, spec=DecisionSpec(("restart", "wait"), (), fallback, denies), deadline=after(seconds=30)
    )
    shown_at = None if shown is None else after(seconds=shown)
    assert next_action(decision, after(seconds=29), 60, shown_at) == DueAction(None, False, 1)
    assert next_action(decision, after(seconds=30), 60, shown_at) == DueAction(ends_as)  # type: ignore[arg-type]


def test_a_default_that_allows_counts_thirty_seconds_after_it_was_shown() -> None:
    decision = replace(RESTART, spec=DecisionSpec(("restart", "wait"), (), "restart"), deadline=after(seconds=30))
    assert next_action(decision, after(seconds=30), 60, after(seconds=20)) == DueAction(seconds=20)
    assert next_action(decision, after(seconds=49), 60, after(seconds=20)) == DueAction(seconds=1)
    assert next_action(decision, after(seconds=50), 60, after(seconds=20)) == DueAction("defaulted")


@pytest.mark.parametrize(
    ("question", "fallback"),
    [("Restart it?", "no"), ("Any objections?", "no"), ("Keep the old database?", "nein"), ("May I drop it?", "deny")],
)
@pytest.mark.parametrize("denies", [False, True])
def test_only_who_asks_can_say_that_a_default_lets_nothing_happen(
    question: str, fallback: str, *, denies: bool
) -> None:
    asked = parse_spec(request(default=fallback, default_denies=denies, deadline=NOON))
    decision = replace(RESTART, text=question, spec=asked, deadline=after(seconds=5))
    assert next_action(decision, after(seconds=5), 60, None) == DueAction("defaulted" if denies else "undeliverable")
    shown_at = after(seconds=0)
    assert next_action(decision, after(seconds=5), 60, shown_at) == (
        DueAction("defaulted") if denies else DueAction(seconds=25)
    )


def test_nobody_decides_what_they_have_asked_themselves() -> None:
    by_ann = replace(RESTART, asked_by="console-ann")
    assert evaluate(by_ann, "console-ann", "1") == evaluate(by_ann, "console-ann-2", "1") == InvalidAnswer("own")
    assert evaluate(by_ann, "console-bob", "1") == AcceptedAnswer("restart")
    named = replace(RESTART, spec=DecisionSpec(("restart", "wait"), ("lead", "scout")))
    assert evaluate(named, "lead", "1", is_agent=True) == InvalidAnswer("own")
    assert evaluate(named, "scout", "1", is_agent=True) == AcceptedAnswer("restart")
    assert evaluate(named, "scout", "1", is_agent=True, is_own=True) == InvalidAnswer("own")
    with pytest.raises(CallerError, match="Nobody decides their own question"):
        parse_spec(request(deciders=["ann", "Lead"]))
    assert (
        render_invalid_answer(RESTART, InvalidAnswer("own"))
        == "#12 is your own question. Another person must decide it."
    )


def test_how_a_decision_is_shown() -> None:
    decision = replace(
        RESTART,
        priority="urgent",
        spec=DecisionSpec(("restart", "wait"), ("discord:5", "ann"), "wait"),
        deadline=after(hours=1),
    )
    assert render_question(decision, NOON, on_discord=False).split("\n") == [
        "❗ lead asks (#12): Restart it?",
        "  1. restart",
        "  2. wait",
        "To be decided by discord:5 or ann.",
        "Answer with its number, or: /decide 12 ANSWER",
        "The time for it ends in 1h 0m; then this counts: wait.",
    ]
    assert render_question(decision, NOON, on_discord=True).split("\n") == [
        "❗ lead asks (#12): Restart it?",
        "To be decided by <@5> or ann.",
        "Press a button.",
        f"The time for it ends <t:{int(after(hours=1).timestamp())}:R>; then this counts: wait.",
    ]
    free = replace(RESTART, spec=DecisionSpec())
    assert render_question(free, after(hours=2), on_discord=False, again=True).split("\n") == [
        "Reminder of a question, asked 2h 0m ago. lead asks (#12): Restart it?",
        "Answer with: /decide 12 ANSWER",
    ]
    assert render_question(free, NOON, on_discord=True).endswith("\nReply to this message with your answer.")


def test_the_sentence_about_its_end() -> None:
    decided = replace(RESTART, state="decided", answer="wait", decided_by="Ann")
    assert render_outcome(decided) == "Ann has decided #12: wait"
    assert decided.option_index == 1
    assert render_outcome(replace(RESTART, state="defaulted", answer="wait")).endswith("so the default counts: wait")
    assert render_outcome(replace(RESTART, state="expired")) == "Nobody has decided #12 in time."
    unseen = replace(RESTART, spec=DecisionSpec(("restart", "wait"), (), "restart"), state="undeliverable")
    assert render_outcome(unseen).endswith("anybody who may decide it, so its default does not count: restart")
    undeliverable = replace(RESTART, state="undeliverable")
    assert render_outcome(undeliverable) == "#12 could not be shown in time to anybody who may decide it."
    assert render_invalid_answer(decided, InvalidAnswer("closed")) == "Ann has decided #12: wait"
    assert (
        render_invalid_answer(RESTART, InvalidAnswer("no such option"))
        == "#12 has no such option. Choose one of: 1 restart, 2 wait."
    )
    named = replace(RESTART, spec=DecisionSpec((), ("ann",)))
    assert render_invalid_answer(named, InvalidAnswer("not allowed")) == "You may not decide #12; that is for ann."
    assert render_line(RESTART, after(minutes=5)) == "#12 lead, 5m 0s ago: Restart it? | 1 restart / 2 wait"
    assert render_line(decided, after(minutes=5)) == "#12 lead, 5m 0s ago: Restart it? | Ann has decided #12: wait"
