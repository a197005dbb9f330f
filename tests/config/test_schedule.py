"""When a schedule is due: also over a change of the clocks, and after a time in which nobody looked."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from teamsup.config.schedule import check_schedule, find_zone, last_due_tick, next_tick

BERLIN = ZoneInfo("Europe/Berlin")
HALF_HOURLY, DAILY = "*/30 * * * *", "30 2 * * *"


def at(*moment: int, fold: int = 0) -> float:
    return datetime(*moment, tzinfo=BERLIN, fold=fold).timestamp()  # type: ignore[arg-type, misc]


def in_berlin(second: float) -> str:
    return datetime.fromtimestamp(second, BERLIN).isoformat()


def ticks(expression: str, after: float, count: int) -> list[str]:
    found = []
    for _ in range(count):
        after = next_tick(expression, BERLIN, after)
        found.append(in_berlin(after))
    return found


def test_a_tick_in_the_hour_that_is_left_out_comes_right_after_it() -> None:
    assert ticks(DAILY, at(2026, 3, 28, 12), 2) == ["2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"]


def test_a_daily_tick_in_the_hour_that_comes_twice_comes_once() -> None:
    assert ticks(DAILY, at(2026, 10, 24, 12), 2) == ["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"]


def test_a_tick_of_every_half_hour_comes_in_both() -> None:
    assert ticks(HALF_HOURLY, at(2026, 10, 25, 2, 15), 4) == [
        "2026-10-25T02:30:00+02:00",
        "2026-10-25T02:00:00+01:00",
        "2026-10-25T02:30:00+01:00",
        "2026-10-25T03:00:00+01:00",
    ]


@pytest.mark.parametrize(
    ("done", "now", "due"),
    [
        (at(2026, 1, 1, 12, 0), at(2026, 1, 1, 12, 29, 59), None),
        (at(2026, 1, 1, 12, 0), at(2026, 1, 1, 12, 30), "2026-01-01T12:30:00+01:00"),
        (at(2025, 1, 1), at(2026, 1, 1, 12, 31), "2026-01-01T12:30:00+01:00"),
        (at(2026, 1, 2), at(2026, 1, 1), None),
    ],
    ids=["too early", "to the second", "a year was missed", "the clock was set back"],
)
def test_a_missed_stretch_is_one_tick(done: float, now: float, due: str | None) -> None:
    found = last_due_tick(HALF_HOURLY, BERLIN, done, now)
    assert (None if found is None else in_berlin(found)) == due


@pytest.mark.parametrize("wrong", ["", "every day", "* * * *", "60 * * * *", "0 0 31 2 *", "* * * * * *"])
def test_another_text_than_a_schedule_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="schedule"):
        check_schedule(wrong)


def test_the_time_zone_is_that_of_the_section_else_the_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert str(find_zone("Europe/Berlin")) == "Europe/Berlin"
    assert str(find_zone("")) == "Asia/Tokyo"
