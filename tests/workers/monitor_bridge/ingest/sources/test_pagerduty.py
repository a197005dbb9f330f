"""PagerDuty: its events and its webhooks."""

from typing import Any

import pytest

from helpers.vendor_payloads import change_payload, load_payload, parse_alert, parse_error, parse_payload


def event(**changes: object) -> Any:  # noqa: ANN401 - JSON
    return load_payload("pagerduty_event.json") | changes


def test_an_event_begins_and_ends_a_problem() -> None:
    began, ended = parse_alert("pagerduty", event()), parse_alert("pagerduty", event(event_action="resolve"))

    assert (began.fingerprint, began.title, began.severity, began.is_firing) == (
        "db1/disk",
        "Disk of db1 is full",
        "critical",
        True,
    )
    assert (ended.fingerprint, ended.is_firing) == (began.fingerprint, False)
    assert (began.labels["component"], began.labels["free"], began.link) == (
        "postgres",
        "2 %",
        "https://checks.example.com/7",
    )
    assert "path: /var" in began.text


def test_an_event_without_a_key_is_known_by_its_summary_and_cannot_be_ended() -> None:
    assert parse_alert("pagerduty", event(dedup_key=None)).fingerprint == "Disk of db1 is full"
    assert parse_error("pagerduty", event(dedup_key="", event_action="resolve")) == "dedup_key is missing."


def test_the_end_of_an_event_needs_no_payload() -> None:
    assert parse_alert("pagerduty", {"event_action": "resolve", "dedup_key": "k"}).title == "k"


@pytest.mark.parametrize("kind", ["incident.acknowledged", "pagey.ping", "incident.annotated", ""])
def test_an_acknowledgement_is_left_out(kind: str) -> None:
    assert parse_payload("pagerduty", change_payload("pagerduty_webhook.json", "event", "event_type", value=kind)) == ()
    assert parse_payload("pagerduty", event(event_action="acknowledge")) == ()


def test_a_webhook_is_about_an_incident() -> None:
    began = parse_alert("pagerduty", load_payload("pagerduty_webhook.json"))
    over = change_payload("pagerduty_webhook.json", "event", "event_type", value="incident.resolved")

    assert (began.fingerprint, began.severity, began.labels) == (
        "incident PGR0VU2",
        "critical",
        {"service": "API Service"},
    )
    assert not parse_alert("pagerduty", over).is_firing


def test_another_payload_is_refused() -> None:
    assert "neither PagerDuty's events nor its webhooks" in parse_error("pagerduty", {"a": 1})
