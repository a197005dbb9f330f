"""Quiet hours follow the clock on the wall of a person, over midnight and where clocks change."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from teamsup.workers.monitor_bridge.incidents.quiet_hours import parse_hours

BERLIN = ZoneInfo("Europe/Berlin")


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("hours", "at", "end"),
    [
        ("22:00-07:00", "2026-11-30 20:59:59", None),
        ("22:00-07:00", "2026-11-30 21:00:00", "2026-12-01 06:00:00"),
        ("22:00-07:00", "2026-12-01 05:59:30", "2026-12-01 06:00:00"),
        ("22:00-07:00", "2026-12-01 06:00:00", None),
        ("00:00-06:30", "2026-11-30 23:00:00", "2026-12-01 05:30:00"),
        ("12:00-13:00", "2026-12-01 11:30:00", "2026-12-01 12:00:00"),
        ("12:00-13:00", "2026-12-01 12:00:00", None),
        # The night of 28 March 2026 is an hour shorter, that of 24 October an hour longer.
        ("22:00-07:00", "2026-03-28 21:00:00", "2026-03-29 05:00:00"),
        ("22:00-07:00", "2026-10-24 20:00:00", "2026-10-25 06:00:00"),
        # Their end is in the hour that is missing: at three o'clock they are over.
        ("22:00-02:30", "2026-03-29 00:59:00", "2026-03-29 01:00:00"),
        ("22:00-02:30", "2026-03-29 01:00:00", None),
    ],
)
def test_they_end_at_a_time_of_the_local_clock(hours: str, at: str, end: str | None) -> None:
    quiet, now = parse_hours(hours, BERLIN), seconds(at)
    assert quiet.covers(now) is (end is not None)
    if end is not None:
        assert quiet.end_after(now) == seconds(end)


@pytest.mark.parametrize("text", ["22-07", "22:00", "25:00-07:00", "22:00-22:00", "22:00 - 07:00", ""])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="quiet_hours"):
        parse_hours(text)
