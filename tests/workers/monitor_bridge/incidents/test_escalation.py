"""What happens with an alert that nobody takes care of: the decision alone, as a table."""

import pytest

from teamsup.workers.monitor_bridge.incidents.escalation import (
    AgentCandidate,
    EscalationPolicy,
    EscalationState,
    NextStep,
    NotifyAgent,
    PagePeople,
    RemindAgent,
    RunCommand,
    WaitUntil,
    next_step,
)

POLICY = EscalationPolicy(ack_timeout_seconds=180, unread_seconds=60)
WITH_COMMAND = EscalationPolicy(ack_timeout_seconds=180, unread_seconds=60, has_command=True)
NOW = 1000.0
A, A_NOTIFIED, A_AWAY = AgentCandidate("a", True), AgentCandidate("a", True, True), AgentCandidate("a", False)
A_LEFT = AgentCandidate("a", False, True)
B, B_NOTIFIED, B_AWAY = AgentCandidate("b", True), AgentCandidate("b", True, True), AgentCandidate("b", False)

TABLE: list[tuple[str, EscalationState, EscalationPolicy, NextStep | None]] = [
    ("first news go to the first agent", EscalationState("new", NOW, (A, B)), POLICY, NotifyAgent("a")),
    ("or to the first that is awake", EscalationState("new", NOW, (A_AWAY, B)), POLICY, NotifyAgent("b")),
    (
        "no agent awake: people at once, kept for one",
        EscalationState("new", NOW, (A_AWAY, B_AWAY)),
        POLICY,
        PagePeople("a"),
    ),
    ("no agents at all: people at once", EscalationState("new", NOW), POLICY, PagePeople()),
    (
        "what was read is waited for",
        EscalationState("notified", NOW - 179, (A_NOTIFIED, B), "a", "read"),
        POLICY,
        WaitUntil(NOW + 1),
    ),
    (
        "reading alone is not acting",
        EscalationState("notified", NOW - 180, (A_NOTIFIED, B), "a", "read"),
        POLICY,
        RemindAgent("a"),
    ),
    (
        "what is unread is waited for",
        EscalationState("notified", NOW - 59, (A_NOTIFIED, B), "a"),
        POLICY,
        WaitUntil(NOW + 1),
    ),
    ("but not so long", EscalationState("notified", NOW - 60, (A_NOTIFIED, B), "a"), POLICY, RemindAgent("a")),
    (
        "nor longer than for acting",
        EscalationState("notified", NOW - 60, (A_NOTIFIED, B), "a"),
        EscalationPolicy(ack_timeout_seconds=10, unread_seconds=600),
        RemindAgent("a"),
    ),
    (
        "acted: nothing",
        EscalationState("notified", NOW - 999, (A_NOTIFIED, B), "a", "read", has_response=True),
        POLICY,
        None,
    ),
    ("acted before anybody was notified: nothing", EscalationState("new", NOW, (A,), has_response=True), POLICY, None),
    (
        "reminded, it has its time again",
        EscalationState("reminded", NOW - 59, (A_NOTIFIED, B), "a"),
        POLICY,
        WaitUntil(NOW + 1),
    ),
    ("then the next agent", EscalationState("reminded", NOW - 60, (A_NOTIFIED, B), "a"), POLICY, NotifyAgent("b")),
    ("that is awake", EscalationState("reminded", NOW - 60, (A_NOTIFIED, B_AWAY), "a"), POLICY, PagePeople()),
    (
        "nobody is notified twice as the next",
        EscalationState("reminded", NOW - 60, (A_NOTIFIED, B_NOTIFIED), "b"),
        POLICY,
        PagePeople(),
    ),
    ("who leaves is not waited for", EscalationState("notified", NOW, (A_LEFT, B), "a"), POLICY, NotifyAgent("b")),
    ("not even after reading", EscalationState("notified", NOW, (A_LEFT,), "a", "read"), POLICY, PagePeople()),
    (
        "a message that is gone is not waited for",
        EscalationState("notified", NOW, (A_NOTIFIED, B), "a", "gone"),
        POLICY,
        NotifyAgent("b"),
    ),
    ("an agent that is unknown is none", EscalationState("notified", NOW, (B,), "a", "read"), POLICY, NotifyAgent("b")),
    ("people are paged once", EscalationState("paged", NOW - 9999, (A_NOTIFIED,), "a", "read"), POLICY, None),
    (
        "the command waits for people",
        EscalationState("paged", NOW - 179, (A_NOTIFIED,), "a"),
        WITH_COMMAND,
        WaitUntil(NOW + 1),
    ),
    ("and comes last", EscalationState("paged", NOW - 180, (A_NOTIFIED,), "a"), WITH_COMMAND, RunCommand()),
    (
        "unless somebody acts",
        EscalationState("paged", NOW - 180, (A_NOTIFIED,), "a", has_response=True),
        WITH_COMMAND,
        None,
    ),
    ("it is run once", EscalationState("command", NOW - 9999, (A_NOTIFIED,), "a"), WITH_COMMAND, None),
]


@pytest.mark.parametrize(("standing", "policy", "step"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_the_next_step(standing: EscalationState, policy: EscalationPolicy, step: NextStep | None) -> None:
    assert next_step(standing, policy, NOW) == step
