"""The ticks of a schedule: the times when a cron expression is due. Pure, except for the host's time zone."""

import os
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

_LOCAL_TIME = Path("/etc/localtime")
_FIELDS = 5


def check_schedule(expression: str) -> None:
    """Raise ValueError unless this is a cron expression of five fields that is due at some time."""
    if len(expression.split()) != _FIELDS:
        raise ValueError(f'schedule must have five fields, such as "*/30 * * * *", not {expression!r}')
    try:
        next(CronSim(expression, datetime(2026, 1, 1, tzinfo=UTC)))
    except (CronSimError, StopIteration):
        raise ValueError(f'schedule is not a cron expression, such as "*/30 * * * *": {expression!r}') from None


def next_tick(expression: str, zone: tzinfo, after: float) -> float:
    """Return the Unix second of the first tick after ``after``.

    When clocks go forward, a tick in the missing hour comes right after it. When clocks go back, the repeated hour has
    its ticks once, unless the expression names every hour.
    """
    return next(CronSim(expression, datetime.fromtimestamp(after, zone))).timestamp()


def last_due_tick(expression: str, zone: tzinfo, done: float, now: float) -> float | None:
    """Return the latest tick after ``done`` and up to now, or None. So several missed ticks cause one run."""
    if next_tick(expression, zone, done) > now:
        return None
    # Search backwards from now, so that a year of missed ticks costs as much as one.
    latest = next(CronSim(expression, datetime.fromtimestamp(int(now) + 1, zone), reverse=True)).timestamp()
    return latest if latest > done else next_tick(expression, zone, done)


def find_zone(name: str) -> tzinfo:
    """Return the time zone of this name, or the host's if the name is empty."""
    if name:
        return ZoneInfo(name)
    given = os.environ.get("TZ", "").removeprefix(":")
    named = given or os.path.realpath(_LOCAL_TIME).partition("zoneinfo/")[2]
    try:
        if named:
            return ZoneInfo(named)
        with _LOCAL_TIME.open("rb") as file:
            return ZoneInfo.from_file(file)
    except (ValueError, OSError, KeyError):
        return UTC
