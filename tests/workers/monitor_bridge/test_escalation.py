"""What happens with an alert that nobody takes care of: the decision alone, as a table."""

import pytest

from teamsup.workers.monitor_bridge.escalation import (
    Candidate,
    Next,
    Policy,
    Ring,
    RunCommand,
    Standing,
    TellAgent,
    TellPeople,
    Wait,
    next_step,
)

POLICY = Policy(act_seconds=180, unread_seconds=60)
WITH_COMMAND = Policy(act_seconds=180, unread_seconds=60, has_command=True)
NOW = 1000.0
A, A_TOLD, A_AWAY = Candidate("a", True), Candidate("a", True, True), Candidate("a", False)
A_LEFT = Candidate("a", False, True)
B, B_TOLD, B_AWAY = Candidate("b", True), Candidate("b", True, True), Candidate("b", False)

TABLE: list[tuple[str, Standing, Policy, Next | None]] = [
    ("first news go to the first agent", Standing("new", NOW, (A, B)), POLICY, TellAgent("a")),
    ("or to the first that is awake", Standing("new", NOW, (A_AWAY, B)), POLICY, TellAgent("b")),
    ("no agent awake: people at once, kept for one", Standing("new", NOW, (A_AWAY, B_AWAY)), POLICY, TellPeople("a")),
    ("no agents at all: people at once", Standing("new", NOW), POLICY, TellPeople()),
    (
        "what was read is waited for",
        Standing("told", NOW - 179, (A_TOLD, B), "a", "read"),
        POLICY,
        Wait(NOW + 1),
    ),
    ("reading alone is not acting", Standing("told", NOW - 180, (A_TOLD, B), "a", "read"), POLICY, Ring("a")),
    ("what is unread is waited for", Standing("told", NOW - 59, (A_TOLD, B), "a"), POLICY, Wait(NOW + 1)),
    ("but not so long", Standing("told", NOW - 60, (A_TOLD, B), "a"), POLICY, Ring("a")),
    (
        "nor longer than for acting",
        Standing("told", NOW - 60, (A_TOLD, B), "a"),
        Policy(act_seconds=10, unread_seconds=600),
        Ring("a"),
    ),
    ("acted: nothing", Standing("told", NOW - 999, (A_TOLD, B), "a", "read", is_acted=True), POLICY, None),
    ("acted before anybody was told: nothing", Standing("new", NOW, (A,), is_acted=True), POLICY, None),
    ("rung again, it has its time again", Standing("rung", NOW - 59, (A_TOLD, B), "a"), POLICY, Wait(NOW + 1)),
    ("then the next agent", Standing("rung", NOW - 60, (A_TOLD, B), "a"), POLICY, TellAgent("b")),
    ("that is awake", Standing("rung", NOW - 60, (A_TOLD, B_AWAY), "a"), POLICY, TellPeople()),
    ("nobody is told twice as the next", Standing("rung", NOW - 60, (A_TOLD, B_TOLD), "b"), POLICY, TellPeople()),
    ("who leaves is not waited for", Standing("told", NOW, (A_LEFT, B), "a"), POLICY, TellAgent("b")),
    ("not even after reading", Standing("told", NOW, (A_LEFT,), "a", "read"), POLICY, TellPeople()),
    (
        "a message that is gone is not waited for",
        Standing("told", NOW, (A_TOLD, B), "a", "gone"),
        POLICY,
        TellAgent("b"),
    ),
    ("an agent that is unknown is none", Standing("told", NOW, (B,), "a", "read"), POLICY, TellAgent("b")),
    ("people are told once", Standing("people", NOW - 9999, (A_TOLD,), "a", "read"), POLICY, None),
    ("the command waits for people", Standing("people", NOW - 179, (A_TOLD,), "a"), WITH_COMMAND, Wait(NOW + 1)),
    ("and comes last", Standing("people", NOW - 180, (A_TOLD,), "a"), WITH_COMMAND, RunCommand()),
    ("unless somebody acts", Standing("people", NOW - 180, (A_TOLD,), "a", is_acted=True), WITH_COMMAND, None),
    ("it is run once", Standing("command", NOW - 9999, (A_TOLD,), "a"), WITH_COMMAND, None),
]


@pytest.mark.parametrize(("standing", "policy", "step"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_the_next_step(standing: Standing, policy: Policy, step: Next | None) -> None:
    assert next_step(standing, policy, NOW) == step
