"""Grafana's own alerting."""

from datetime import UTC, datetime

from helpers.vendor_payloads import change_payload, load_payload, parse_payload
from teamsup.workers.monitor_bridge.incidents.alert import Alert


def test_a_group_of_two() -> None:
    first, second = parse_payload("grafana", load_payload("grafana_firing.json"))
    assert isinstance(first, Alert)
    assert isinstance(second, Alert)
    assert first.fingerprint == "c6eadffa33fcdf37"
    assert first.title == "High memory usage: This alert was triggered for zone us-1"
    assert first.link == "https://play.grafana.org/alerting/1afz29v7z/edit"
    assert first.group == second.group == "{}:{}"
    assert first.subject != second.subject


def test_the_test_button() -> None:
    labels = {"alertname": "TestAlert", "instance": "Grafana"}
    body = change_payload("grafana_firing.json", "alerts", 0, "labels", value=labels)
    assert [one.is_test for one in parse_payload("grafana", body) if isinstance(one, Alert)] == [True, False]


def test_its_end_may_move_the_beginning() -> None:
    """Grafana 12 sends ``startsAt`` = ``endsAt`` when it resolves."""
    body = change_payload("grafana_firing.json", "alerts", 0, "status", value="resolved")
    body["alerts"][0]["startsAt"] = body["alerts"][0]["endsAt"] = "2021-10-12T10:30:00Z"
    begun, ended = parse_payload("grafana", load_payload("grafana_firing.json"))[0], parse_payload("grafana", body)[0]
    assert isinstance(begun, Alert)
    assert isinstance(ended, Alert)
    assert (ended.fingerprint, ended.is_firing, ended.occurred_at) == (
        begun.fingerprint,
        False,
        datetime(2021, 10, 12, 10, 30, tzinfo=UTC),
    )
