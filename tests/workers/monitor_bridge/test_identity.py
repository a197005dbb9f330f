"""For each vendor: what identifies a problem, what repeats it, and what ends it, as docs/monitoring.md says."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from helpers.incident_harness import FIRING, SOURCE, IncidentHarness, Join, resolved
from helpers.vendor_payloads import load_payload, parse_payload
from teamsup.config.components import installed_tables
from teamsup.hub import MessageHub, Team
from teamsup.workers.monitor_bridge.incidents import incident_table
from teamsup.workers.monitor_bridge.incidents.alert import Alert, SourceHeartbeat
from teamsup.workers.monitor_bridge.ingest.sources import PARSERS

BEGAN = datetime(2026, 1, 15, 10, tzinfo=UTC)


@pytest.fixture
def harness(join: Join) -> IncidentHarness:
    return IncidentHarness(join)


def at(minutes: float) -> str:
    return (BEGAN + timedelta(minutes=minutes)).isoformat()


def group(name: str, status: str, starts: str, ends: str = "0001-01-01T00:00:00Z") -> Any:  # noqa: ANN401 - JSON
    whole = load_payload(name)
    whole["alerts"] = [{**whole["alerts"][0], "status": status, "startsAt": starts, "endsAt": ends}]
    return whole


def google(state: str, **more: object) -> Any:  # noqa: ANN401 - JSON
    whole = load_payload("google_open.json")
    whole["incident"].update(state=state, **more)
    return whole


def oracle(kind: str, minutes: float) -> Any:  # noqa: ANN401 - JSON
    whole = load_payload("oracle_split.json")
    whole.update(type=kind, timestamp=at(minutes))
    whole["alarmMetaData"][0]["status"] = "OK" if kind in ("FIRING_TO_OK", "RESET") else "FIRING"
    return whole


def kuma(status: int, minutes: float, message: str = "down") -> Any:  # noqa: ANN401 - JSON
    whole = load_payload("uptime_kuma_down.json")
    whole["heartbeat"].update(status=status, time=at(minutes), msg=message)
    return whole


def healthchecks(status: str, minutes: float) -> Any:  # noqa: ANN401 - JSON
    return {**load_payload("healthchecks_down.json"), "status": status, "now": at(minutes)}


def pagerduty(action: str, minutes: float) -> Any:  # noqa: ANN401 - JSON
    whole = load_payload("pagerduty_event.json")
    whole["payload"]["timestamp"] = at(minutes)
    return {**whole, "event_action": action}


def opsgenie(action: str, minutes: float) -> Any:  # noqa: ANN401 - JSON
    whole = load_payload("opsgenie_create.json")
    whole["alert"]["updatedAt"] = int((BEGAN + timedelta(minutes=minutes)).timestamp() * 1000)
    return {**whole, "action": action}


def amazon(state: str, minutes: float) -> Any:  # noqa: ANN401 - JSON
    whole = load_payload("aws_sns_alarm.json")
    alarm = json.loads(whole["Message"]) | {"NewStateValue": state, "StateChangeTime": at(minutes)}
    return {**whole, "Message": json.dumps(alarm)}


@dataclass(frozen=True)
class VendorCase:
    """One row of the table: what begins a problem, says it again and ends it."""

    kind: str
    begins: object
    repeats: object
    ends: object
    path: tuple[tuple[str, ...], ...] = ((), (), ())
    """Of each, what comes behind the source's name."""


