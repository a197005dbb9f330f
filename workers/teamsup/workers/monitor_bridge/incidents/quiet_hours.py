"""The quiet hours of a person, in their own time zone. Pure."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, tzinfo

_HOURS = re.compile(r"(\d{2}:\d{2})-(\d{2}:\d{2})", re.ASCII)
_MINUTE = 60.0
_DAY_MINUTES = 25 * 60  # of the longest day


@dataclass(frozen=True, slots=True)
class QuietHours:
    """The quiet hours of each day, from one local time to another, perhaps over midnight."""

    begin: time
    end: time
    zone: tzinfo = UTC

    def covers(self, now: float) -> bool:
        local = datetime.fromtimestamp(now, self.zone).time()
        if self.begin < self.end:
            return self.begin <= local < self.end
        return local >= self.begin or local < self.end

    def end_after(self, now: float) -> float:
        """Return the next end of the quiet hours. Look at each minute, because an hour is missing or comes twice when
        clocks change.
        """
        minute = now // _MINUTE * _MINUTE
        later = (minute + each * _MINUTE for each in range(1, _DAY_MINUTES + 1))
        return next((moment for moment in later if not self.covers(moment)), now + _DAY_MINUTES * _MINUTE)


def parse_hours(text: str, zone: tzinfo = UTC) -> QuietHours:
    """Return the quiet hours of a text such as ``22:00-07:00``. Raise ValueError."""
    match = _HOURS.fullmatch(text)
    try:
        begin, end = map(time.fromisoformat, match.groups() if match is not None else ())
    except ValueError:
        raise ValueError(f'quiet_hours must be two times, such as "22:00-07:00", not {text!r}') from None
    if begin == end:
        raise ValueError(f"quiet_hours: {text!r} has no length")
    return QuietHours(begin, end, zone)
