"""A rota: who is on call when. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo


@dataclass(frozen=True, slots=True)
class Shift:
    """The person who is on call, or None, and the end of the shift."""

    person: str | None
    ends_at: float | None
    """None if the shift never ends."""
    next_person: str | None = None


@dataclass(frozen=True, slots=True)
class Rota:
    """People who take turns. The first turn begins at ``begins``, a local time."""

    people: Sequence[str]
    begins: datetime
    days: int = 7
    zone: tzinfo = UTC

    def shift_at(self, now: float) -> Shift:
        """Return the shift at this moment. All handovers are at the same local time of day."""
        if not self.people:
            return Shift(None, None)
        local = datetime.fromtimestamp(now, self.zone).replace(tzinfo=None)
        number = (local - self.begins) // timedelta(days=self.days)
        # When clocks change, a local time may come twice or never. If it comes twice, the first one counts.
        number += (now >= self._handover(number + 1)) - (now < self._handover(number))
        if number < 0:
            return Shift(None, self._handover(0), self.people[0])
        return Shift(self._person(number), self._handover(number + 1), self._person(number + 1))

    def _person(self, number: int) -> str:
        return self.people[number % len(self.people)]

    def _handover(self, number: int) -> float:
        """Return the beginning of a shift."""
        return (self.begins + number * timedelta(days=self.days)).replace(tzinfo=self.zone).timestamp()


def parse_beginning(text: str) -> datetime:
    """Return the local time of a text such as ``2026-11-30 09:00``. Raise ValueError."""
    try:
        begins = datetime.fromisoformat(text)
    except ValueError:
        begins = None
    if begins is None or begins.tzinfo is not None or not 2000 <= begins.year <= 2200:
        raise ValueError(f'begins must be a day and a time, such as "2026-11-30 09:00", not {text!r}')
    return begins
