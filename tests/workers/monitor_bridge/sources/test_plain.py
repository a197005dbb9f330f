"""Anybody's script."""

from datetime import UTC, datetime

import pytest

from teamsup.workers.monitor_bridge.alert import Alert, SignOfLife
from vendor_payloads import alert, news, refusal


def test_the_least() -> None:
    found = alert("plain", {"title": "disk full"})
    assert (found.title, found.is_firing, found.severity, found.key) == ("disk full", True, "warning", "disk full")


def test_all_of_it() -> None:
    found = alert(
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
        key_returns=True,
    )


def test_several_in_a_list() -> None:
    several = [{"title": "one"}, {"sign_of_life": "cron"}]
    assert [type(one) for one in news("plain", several)] == [Alert, SignOfLife]


def test_a_line_of_text() -> None:
    found = alert("plain", "disk full\nof db1\n")
    assert (found.title, found.text) == ("disk full", "of db1")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("  ", "The payload is empty."),
        ([], "The list is empty."),
        ([1], "alert 0 must be a table, not a number."),
        ([{"title": "x"}] * 2001, "These are 2001 alerts; at most 2000 may come at once."),
        ({"titel": "x"}, 'There is no "titel"; known are title, status, severity, text,'),
        ({}, "title is missing."),
        ({"title": "x", "status": "on"}, 'status must be "firing" or "resolved", not "on".'),
        ({"title": "x", "severity": "awful"}, 'severity must be "critical", "warning" or "info", not "awful".'),
        ({"title": "x", "labels": {"a": {}}}, "labels.a must be a text, not a table."),
    ],
)
def test_what_is_wrong_is_said(body: object, reason: str) -> None:
    assert refusal("plain", body).startswith(reason)