ROWS = {
    "alertmanager": VendorCase(
        "alertmanager",
        group("alertmanager_firing.json", "firing", at(0)),
        group("alertmanager_firing.json", "firing", at(0)),
        group("alertmanager_firing.json", "resolved", at(0), at(9)),
    ),
    "alertmanager whose beginning moves": VendorCase(
        "alertmanager",
        group("alertmanager_firing.json", "firing", at(0)),
        group("alertmanager_firing.json", "firing", at(5)),
        group("alertmanager_firing.json", "resolved", at(5), at(9)),
    ),
    "alertmanager whose beginning moves back": VendorCase(
        "alertmanager",
        group("alertmanager_firing.json", "firing", at(5)),
        group("alertmanager_firing.json", "firing", at(0)),
        group("alertmanager_firing.json", "resolved", at(0), at(9)),
    ),
    "grafana": VendorCase(
        "grafana",
        group("grafana_firing.json", "firing", at(0)),
        group("grafana_firing.json", "firing", at(0)),
        group("grafana_firing.json", "resolved", at(0), at(9)),
    ),
    "grafana 12, whose end moves the beginning": VendorCase(
        "grafana",
        group("grafana_firing.json", "firing", at(0)),
        group("grafana_firing.json", "firing", at(0)),
        group("grafana_firing.json", "resolved", at(9), at(9)),
    ),
    "google_cloud": VendorCase(
        "google_cloud",
        google("open"),
        google("open", summary="still so"),
        google("closed", ended_at=BEGAN.timestamp() + 540),
    ),
    "google_cloud in milliseconds": VendorCase(
        "google_cloud",
        google("open", started_at=BEGAN.timestamp() * 1000),
        google("open", started_at=BEGAN.timestamp()),
        google("closed", ended_at=str(int(BEGAN.timestamp() + 540))),
    ),
    "oracle_cloud": VendorCase(
        "oracle_cloud", oracle("OK_TO_FIRING", 0), oracle("REPEAT", 5), oracle("FIRING_TO_OK", 9)
    ),
    "oracle_cloud that is reset": VendorCase(
        "oracle_cloud", oracle("OK_TO_FIRING", 0), oracle("REPEAT", 5), oracle("RESET", 9)
    ),
    "uptime_kuma": VendorCase("uptime_kuma", kuma(0, 0), kuma(0, 5, "still down"), kuma(1, 9, "up")),
    "healthchecks": VendorCase("healthchecks", healthchecks("down", 0), healthchecks("down", 5), healthchecks("up", 9)),
    "a ping": VendorCase("healthchecks", "log", "", "", (("backup", "fail"), ("backup", "3"), ("backup",))),
    "pagerduty": VendorCase("pagerduty", pagerduty("trigger", 0), pagerduty("trigger", 5), pagerduty("resolve", 9)),
    "opsgenie": VendorCase("opsgenie", opsgenie("Create", 0), opsgenie("Create", 5), opsgenie("Close", 9)),
    "aws_sns": VendorCase("aws_sns", amazon("ALARM", 0), amazon("ALARM", 5), amazon("OK", 9)),
    "plain with a key": VendorCase(
        "plain",
        {"title": "the disk is 97 % full", "key": "disk"},
        {"title": "the disk is 98 % full", "key": "disk"},
        {"title": "fine", "key": "disk", "status": "resolved"},
    ),
    "plain without one": VendorCase(
        "plain", "the disk is full", {"title": "the disk is full"}, {"title": "the disk is full", "status": "ok"}
    ),
}


def said(row: VendorCase, number: int) -> list[Alert | SourceHeartbeat]:
    found = parse_payload(row.kind, (row.begins, row.repeats, row.ends)[number], *row.path[number])
    return [each for each in found if isinstance(each, Alert | SourceHeartbeat)]


def test_each_kind_of_a_source_has_a_row() -> None:
    assert {row.kind for row in ROWS.values()} == PARSERS.keys() - {"json"}  # its mapping says it


@pytest.mark.parametrize("name", ROWS)
def test_a_problem_is_one_incident_from_what_begins_it_to_what_ends_it(harness: IncidentHarness, name: str) -> None:
    row = ROWS[name]
    harness.ingest(*said(row, 0))
    assert [each.state for each in harness.open] == ["firing"]
    harness.now += 30
    harness.ingest(*said(row, 1))
    (found,) = harness.all
    assert found.count == 2
    harness.now += 30
    harness.ingest(*said(row, 2))
    assert ([each.state for each in harness.all], harness.open) == (["resolved"], [])


@pytest.mark.parametrize("name", ROWS)
def test_an_end_that_comes_before_its_beginning_leaves_nothing_open(harness: IncidentHarness, name: str) -> None:
    row = ROWS[name]
    harness.ingest(*said(row, 2))
    assert harness.open == []
    begins = said(row, 0)
    harness.ingest(*begins)
    # What says no time has begun when it comes.
    is_timeless = any(
        isinstance(each, Alert) and each.reuses_fingerprint and each.occurred_at is None for each in begins
    )
    assert len(harness.open) == int(is_timeless)


