"""Grafana's own alerting."""

from teamsup.workers.monitor_bridge.alert import Alert
from vendor_payloads import news, payload, refusal, with_change


def test_a_group_of_two() -> None:
    first, second = news("grafana", payload("grafana_firing.json"))
    assert isinstance(first, Alert)
    assert isinstance(second, Alert)
    assert first.key == "c6eadffa33fcdf37 2021-10-12T07:51:03.157076+00:00"
    assert first.title == "High memory usage: This alert was triggered for zone us-1"
    assert first.link == "https://play.grafana.org/alerting/1afz29v7z/edit"
    assert first.group == second.group == "{}:{}"
    assert first.thing != second.thing


def test_the_test_button() -> None:
    labels = {"alertname": "TestAlert", "instance": "Grafana"}
    body = with_change("grafana_firing.json", "alerts", 0, "labels", value=labels)
    assert [one.is_test for one in news("grafana", body) if isinstance(one, Alert)] == [True, False]


def test_alertmanager_is_told_from_it() -> None:
    assert 'its kind is "alertmanager"' in refusal("grafana", payload("alertmanager_firing.json"))
