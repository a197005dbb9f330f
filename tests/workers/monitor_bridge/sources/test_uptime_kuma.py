"""Uptime Kuma."""

from datetime import UTC, datetime
from typing import Any

import pytest

from vendor_payloads import alert, news, payload, refusal


def beat(status: object, **monitor: object) -> Any:  # noqa: ANN401 - JSON
    sent = payload("uptime_kuma_down.json")
    sent["heartbeat"]["status"] = status
    sent["monitor"].update(monitor)
    return sent


def test_down_and_up_again() -> None:
    down, up = alert("uptime_kuma", beat(0)), alert("uptime_kuma", beat(1))
    assert (down.key, down.title, down.severity, down.text) == (
        "monitor 3",
        "shop is down",
        "critical",
        "connect ECONNREFUSED",
    )
    assert down.at == datetime(2026, 1, 15, 10, 0, 0, 123000, UTC)
    assert (up.key, up.title, up.is_firing, up.key_returns) == (down.key, "shop is up again", False, True)


def test_a_tag_says_how_bad_it_is() -> None:
    tags = [{"name": "team", "value": "blue"}, {"name": "severity", "value": "warning"}]
    found = alert("uptime_kuma", beat(0, tags=tags))
    assert (found.severity, found.labels["team"]) == ("warning", "blue")


@pytest.mark.parametrize("status", [2, 3])
def test_pending_and_maintenance_are_no_news(status: int) -> None:
    assert news("uptime_kuma", beat(status)) == ()


def test_the_test_button() -> None:
    assert alert("uptime_kuma", {"heartbeat": None, "monitor": None, "msg": "Test message"}).is_test
    assert alert("uptime_kuma", {"heartbeat": None, "monitor": None, "msg": "team Testing"}).is_test


def test_a_certificate_that_ends_soon() -> None:
    said = "[shop][https://shop.example] server certificate shop.example will be expired in 7 days"
    found = alert("uptime_kuma", {"heartbeat": None, "monitor": None, "msg": said})
    assert (found.is_test, found.severity, found.title) == (False, "warning", said)
    later = alert("uptime_kuma", {"heartbeat": None, "monitor": None, "msg": said.replace("7 days", "1 day")})
    assert later.key == found.key


@pytest.mark.parametrize(("status", "is_firing"), [("down", True), (7, True), (None, True), ("1", False), (1.0, False)])
def test_a_state_that_is_not_known_is_a_problem(status: object, is_firing: bool) -> None:
    assert alert("uptime_kuma", beat(status)).is_firing == is_firing


def test_what_is_wrong_is_said() -> None:
    assert refusal("uptime_kuma", {"hello": 1}).startswith("Neither heartbeat nor msg is there")
    assert "choose the body" in refusal("uptime_kuma", "--boundary\r\n")
