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
from teamsup.workers.monitor_bridge.incidents import listing
from teamsup.workers.monitor_bridge.incidents.alert import Alert
from teamsup.workers.monitor_bridge.silences.silencer import Silencer
from teamsup.workers.monitor_bridge.source_section import SourceSection

HOUR, DAY = 3600.0, 86400.0


@pytest.fixture
def desk(join: Join) -> IncidentHarness:
    return IncidentHarness(join)


def staleness(
    desk: IncidentHarness, source: SourceSection, can_receive: Callable[[], bool] = lambda: True
) -> StalenessCheck:
    return StalenessCheck(desk.hub, {SOURCE: source}, desk.incidents, can_receive=can_receive, clock=lambda: desk.now)


def after(desk: IncidentHarness, looks: StalenessCheck, seconds: float) -> list[str]:
    """Notices to people within so many seconds, while it looks every ten minutes."""
    ends = desk.now + seconds
    while desk.now < ends:
        desk.now += 600
        looks.report_stale()
    return [each.content for each in desk.read("user_comm")]


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
def test_each_kind_has_its_time(desk: IncidentHarness, source: SourceSection, seconds: float) -> None:
    looks = staleness(desk, source)
    desk.ingest(FIRING)
    assert after(desk, looks, seconds - 600) == []
    (told,) = after(desk, looks, HOUR)
    assert told.startswith('Incident 1, "HighCPU on web-01" has not been repeated since 20')
    assert told.endswith("Check whether prom still has it. End it with: teamsup alerts close 1")
    assert after(desk, looks, DAY) == [], "it is said once"
    (found,) = desk.open
    moment = datetime.fromtimestamp(desk.now, UTC)
    assert (
        listing.describe_state(found, moment) == f"firing, not repeated since {found.last_seen:%Y-%m-%d %H:%M:%S} UTC"
    )


def test_an_incident_without_a_set_time_does_not_change(desk: IncidentHarness) -> None:
    looks = staleness(desk, SourceSection("plain", stale_seconds=0))
    desk.ingest(FIRING)
    assert after(desk, looks, 30 * DAY) == []


def test_what_we_find_by_ourselves_and_what_is_repeated_is_never_stale(desk: IncidentHarness) -> None:
    looks = staleness(desk, SourceSection("alertmanager"))
    desk.incidents.ingest("team", [Alert("team", "lead silent", True, "lead is silent")])
    for _ in range(6):
        desk.ingest(FIRING)
        assert after(desk, looks, 4 * HOUR) == []


def test_many_are_reported_as_one_and_a_repetition_withdraws_it(desk: IncidentHarness) -> None:
    looks = staleness(desk, SourceSection("alertmanager"))
    alerts = [replace(FIRING, fingerprint=f"k{number}", title=f"t{number}") for number in range(30)]
    desk.ingest(*alerts)
    (told,) = after(desk, looks, 6 * HOUR)
    assert "and 20 more" in told
    desk.ingest(alerts[3])
    assert [each.fingerprint for each in desk.open if each.stale_at is None] == ["k3"]


def test_one_of_a_source_that_is_configured_no_more_is_stale_soon(desk: IncidentHarness) -> None:
    looks = StalenessCheck(desk.hub, {}, desk.incidents, clock=lambda: desk.now)
    desk.ingest(FIRING)
    assert len(after(desk, looks, 2 * HOUR)) == 1


def test_a_rule_may_end_it_and_its_end_says_why(join: Join) -> None:
    desk = IncidentHarness(join, here=())
    looks = staleness(desk, SourceSection("alertmanager", close_stale=True))
    desk.ingest(FIRING)
    assert len(desk.read("user_comm")) == 1
    (told,) = after(desk, looks, 6 * HOUR)
    assert told.startswith("Closed, because prom has not repeated it since 20")
    assert desk.open == []
    desk.ingest(FIRING)
    assert [each.id for each in desk.open] == [2], "when it is said again, it is a new one"
    assert len(desk.read("user_comm")) == 1
    desk.ingest(resolved(FIRING))
    assert desk.read("user_comm")[-1].content.startswith("Resolved after ")


def test_the_time_in_which_nothing_could_be_received_does_not_count(desk: IncidentHarness) -> None:
    can_receive = True
    looks = staleness(desk, SourceSection("alertmanager"), lambda: can_receive)
    desk.ingest(FIRING)
    assert after(desk, looks, HOUR) == []
    can_receive = False
    assert after(desk, looks, DAY) == []
    can_receive = True
    assert after(desk, looks, 4 * HOUR) == []
    assert len(after(desk, looks, 2 * HOUR)) == 1

    desk.now += DAY
    again = staleness(desk, SourceSection("alertmanager"))
    desk.ingest(FIRING)
    assert after(desk, again, 4 * HOUR) == []


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


async def test_an_alertmanager_that_can_be_asked_is_asked(desk: IncidentHarness) -> None:
    labels = {"alertname": "HighCPU"}
    fires = [{"fingerprint": FIRING.fingerprint, "labels": labels}]
    started, asked = [datetime.now(UTC) + timedelta(days=1)], list[str]()
    handler = type("Handler", (FakeAlertmanager,), {"firing": fires, "started": started, "asked": asked})
    with serve_http(handler) as url:
        source = SourceSection("alertmanager", silence_url=url)
        looks = staleness(desk, source)
        quiet = Silencer(desk.hub, {SOURCE: source}, desk.incidents, 0.01, staleness=looks)
        # The text of a label may be cut, so that only the fingerprint is the same.
        desk.ingest(replace(FIRING, labels={"alertname": "HighC…"}))
        await until(quiet, lambda: desk.hub.query("SELECT 1 FROM incidents WHERE seen_at_source = 1"), "it is seen")

        for _ in range(36):
            desk.now += 600
            looks.find_overdue([])
        await until(
            quiet,
            lambda: desk.open[0].last_seen == datetime.fromtimestamp(int(desk.now * 1000) / 1000, UTC),
            "it is heard of",
        )
        assert (desk.open[0].stale_at, desk.read("user_comm")) == (None, [])

        fires.clear()
        for _ in range(36):
            desk.now += 600
            looks.find_overdue([])
        await until(quiet, lambda: asked.count("/api/v2/status") > 2, "it is asked")
        assert len(desk.open) == 1, "it was started anew, and may not know yet"

        started.append(datetime(2020, 1, 1, tzinfo=UTC))
        await until(quiet, lambda: not desk.open, "it is over")
        assert desk.read("user_comm") == []
