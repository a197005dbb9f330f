"""Times of the database: UTC text to the millisecond, which sorts with CURRENT_TIMESTAMP."""

from datetime import UTC, datetime

# Every time zone can show these times.
_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9998, 12, 31, tzinfo=UTC)


def format_time(seconds: float) -> str:
    """Return Unix seconds as ``YYYY-MM-DD HH:MM:SS.mmm``."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(" ", "milliseconds")[:23]


def as_datetime(seconds: float) -> datetime:
    """Return Unix seconds as the time that format_time() would store."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def parse_time(text: str | None) -> datetime | None:
    """Return the time of a stored value, or None if it is missing or is not a time."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(str(text))
        moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return min(max(moment, _FIRST), _LAST)
