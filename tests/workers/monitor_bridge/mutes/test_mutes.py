"""Of what is muted nobody is notified; it is recorded, and people hear of it when the mute ends."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from helpers.incident_harness import FIRING, IncidentHarness, Join, resolved
from teamsup.hub import CallerError
from teamsup.workers.monitor_bridge.incidents import listing
from teamsup.workers.monitor_bridge.incidents.incident import UnknownIncident
from teamsup.workers.monitor_bridge.mutes.mute_listing import UnknownMute

BACKUP = replace(FIRING, labels={"job": "backup"})


@pytest.fixture
def harness(join: Join) -> IncidentHarness:
    return IncidentHarness(join, ack_timeout_seconds=180.0)


def state_of_first(harness: IncidentHarness) -> str:
    return listing.describe_state(harness.open[0], datetime.fromtimestamp(harness.now, UTC))


def nobody_is_notified(harness: IncidentHarness) -> bool:
    unread = {name: harness.read(name) for name in ("alert-manager", "lead", "user_comm")}
    return not any(unread.values())


def test_a_muted_alert_notifies_nobody_until_the_mute_ends(harness: IncidentHarness) -> None:
    answer = harness.mute("job=backup 2h")
    assert answer.startswith("ann has muted job=backup for 2h 0m, until ")
    assert answer.endswith("nobody is notified of it. It matches no open incident now. End it with: /unmute 1")
    assert [message.content for message in harness.read("user_comm")] == [answer]

    harness.ingest(BACKUP)
    ends_at = harness.open[0].mute_ends_at
    assert ends_at is not None
    for _ in range(23):
        assert harness.advance(300).next_due == pytest.approx(ends_at.timestamp())
    assert nobody_is_notified(harness)
    assert state_of_first(harness).startswith("muted by ann until ")

    harness.advance(300)
    (over,) = harness.read("user_comm")
    assert over.content.startswith("Mute 1 by ann is over. It still fires, and agents and people are notified again:")
    assert len(harness.read("alert-manager")) == 1
    assert state_of_first(harness) == "firing"


def test_an_alert_that_ends_while_it_is_muted_notifies_nobody(harness: IncidentHarness) -> None:
    harness.mute("job=backup")
    harness.read("user_comm")
    harness.ingest(BACKUP)
    harness.ingest(resolved(BACKUP))
    harness.advance(3601)
    assert nobody_is_notified(harness)
    assert [each.state for each in harness.all] == ["resolved"]


def test_a_mute_ends_the_steps_of_what_fires_and_they_start_again(harness: IncidentHarness) -> None:
    harness.ingest(BACKUP)
    harness.read("alert-manager")
    assert 'It mutes incident 1, "HighCPU on web-01".' in harness.mute("job=backup 1h")
    harness.read("user_comm")
    for _ in range(11):
        assert harness.advance(300).commands == ()
    assert nobody_is_notified(harness)
    harness.advance(300)
    assert len(harness.read("alert-manager")) == 1


def test_an_unread_message_about_what_is_muted_is_withdrawn(harness: IncidentHarness) -> None:
    harness.ingest(BACKUP)
    harness.mute("job=backup")
    assert harness.unread("alert-manager") == []


def test_other_alerts_of_a_group_are_not_muted(harness: IncidentHarness) -> None:
    harness.mute("job=backup")
    harness.ingest(replace(BACKUP, group="g"), replace(FIRING, fingerprint="k2", title="another", group="g"))
    (message,) = harness.read("alert-manager")
    assert "another" in message.content
    assert "HighCPU" not in message.content


def test_a_problem_that_joins_a_muted_group_is_not_muted(harness: IncidentHarness) -> None:
    harness.ingest(replace(FIRING, group="g"))
    harness.mute("1")
    harness.ingest(replace(FIRING, fingerprint="k2", title="another", group="g"))
    harness.advance(60)
    assert "another" in harness.read("alert-manager")[-1].content


def test_an_incident_that_becomes_worse_is_muted_no_longer(harness: IncidentHarness) -> None:
    harness.ingest(FIRING)
    harness.mute("1")
    harness.ingest(replace(FIRING, severity="critical"))
    assert harness.unread("alert-manager")[-1].priority == "urgent"


def test_a_person_ends_a_mute(harness: IncidentHarness) -> None:
    harness.ingest(BACKUP)
    harness.mute("job=backup")
    harness.read("user_comm")
    assert harness.unmute(1) == (
        "ben has ended mute 1, job=backup. It still fires, and agents and people are notified again:"
        ' incident 1, "HighCPU on web-01".'
    )
    harness.advance(0)
    assert len(harness.read("alert-manager")) == 1
    assert len(harness.read("user_comm")) == 1
    with pytest.raises(UnknownMute, match="There is no mute '1' now"):
        harness.unmute(1)


def test_an_acknowledged_incident_is_not_muted(harness: IncidentHarness) -> None:
    harness.ingest(FIRING)
    harness.acknowledgements.acknowledge(["all"], "ben")
    harness.read("user_comm")
    assert harness.mute("1") == "Incident 1 is acknowledged by ben 0s ago."
    assert harness.read("user_comm") == []


def test_a_muted_incident_can_be_acknowledged(harness: IncidentHarness) -> None:
    harness.ingest(BACKUP)
    harness.mute("job=backup")
    harness.acknowledgements.acknowledge(["1"], "ben")
    assert not nobody_is_notified(harness)
    harness.advance(3601)
    assert nobody_is_notified(harness)
    assert state_of_first(harness).startswith("acknowledged by ben")


def test_a_clock_that_is_set_back_lengthens_no_mute(harness: IncidentHarness) -> None:
    harness.ingest(FIRING)
    harness.mute("1")
    harness.now -= 86400
    harness.advance(60)
    assert len(harness.read("alert-manager")) == 1


def test_no_command_runs_for_what_is_muted(join: Join) -> None:
    harness = IncidentHarness(join, here=(), command=("true",))
    harness.ingest(BACKUP)
    harness.mute("job=backup")
    assert harness.advance(600).commands == ()


def test_a_test_alert_is_never_muted(harness: IncidentHarness) -> None:
    harness.mute("source=*")
    harness.ingest(replace(FIRING, is_test=True))
    assert len(harness.read("alert-manager")) == 1


def test_an_unknown_incident_is_not_muted(harness: IncidentHarness) -> None:
    with pytest.raises(UnknownIncident):
        harness.mute("99")
    with pytest.raises(CallerError, match="Name the mute"), harness.hub.transaction():
        harness.incidents.mutes.end([], "ben", "console-ben")
