"""What its source does not repeat as it should: shown so, asked about, and put to a person or ended by a rule."""

import asyncio
import http.server
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from helpers.incident_harness import FIRING, SOURCE, IncidentHarness, Join, resolved
from helpers.support import eventually, serve_http
from teamsup.workers.monitor_bridge.checks.staleness import StalenessCheck
from teamsup.workers.monitor_bridge.escalation.silencer import Silencer
from teamsup.workers.monitor_bridge.incidents import listing
from teamsup.workers.monitor_bridge.incidents.alert import Alert
from teamsup.workers.monitor_bridge.source_section import SourceSection

HOUR, DAY = 3600.0, 86400.0


@pytest.fixture
def harness(join: Join) -> IncidentHarness:
    return IncidentHarness(join)


def staleness(
    harness: IncidentHarness, source: SourceSection, can_receive: Callable[[], bool] = lambda: True
) -> StalenessCheck:
    return StalenessCheck(
        harness.hub, {SOURCE: source}, harness.incidents, can_receive=can_receive, clock=lambda: harness.now
    )


def after(harness: IncidentHarness, looks: StalenessCheck, seconds: float) -> list[str]:
    """Notices to people within so many seconds, while it looks every ten minutes."""
    ends = harness.now + seconds
    while harness.now < ends:
        harness.now += 600
        looks.report_stale()
    return [each.content for each in harness.read("user_comm")]


@pytest.mark.parametrize(
    ("source", "seconds"),
    [
        (SourceSection("alertmanager"), 5 * HOUR),
        (SourceSection("grafana"), 5 * HOUR),
        (SourceSection("google_cloud"), 7 * DAY),
        (SourceSection("oracle_cloud"), 7 * DAY),
        (SourceSection("uptime_kuma"), 7 * DAY),
        (SourceSection("healthchecks"), 7 * DAY),
        (SourceSection("plain"), 7 * DAY),
        (SourceSection("plain", stale_seconds=2 * HOUR), 2 * HOUR),
    ],
)
def test_each_kind_has_its_time(harness: IncidentHarness, source: SourceSection, seconds: float) -> None:
    looks = staleness(harness, source)
    harness.ingest(FIRING)
    assert after(harness, looks, seconds - 600) == []
    (told,) = after(harness, looks, HOUR)
    assert told.startswith('Incident 1, "HighCPU on web-01" has not been repeated since 20')
    assert told.endswith("Check whether prom still has it. End it with: teamsup alerts close 1")
    assert after(harness, looks, DAY) == [], "it is said once"
    (found,) = harness.open
    moment = datetime.fromtimestamp(harness.now, UTC)
    assert (
        listing.describe_state(found, moment) == f"firing, not repeated since {found.last_seen:%Y-%m-%d %H:%M:%S} UTC"
    )


def test_an_incident_without_a_set_time_does_not_change(harness: IncidentHarness) -> None:
    looks = staleness(harness, SourceSection("plain", stale_seconds=0))
    harness.ingest(FIRING)
    assert after(harness, looks, 30 * DAY) == []


def test_our_own_and_repeated_problems_are_never_stale(harness: IncidentHarness) -> None:
    looks = staleness(harness, SourceSection("alertmanager"))
    harness.incidents.ingest("team", [Alert("team", "lead silent", True, "lead is silent")])
    for _ in range(6):
        harness.ingest(FIRING)
        assert after(harness, looks, 4 * HOUR) == []


def test_many_are_reported_as_one_and_a_repetition_withdraws_it(harness: IncidentHarness) -> None:
    looks = staleness(harness, SourceSection("alertmanager"))
    alerts = [replace(FIRING, fingerprint=f"k{number}", title=f"t{number}") for number in range(30)]
    harness.ingest(*alerts)
    (told,) = after(harness, looks, 6 * HOUR)
    assert "and 20 more" in told
    harness.ingest(alerts[3])
    assert [each.fingerprint for each in harness.open if each.stale_at is None] == ["k3"]


