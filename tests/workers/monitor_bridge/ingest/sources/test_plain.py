"""Anybody's script."""

from datetime import UTC, datetime

import pytest

from helpers.vendor_payloads import parse_alert, parse_error, parse_payload
from teamsup.workers.monitor_bridge.incidents.alert import Alert, SourceHeartbeat
from teamsup.workers.monitor_bridge.ingest.sources import UnreadablePart


def test_the_least() -> None:
    found = parse_alert("plain", {"title": "disk full"})
    assert (found.title, found.is_firing, found.severity, found.fingerprint) == (
        "disk full",
        True,
        "warning",
        "disk full",
    )


def test_all_of_it() -> None:
    found = parse_alert(
        "plain",
        {
            "title": "disk of db1 is full",
            "status": "resolved",
            "severity": "critical",
            "text": "97 %",
            "key": "disk-db1",
            "group": "db",
            "thing": "disk db1",
            "labels": {"host": "db1", "rack": 7, "spare": False},
            "link": "https://example.com",
            "at": "2026-01-15T10:00:00Z",
            "test": True,
        },
    )
    at = datetime(2026, 1, 15, 10, tzinfo=UTC)
    labels = {"host": "db1", "rack": "7", "spare": "false"}
    assert found == Alert(
        "here",
        "disk-db1",
        False,
        "disk of db1 is full",
        "critical",
        "97 %",
        "db",
        "disk db1",
        labels,
        "https://example.com",
        at,
        is_test=True,
        reuses_fingerprint=True,
    )


def test_several_in_a_list() -> None:
    several = [{"title": "one"}, {"heartbeat": "cron"}]
    assert [type(one) for one in parse_payload("plain", several)] == [Alert, SourceHeartbeat]


def test_a_line_of_text() -> None:
    found = parse_alert("plain", "disk full\nof db1\n")
    assert (found.title, found.text) == ("disk full", "of db1")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("  ", "The payload is empty."),
        ([], "The list is empty."),
        ({"titel": "x"}, 'There is no "titel"; known are title, status, severity, text,'),
        ({}, "title is missing."),
        ({"sign_of_life": "backup", "text": "x"}, '"sign_of_life" is called "heartbeat" now.'),
    ],
)
def test_a_wrong_payload_is_refused_with_its_mistake(body: object, reason: str) -> None:
    assert parse_error("plain", body).startswith(reason)


@pytest.mark.parametrize(
    "more", [{"status": "on"}, {"severity": "awful"}, {"labels": {"a": {}}}, {"labels": 5}, {"titel": "y"}, {"at": []}]
)
def test_a_wrong_field_outside_its_identity_refuses_no_alert(more: dict[str, object]) -> None:
    found = parse_alert("plain", {"title": "x", **more})
    assert (found.fingerprint, found.is_firing, found.severity, found.labels) == ("x", True, "warning", {})


def test_one_without_a_title_is_called_by_its_text() -> None:
    assert parse_alert("plain", {"text": "97 %", "key": "disk"}).title == "97 %"


def test_one_of_a_list_that_cannot_be_read_does_not_hide_the_others() -> None:
    first, bad, last = parse_payload("plain", [{"title": "x"}, 1, {"title": "y"}])
    assert [each.fingerprint for each in (first, last) if isinstance(each, Alert)] == ["x", "y"]
    assert bad == UnreadablePart("alert 1 must be a table, not a number.", 1)
