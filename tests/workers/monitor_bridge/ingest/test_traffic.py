"""How much a source sends, and when it last did."""

import pytest

from helpers.incident_harness import FIRING, IncidentHarness, Join
from teamsup.workers.monitor_bridge.entries.figures import read_figures
from teamsup.workers.monitor_bridge.ingest.traffic import SourceTraffic

NOON = 1_800_000_000.0


@pytest.mark.parametrize(
    ("seconds", "after", "rate"),
    [
        ((0,), 0, 0.2),
        ((0, 10, 70, 130, 299), 299, 1.0),
        ((0, 10), 600, 0.0),
        # A clock that was set back by an hour: what came before counts no more.
        ((0, -3600), -3600, 0.2),
        ((), 0, 0.0),
    ],
)
def test_the_rate_is_the_mean_of_five_minutes(seconds: tuple[float, ...], after: float, rate: float) -> None:
    traffic = SourceTraffic()
    for each in seconds:
        traffic.record("prom", NOON + each)
    assert traffic.per_minute("prom", NOON + after) == pytest.approx(rate)
    assert traffic.totals["prom"] == len(seconds)


def test_people_see_each_source_also_one_that_has_sent_nothing() -> None:
    traffic = SourceTraffic()
    traffic.record("prom", NOON)
    assert (
        traffic.describe(["prom", "script"], NOON) == "prom: 0.2/min, last 2027-01-15 08:00:00 UTC; script: nothing yet"
    )
    assert traffic.describe([f"s{number}" for number in range(6)], NOON).endswith("s3: nothing yet; and 2 more sources")
    assert traffic.describe([], NOON) == ""


def test_the_metrics_have_each_source_and_what_is_muted(join: Join) -> None:
    harness = IncidentHarness(join)
    traffic = SourceTraffic()
    traffic.record("prom", NOON)
    harness.hub.heartbeat(sources=traffic.as_metadata(["prom", "script"], NOON))
    harness.mute("title=HighCPU*")
    harness.ingest(FIRING)
    found = {each.name: each.samples for each in read_figures(harness.hub)}
    assert found["payloads_total"] == (({"source": "prom"}, 1.0), ({"source": "script"}, 0.0))
    assert found["payloads_per_minute"] == (({"source": "prom"}, 0.2), ({"source": "script"}, 0.0))
    assert found["last_payload_timestamp_seconds"] == (({"source": "prom"}, NOON),)
    assert found["incidents_open"][1] == ({"severity": "warning"}, 1)
    assert found["incidents_muted"] == (({}, 1),)
