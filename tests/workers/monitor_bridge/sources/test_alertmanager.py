"""Prometheus Alertmanager."""

from datetime import UTC, datetime

import pytest

from teamsup.workers.monitor_bridge.alert import Alert, SignOfLife
from vendor_payloads import alert, news, payload, refusal, with_change


def test_an_alert_that_fires() -> None:
    found = alert("alertmanager", payload("alertmanager_firing.json"))

    assert found == Alert(
        source="here",
        key="fbab788ec4c1018b 2026-01-15T10:00:00+00:00",
        is_firing=True,
        title="HighCPU: High CPU usage",
        severity="critical",
        text="CPU usage is above 95% for 10 minutes\nRunbook: https://runbooks.example.com/cpu",
        group='{}/{severity="critical"}:{alertname="HighCPU"}',
        thing="alertname=HighCPU instance=web-01:9100 job=node",
        labels={"alertname": "HighCPU", "instance": "web-01:9100", "job": "node", "severity": "critical"},
        link="http://prometheus:9090/graph?g0.expr=up",
        at=datetime(2026, 1, 15, 10, tzinfo=UTC),
    )


def test_its_end_has_the_same_identity_and_thing() -> None:
    begun = alert("alertmanager", payload("alertmanager_firing.json"))
    body = with_change("alertmanager_firing.json", "alerts", 0, "status", value="resolved")
    body["alerts"][0]["endsAt"] = "2026-01-15T11:00:00Z"
    ended = alert("alertmanager", body)

    assert (ended.key, ended.thing, ended.group) == (begun.key, begun.thing, begun.group)
    assert not ended.is_firing
    assert ended.at == datetime(2026, 1, 15, 11, tzinfo=UTC)


def test_one_that_was_captured() -> None:
    found = alert("alertmanager", payload("alertmanager_resolved.json"))
    assert (found.is_firing, found.severity, found.link) == (False, "warning", "")
    assert found.title == "Deployment: Kubernetes Deployment Replicas Mismatch"


def test_the_same_problem_another_time_is_another() -> None:
    first = alert("alertmanager", payload("alertmanager_firing.json"))
    later = with_change("alertmanager_firing.json", "alerts", 0, "startsAt", value="2026-01-16T10:00:00Z")
    assert alert("alertmanager", later).key != first.key


def test_one_time_written_in_two_zones_is_one_time() -> None:
    first = alert("alertmanager", payload("alertmanager_firing.json"))
    zone = with_change("alertmanager_firing.json", "alerts", 0, "startsAt", value="2026-01-15T12:00:00+02:00")
    assert alert("alertmanager", zone).key == first.key


def test_what_it_has_left_out_is_known() -> None:
    assert alert("alertmanager", with_change("alertmanager_firing.json", "truncatedAlerts", value=7)).left_out == 7


def test_its_watchdog_is_a_sign_of_life_while_it_fires() -> None:
    body = with_change("alertmanager_firing.json", "alerts", 0, "labels", value={"alertname": "Watchdog"})
    at = datetime(2026, 1, 15, 10, tzinfo=UTC)
    assert news("alertmanager", body) == (SignOfLife("here", "Watchdog", "Watchdog", at),)

    body["alerts"][0]["labels"]["cluster"] = "eu"
    assert news("alertmanager", body) == (SignOfLife("here", "Watchdog/eu", "Watchdog/eu", at),)

    body["alerts"][0]["status"] = "resolved"
    assert news("alertmanager", body) == ()


def test_a_flood_is_bounded_and_what_is_left_out_is_said() -> None:
    body = payload("alertmanager_firing.json")
    body["alerts"] *= 3000
    found = news("alertmanager", body)
    assert len(found) == 2000
    assert isinstance(found[0], Alert)
    assert found[0].left_out == 1000


@pytest.mark.parametrize(
    ("keys", "value", "reason"),
    [
        (("version",), "1", 'version must be "4", not "1". Is this Grafana? Then its kind is "grafana".'),
        (("version",), 4, "version must be a text, not a number."),
        (("alerts",), [], "alerts is missing or empty."),
        (("alerts",), {"0": {}}, "alerts must be a list, not a table."),
        (("alerts",), ["fire"], "alerts[0] must be a table, not a text."),
        (("alerts", 0, "status"), "on", 'alerts[0].status must be "firing" or "resolved", not "on".'),
        (("alerts", 0, "fingerprint"), None, "alerts[0].fingerprint is missing."),
        (("alerts", 0, "labels"), [], "alerts[0].labels must be a table, not a list."),
        (("alerts", 0, "labels", "job"), ["a"], "alerts[0].labels.job must be a text, not a list."),
        (("alerts", 0, "startsAt"), "yesterday", "alerts[0].startsAt is no time that can be read."),
        (("alerts", 0, "startsAt"), True, "alerts[0].startsAt must be a time, not true or false."),
        (("truncatedAlerts",), "7", "truncatedAlerts must be a number, not a text."),
    ],
)
def test_what_is_wrong_is_said(keys: tuple[str | int, ...], value: object, reason: str) -> None:
    assert refusal("alertmanager", with_change("alertmanager_firing.json", *keys, value=value)) == reason
