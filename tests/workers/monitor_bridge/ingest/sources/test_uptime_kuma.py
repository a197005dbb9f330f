"""Uptime Kuma."""

from datetime import UTC, datetime
from typing import Any

import pytest

from helpers.vendor_payloads import load_payload, parse_alert, parse_error, parse_payload


def beat(status: object, **monitor: object) -> Any:  # noqa: ANN401 - JSON
    sent = load_payload("uptime_kuma_down.json")
    sent["heartbeat"]["status"] = status
    sent["monitor"].update(monitor)
    return sent


def test_down_and_up_again() -> None:
    down, up = parse_alert("uptime_kuma", beat(0)), parse_alert("uptime_kuma", beat(1))
    assert (down.fingerprint, down.title, down.severity, down.text) == (
        "monitor 3",
        "shop is down",
        "critical",
        "connect ECONNREFUSED",
    )
    assert down.occurred_at == datetime(2026, 1, 15, 10, 0, 0, 123000, UTC)
    assert (up.fingerprint, up.title, up.is_firing, up.reuses_fingerprint) == (
        down.fingerprint,
        "shop is up again",
        False,
        True,
    )


def test_a_tag_says_how_bad_it_is() -> None:
    tags = [{"name": "team", "value": "blue"}, {"name": "severity", "value": "warning"}]
    found = parse_alert("uptime_kuma", beat(0, tags=tags))
    assert (found.severity, found.labels["team"]) == ("warning", "blue")


@pytest.mark.parametrize("status", [2, 3])
def test_pending_and_maintenance_are_not_reported(status: int) -> None:
    assert parse_payload("uptime_kuma", beat(status)) == ()


def test_the_test_button() -> None:
    assert parse_alert("uptime_kuma", {"heartbeat": None, "monitor": None, "msg": "Test message"}).is_test
    assert parse_alert("uptime_kuma", {"heartbeat": None, "monitor": None, "msg": "team Testing"}).is_test


def test_a_certificate_that_ends_soon() -> None:
    said = "[shop][https://shop.example] server certificate shop.example will be expired in 7 days"
    found = parse_alert("uptime_kuma", {"heartbeat": None, "monitor": None, "msg": said})
    assert (found.is_test, found.severity, found.title) == (False, "warning", said)
    later = parse_alert("uptime_kuma", {"heartbeat": None, "monitor": None, "msg": said.replace("7 days", "1 day")})
    assert later.fingerprint == found.fingerprint


@pytest.mark.parametrize(("status", "is_firing"), [("down", True), (7, True), (None, True), ("1", False), (1.0, False)])
def test_a_state_that_is_not_known_is_a_problem(status: object, is_firing: bool) -> None:
    assert parse_alert("uptime_kuma", beat(status)).is_firing == is_firing


def test_a_wrong_payload_is_refused_with_its_mistake() -> None:
    assert parse_error("uptime_kuma", {"hello": 1}).startswith("heartbeat and msg are missing")
    assert "Choose the body" in parse_error("uptime_kuma", "--boundary\r\n")