PROM = replace(FIRING, occurred_at=BEGAN)


def test_a_beginning_that_moves_is_shown_and_is_the_same_incident(harness: IncidentHarness) -> None:
    harness.ingest(PROM)
    harness.ingest(replace(PROM, occurred_at=BEGAN + timedelta(minutes=5)))
    assert [each.began_at for each in harness.open] == [BEGAN + timedelta(minutes=5)]
    assert len(harness.read("alert-manager")) == 1


def test_an_end_that_is_older_than_the_beginning_ends_nothing(harness: IncidentHarness) -> None:
    harness.ingest(replace(PROM, occurred_at=BEGAN + timedelta(minutes=5)))
    harness.ingest(resolved(replace(PROM, occurred_at=BEGAN)))
    assert len(harness.open) == 1
    harness.ingest(resolved(replace(PROM, occurred_at=BEGAN + timedelta(minutes=5))))
    assert harness.open == []


def test_a_problem_with_the_same_time_after_its_source_had_lost_it_counts(harness: IncidentHarness) -> None:
    """Alertmanager calls over what Prometheus did not repeat for a while, and then it comes with its old time."""
    harness.ingest(PROM)
    harness.ingest(resolved(replace(PROM, occurred_at=BEGAN + timedelta(minutes=5))))
    harness.now += 30
    harness.ingest(PROM)
    assert len(harness.open) == 1


def test_a_late_repetition_of_an_ended_problem_is_ignored(harness: IncidentHarness) -> None:
    harness.ingest(PROM)
    harness.ingest(resolved(replace(PROM, occurred_at=BEGAN + timedelta(minutes=5))))
    harness.now += 5
    harness.ingest(PROM)
    assert harness.open == []


def test_a_problem_that_begins_again_at_once_counts(harness: IncidentHarness) -> None:
    harness.ingest(PROM)
    harness.ingest(resolved(replace(PROM, occurred_at=BEGAN + timedelta(minutes=5))))
    harness.ingest(replace(PROM, occurred_at=BEGAN + timedelta(minutes=6)))
    assert [each.id for each in harness.open] == [2]


@pytest.mark.slow
def test_a_migration_ends_the_older_of_two_open_incidents_of_one_problem(
    team: Team, join: Callable[..., MessageHub]
) -> None:
    team.database.unlink()
    with closing(sqlite3.connect(team.database)) as db, db:
        db.executescript((Path(__file__).parents[2] / "hub" / "schema_5.sql").read_text("utf-8"))
        for number, key in enumerate(
            ("0123456789abcdef 2026-01-15T10:00:00+00:00", "0123456789abcdef 2026-01-15T11:00:00+00:00", "disk 1"), 1
        ):
            db.execute(
                "INSERT INTO incidents (source, key, severity, title, state, first_seen, last_seen, first)"
                " VALUES (?, ?, 'critical', ?, 'firing', '2026-01-15 10:00:00', '2026-01-15 10:00:00', ?)",
                (SOURCE, key, f"t{number}", number),
            )
            db.execute(
                "INSERT INTO incident_conversations (first, source, name, agents, act_seconds, since)"
                " VALUES (?, ?, '', '[]', 60, '2026-01-15 10:00:00')",
                (number, SOURCE),
            )
    for tables in installed_tables():
        join("monitor-bridge").maintenance.migrate_component(tables)

    harness = IncidentHarness(join)
    assert {each.fingerprint: each.title for each in harness.open} == {"0123456789abcdef": "t2", "disk 1": "t3"}
    assert [each.state for each in incident_table.resolved_in_group(harness.hub, 1)] == ["resolved"]
    harness.ingest(replace(FIRING, fingerprint="0123456789abcdef"), resolved(replace(FIRING, fingerprint="disk 1")))
    assert [(each.id, each.count) for each in harness.open] == [(2, 2)]
    harness.advance(3600)
