"""The ticks of a schedule: when a cron expression is due. Pure."""

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError


def check_schedule(expression: str) -> None:
    """Raise ValueError unless this is a cron expression of five fields that is due at some time."""
    if len(expression.split()) != 5:
        raise ValueError(f'schedule must have five fields, such as "*/30 * * * *", not {expression!r}')
    try:
        next(CronSim(expression, datetime(2026, 1, 1, tzinfo=UTC)))
    except (CronSimError, StopIteration):
        raise ValueError(f'schedule is not a cron expression, such as "*/30 * * * *": {expression!r}') from None


def find_zone(name: str) -> tzinfo:
    """Return the time zone of that name; empty: the host's."""
    if name:
        return ZoneInfo(name)
    import os
    from pathlib import Path

    given = os.environ.get("TZ", "").removeprefix(":")
    candidates = [given] if given else []
    link = Path("/etc/localtime")
    if not given and link.is_symlink():
        candidates.append(os.path.realpath(link).partition("zoneinfo/")[2])
    for candidate in candidates:
        try:
            return ZoneInfo(candidate)
        except (ValueError, OSError, KeyError):
            continue
    return UTC if not link.exists() else _zone_of_file(link)


def _zone_of_file(path: "object") -> tzinfo:
    with open(str(path), "rb") as file:
        return ZoneInfo.from_file(file)
