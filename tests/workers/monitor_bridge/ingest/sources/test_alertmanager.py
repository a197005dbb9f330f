"""Prometheus Alertmanager."""

from datetime import UTC, datetime

import pytest

from helpers.vendor_payloads import change_payload, load_payload, parse_alert, parse_error, parse_payload
from teamsup.workers.monitor_bridge.incidents.alert import Alert, SourceHeartbeat
from teamsup.workers.monitor_bridge.ingest.sources import UnreadablePart
from teamsup.workers.monitor_bridge.ingest.sources.payload import MAX_ALERTS


def test_an_alert_that_fires() -> None:
    found = parse_alert("alertmanager", load_payload("alertmanager_firing.json"))

    assert found == Alert(
        source="here",
        fingerprint="fbab788ec4c1018b",
        is_firing=True,
        title="HighCPU: High CPU usage",
        severity="critical",
        text="CPU usage is above 95% for 10 minutes\nRunbook: https://runbooks.example.com/cpu",
        group='{}/{severity="critical"}:{alertname="HighCPU"}',
        subject="alertname=HighCPU instance=web-01:9100 job=node",
        labels={"alertname": "HighCPU", "instance": "web-01:9100", "job": "node", "severity": "critical"},
        link="http://prometheus:9090/graph?g0.expr=up",
        occurred_at=datetime(2026, 1, 15, 10, tzinfo=UTC),
    )


def test_its_end_has_the_same_identity_and_subject() -> None:
    begun = parse_alert("alertmanager", load_payload("alertmanager_firing.json"))
    body = change_payload("alertmanager_firing.json", "alerts", 0, "status", value="resolved")
    body["alerts"][0]["endsAt"] = "2026-01-15T11:00:00Z"
    ended = parse_alert("alertmanager", body)

    assert (ended.fingerprint, ended.subject, ended.group) == (begun.fingerprint, begun.subject, begun.group)
    assert not ended.is_firing
    assert ended.occurred_at == datetime(2026, 1, 15, 11, tzinfo=UTC)


def test_one_that_was_captured() -> None:
    found = parse_alert("alertmanager", load_payload("alertmanager_resolved.json"))
    assert (found.is_firing, found.severity, found.link) == (False, "warning", "")
    assert found.title == "Deployment: Kubernetes Deployment Replicas Mismatch"


def test_a_beginning_that_moves_is_a_report_of_the_same_problem() -> None:
    first = parse_alert("alertmanager", load_payload("alertmanager_firing.json"))
    later = parse_alert(
        "alertmanager", change_payload("alertmanager_firing.json", "alerts", 0, "startsAt", value="2026-01-16")
    )
    assert (later.fingerprint, later.occurred_at) == (first.fingerprint, datetime(2026, 1, 16, tzinfo=UTC))


def test_without_a_fingerprint_it_is_known_by_its_labels() -> None:
    without = change_payload("alertmanager_firing.json", "alerts", 0, "fingerprint", value=None)
    assert (
        parse_alert("alertmanager", without).fingerprint
        == "alertname=HighCPU instance=web-01:9100 job=node severity=critical"
    )


def test_omitted_alerts_are_kept_for_a_person() -> None:
    found, rest = parse_payload("alertmanager", change_payload("alertmanager_firing.json", "truncatedAlerts", value=7))
    assert isinstance(found, Alert)
    assert isinstance(rest, UnreadablePart)
    assert rest.reason == "7 more alerts of the group are missing: max_alerts is too small."


def test_its_watchdog_is_a_sign_of_life_while_it_fires() -> None:
    body = change_payload("alertmanager_firing.json", "alerts", 0, "labels", value={"alertname": "Watchdog"})
    at = datetime(2026, 1, 15, 10, tzinfo=UTC)
    assert parse_payload("alertmanager", body) == (SourceHeartbeat("here", "Watchdog", "Watchdog", at),)

    body["alerts"][0]["labels"]["cluster"] = "eu"
    assert parse_payload("alertmanager", body) == (SourceHeartbeat("here", "Watchdog/eu", "Watchdog/eu", at),)

    body["alerts"][0]["status"] = "resolved"
    assert parse_payload("alertmanager", body) == ()