def test_one_of_a_source_that_is_configured_no_more_is_stale_soon(harness: IncidentHarness) -> None:
    looks = StalenessCheck(harness.hub, {}, harness.incidents, clock=lambda: harness.now)
    harness.ingest(FIRING)
    assert len(after(harness, looks, 2 * HOUR)) == 1


def test_a_rule_may_end_it_and_its_end_says_why(join: Join) -> None:
    harness = IncidentHarness(join, here=())
    looks = staleness(harness, SourceSection("alertmanager", close_stale=True))
    harness.ingest(FIRING)
    assert len(harness.read("user_comm")) == 1
    (told,) = after(harness, looks, 6 * HOUR)
    assert told.startswith("Closed, because prom has not repeated it since 20")
    assert harness.open == []
    harness.ingest(FIRING)
    assert [each.id for each in harness.open] == [2], "when it is said again, it is a new one"
    assert len(harness.read("user_comm")) == 1
    harness.ingest(resolved(FIRING))
    assert harness.read("user_comm")[-1].content.startswith("Resolved after ")


def test_the_time_in_which_nothing_could_be_received_does_not_count(harness: IncidentHarness) -> None:
    can_receive = True
    looks = staleness(harness, SourceSection("alertmanager"), lambda: can_receive)
    harness.ingest(FIRING)
    assert after(harness, looks, HOUR) == []
    can_receive = False
    assert after(harness, looks, DAY) == []
    can_receive = True
    assert after(harness, looks, 4 * HOUR) == []
    assert len(after(harness, looks, 2 * HOUR)) == 1

    harness.now += DAY
    again = staleness(harness, SourceSection("alertmanager"))
    harness.ingest(FIRING)
    assert after(harness, again, 4 * HOUR) == []


class FakeAlertmanager(http.server.BaseHTTPRequestHandler):
    """One that was started then."""

    firing: list[dict[str, Any]]
    started: list[datetime]
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        said: object = {"uptime": self.started[-1].isoformat()} if self.path.endswith("/status") else self.firing
        content = json.dumps(said if not self.path.endswith("/silences") else []).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


async def until(quiet: Silencer, condition: Callable[[], object], what: str) -> None:
    following = asyncio.create_task(quiet.run())
    try:
        await asyncio.to_thread(eventually, condition, what)
    finally:
        following.cancel()
        await asyncio.wait([following])


async def test_an_alertmanager_that_can_be_asked_is_asked(harness: IncidentHarness) -> None:
    labels = {"alertname": "HighCPU"}
    fires = [{"fingerprint": FIRING.fingerprint, "labels": labels}]
    started, asked = [datetime.now(UTC) + timedelta(days=1)], list[str]()
    handler = type("Handler", (FakeAlertmanager,), {"firing": fires, "started": started, "asked": asked})
    with serve_http(handler) as url:
        source = SourceSection("alertmanager", silence_url=url)
        looks = staleness(harness, source)
        quiet = Silencer(harness.hub, {SOURCE: source}, harness.incidents, 0.01, staleness=looks)
        # The text of a label may be cut, so that only the fingerprint is the same.
        harness.ingest(replace(FIRING, labels={"alertname": "HighC…"}))
        await until(quiet, lambda: harness.hub.query("SELECT 1 FROM incidents WHERE seen_at_source = 1"), "it is seen")

        for _ in range(36):
            harness.now += 600
            looks.find_overdue([])
        await until(
            quiet,
            lambda: harness.open[0].last_seen == datetime.fromtimestamp(int(harness.now * 1000) / 1000, UTC),
            "it has repeated",
        )
        assert (harness.open[0].stale_at, harness.read("user_comm")) == (None, [])

        fires.clear()
        for _ in range(36):
            harness.now += 600
            looks.find_overdue([])
        await until(quiet, lambda: asked.count("/api/v2/status") > 2, "it is asked")
        assert len(harness.open) == 1, "it was started again, and may not know yet"

        started.append(datetime(2020, 1, 1, tzinfo=UTC))
        await until(quiet, lambda: not harness.open, "it is over")
        assert harness.read("user_comm") == []
