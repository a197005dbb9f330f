"""Alerts in any order: no problem is lost from view, and somebody is notified of each firing one."""

import random

import pytest

from helpers.incident_harness import SOURCE, IncidentHarness, Join
from teamsup.workers.monitor_bridge.incidents import group_table, incident_table
from teamsup.workers.monitor_bridge.incidents.alert import Alert, Severity

SEVERITIES: tuple[Severity, ...] = ("critical", "warning", "info")


def some_alert(chance: random.Random) -> Alert:
    number = chance.randrange(12)
    return Alert(
        SOURCE,
        f"k{number}",
        chance.random() < 0.65,
        f"t{number}",
        chance.choice(SEVERITIES),
        subject=chance.choice(("", "a", "b")),
        group=chance.choice(("", "", "g", "h")),
        reuses_fingerprint=True,
        is_test=chance.random() < 0.03,
    )


def do_something(harness: IncidentHarness, chance: random.Random) -> None:
    """One step of what a source, agents, people or the clock may do."""
    some = chance.random()
    agent = chance.choice(("alert-manager", "lead"))
    if some < 0.6:
        harness.ingest(*(some_alert(chance) for _ in range(chance.choice((1, 1, 1, 3, 8)))))
    elif some < 0.75:
        for first in harness.advance(chance.choice((1, 5, 30, 60, 120, 200))).commands:
            harness.incidents.escalator.mark_command_run(first)
    elif some < 0.82:
        read = harness.read(agent)
        if read and chance.random() < 0.5:
            harness.say(agent, chance.choice(("ack", "found it")), chance.choice(read))
    elif some < 0.9:
        if harness.open:
            harness.acknowledgements.acknowledge([str(chance.choice(harness.open).id)], "ann")
    elif some < 0.93:
        harness.leave(agent)
    elif some < 0.96:
        harness.agents[agent].register()
    elif harness.open:
        harness.incidents.close([chance.choice(harness.open).id])


def check(harness: IncidentHarness) -> None:
    """What holds at every moment."""
    found = harness.open
    for each in found:
        conversation = group_table.get_group(harness.hub, each.group_id)
        assert conversation is not None
        assert not conversation.is_resolved
        if each.inhibited_by is not None:
            worse = incident_table.get_incident(harness.hub, each.inhibited_by)
            assert (worse.is_open, worse.severity) == (True, "critical")
    rows = harness.hub.query("SELECT group_id FROM incident_groups WHERE ended_at IS NULL")
    assert {row["group_id"] for row in rows} == {each.group_id for each in found}


@pytest.mark.parametrize("seed", [*range(3), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(3, 12))])
def test_nothing_is_lost_and_somebody_is_notified(join: Join, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311
    command = ("true",) if seed % 3 == 0 else ()
    harness = IncidentHarness(join, ack_timeout_seconds=120.0, command=command, storm_per_minute=chance.choice((3, 20)))
    for _ in range(120):
        do_something(harness, chance)
        check(harness)

    for _ in range(12):
        for first in harness.advance(200).commands:
            harness.incidents.escalator.mark_command_run(first)
    for each in harness.open:
        if each.state == "firing" and each.inhibited_by is None:
            conversation = group_table.get_group(harness.hub, each.group_id)
            assert conversation is not None
            assert conversation.notify_at is None
            assert conversation.responded_by is not None or conversation.people_notified