@pytest.mark.slow
def test_a_storm_is_bounded_and_what_is_left_out_is_said() -> None:
    body = load_payload("alertmanager_firing.json")
    body["alerts"] *= MAX_ALERTS + 1000
    *found, rest = parse_payload("alertmanager", body)
    assert len(found) == MAX_ALERTS
    assert isinstance(rest, UnreadablePart)
    assert rest.reason == "At most 10000 alerts are taken at once; these are 1000 more."


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("fire", "alerts[1] must be a table, not a text."),
        (None, "alerts[1] must be a table, not null."),
        ({"status": "firing"}, "alerts[1].fingerprint is missing."),
    ],
)
def test_one_that_cannot_be_read_does_not_hide_the_others(entry: object, reason: str) -> None:
    body = load_payload("alertmanager_firing.json")
    body["alerts"] = [body["alerts"][0], entry, {**body["alerts"][0], "fingerprint": "other"}]
    first, rest, last = parse_payload("alertmanager", body)
    assert [each.fingerprint for each in (first, last) if isinstance(each, Alert)] == ["fbab788ec4c1018b", "other"]
    assert rest == UnreadablePart(reason, entry)


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("fingerprint", 12345, Alert("here", "12345", True, "")),
        ("status", "on", Alert("here", "fbab788ec4c1018b", True, "")),
        ("status", "Resolved", Alert("here", "fbab788ec4c1018b", False, "")),
        ("labels", ["a"], Alert("here", "fbab788ec4c1018b", True, "")),
        ("annotations", "hello", Alert("here", "fbab788ec4c1018b", True, "")),
        ("startsAt", "yesterday", Alert("here", "fbab788ec4c1018b", True, "")),
        ("startsAt", True, Alert("here", "fbab788ec4c1018b", True, "")),
        ("startsAt", 1e300, Alert("here", "fbab788ec4c1018b", True, "")),
        (
            "startsAt",
            1768471200000,
            Alert("here", "fbab788ec4c1018b", True, "", occurred_at=datetime(2026, 1, 15, 10, tzinfo=UTC)),
        ),
        (
            "startsAt",
            "1768471200",
            Alert("here", "fbab788ec4c1018b", True, "", occurred_at=datetime(2026, 1, 15, 10, tzinfo=UTC)),
        ),
        ("generatorURL", 5, Alert("here", "fbab788ec4c1018b", True, "")),
    ],
)
def test_a_wrong_field_outside_its_identity_refuses_no_alert(field: str, value: object, expected: Alert) -> None:
    found = parse_alert("alertmanager", change_payload("alertmanager_firing.json", "alerts", 0, field, value=value))
    assert (found.fingerprint, found.is_firing) == (expected.fingerprint, expected.is_firing)
    if field == "startsAt":
        assert found.occurred_at == expected.occurred_at


@pytest.mark.parametrize(
    ("value", "kept"), [(7, "7"), (True, "true"), (["a", 1], "a, 1"), (None, None), ({"a": 1}, None)]
)
def test_a_label_of_any_type_is_a_text_or_none(value: object, kept: str | None) -> None:
    found = parse_alert(
        "alertmanager", change_payload("alertmanager_firing.json", "alerts", 0, "labels", "job", value=value)
    )
    assert found.labels.get("job") == kept


@pytest.mark.parametrize("alerts", [[], {"0": {}}, None])
def test_a_group_without_alerts_is_refused(alerts: object) -> None:
    body = change_payload("alertmanager_firing.json", "alerts", value=alerts)
    assert parse_error("alertmanager", body) == "alerts is missing or empty."
