"""How incidents are put to agents and people."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from helpers.incident_harness import FIRING, IncidentHarness, Join, resolved
from teamsup.workers.monitor_bridge.incidents import listing


@pytest.fixture
def harness(join: Join) -> IncidentHarness:
    return IncidentHarness(join)


def test_alerts_of_one_title_are_distinguished_by_their_labels(harness: IncidentHarness) -> None:
    harness.ingest(
        *(
            replace(FIRING, fingerprint=f"k{number}", group="g", labels={"env": "prod", "instance": f"web-0{number}"})
            for number in range(8)
        )
    )
    (message,) = harness.read("alert-manager")
    instances = ", ".join(f"web-0{number}" for number in range(5))
    assert f"warning: HighCPU on web-01 (8 times, instance {instances} and 3 more)" in message.content
    table = listing.render_table(harness.open, datetime.fromtimestamp(harness.now, UTC))
    assert [line.partition("HighCPU on web-01")[2] for line in table[1:3]] == [" (web-07)", " (web-06)"]


def test_its_end_says_who_took_care_of_it_and_so_does_all_that_is_shown_of_it(harness: IncidentHarness) -> None:
    harness.ingest(FIRING)
    harness.read("alert-manager")
    harness.acknowledgements.acknowledge(["all"], "ann")
    harness.read("alert-manager")
    harness.ingest(resolved(FIRING))
    (last,) = harness.read("alert-manager")
    assert last.content.endswith(" ann took care of it.")
    seen = listing.render_incident(harness.all[0], datetime.fromtimestamp(harness.now, UTC))
    assert "acknowledged:  ann, 20" in seen
    assert "notified:      alert-manager, 20" in seen
    assert "ended:         20" in seen


def test_a_test_asks_nobody_for_anything(harness: IncidentHarness) -> None:
    harness.ingest(replace(FIRING, is_test=True))
    (for_agent,), (for_people,) = harness.read("alert-manager"), harness.read("user_comm")
    assert for_agent.content.endswith("nothing is wrong, and no action is needed.")
    assert "/ack" not in for_people.content
    assert for_people.metadata["commands"] == {}


def test_an_end_without_a_beginning_is_not_listed(harness: IncidentHarness) -> None:
    harness.ingest(resolved(FIRING))
    assert harness.all == []


def test_an_incident_without_an_acknowledgement_shows_who_has_answered(harness: IncidentHarness) -> None:
    harness.ingest(replace(FIRING, group="g"))
    (first,) = harness.read("alert-manager")
    harness.say("alert-manager", "it is the backup", first)
    harness.now += 30
    harness.ingest(replace(FIRING, fingerprint="k2", group="g"))
    now = datetime.fromtimestamp(harness.now, UTC)
    assert {each.id: listing.describe_state(each, now) for each in harness.open} == {
        1: "answered by alert-manager 30s ago",
        2: "firing",
    }


@pytest.mark.parametrize(
    ("still_open", "said"),
    [
        ({}, ""),
        ({"critical": 1}, "1 critical incident open"),
        ({"info": 1}, "1 incident open"),
        ({"critical": 1, "warning": 2}, "3 incidents open, 1 critical"),
    ],
)
def test_the_number_of_open_incidents_is_a_short_phrase(still_open: dict[str, int], said: str) -> None:
    assert listing.describe_counts(still_open) == said
