"""What is known of a connection, by the clock."""

import pytest

from teamsup.workers.gateway.connection.health import ConnectionHealth


def a_line(*, interval: float = 40.0) -> ConnectionHealth:
    line = ConnectionHealth(0.0)
    line.on_event("READY", 0.0)
    line.on_heartbeat(interval, 0.05, 0.0)
    return line


@pytest.mark.parametrize(
    ("now", "up", "zombie"), [(40.0, True, False), (61.0, True, False), (62.0, False, False), (82.0, False, True)]
)
def test_connected_means_that_heartbeats_are_acknowledged(now: float, *, up: bool, zombie: bool) -> None:
    line = a_line()
    assert (line.is_up(now), line.is_zombie(now)) == (up, zombie)


def test_a_client_is_replaced_when_discord_ends_its_connections_repeatedly() -> None:
    in_a_row, now_and_then, seldom, never_in = a_line(), a_line(), a_line(), ConnectionHealth(0.0)
    for number in range(3):
        assert not in_a_row.reconnect_reason(number)
        in_a_row.on_disconnect(number)
    assert "in a row" in in_a_row.reconnect_reason(3)
    for number in range(5):
        assert not now_and_then.reconnect_reason(10 * number)
        now_and_then.on_disconnect(10 * number)
        now_and_then.on_event("RESUMED", 10 * number + 1)
    assert "within a minute" in now_and_then.reconnect_reason(45)
    for number in range(50):
        seldom.on_disconnect(20 * number)
        seldom.on_event("RESUMED", 20 * number + 1)
        assert not seldom.reconnect_reason(20 * number + 1)
    assert not never_in.reconnect_reason(60)
    assert "not accepted us" in never_in.reconnect_reason(61)


def test_the_status_changes_only_where_somebody_would_notice() -> None:
    line = a_line()
    line.on_event("MESSAGE_CREATE", 7500.0)
    line.on_heartbeat(40.0, 0.043, 7510.0)
    assert line.describe(7512.0) == "connected for 2h 5m, latency 43 ms, last event 10s ago"
    assert line.describe(7512.0) == line.describe(7519.0)
    assert line.describe(7503.0).endswith("last event just now")
