"""Whether memory and files grow: samples of a run, and the slope of their second half."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

HOUR = 3600.0
WARM_UP_SECONDS = 45.0
"""A process that has just started is still importing, on a busy machine for long. That says nothing about growth."""
SHORTEST_SECONDS = 120.0
"""A process that was seen for less than this in the second half still fills its caches, so it tells nothing. Where no
process tells anything, the sheet says so instead of judging."""
FLAT_MIB = 6.0
"""What a process may gain in the second half. Python takes its memory in arenas of 1 MiB. Each connection to SQLite
fills a page cache of 2 MiB. So the first hours of any work add some MiB, which then stay. A leak goes on: in an
hour this limit finds 12 MiB an hour."""
FLAT_FILES = 8
"""What the number of files outside of logs and runs may gain: drafts and lock files come and go."""


@dataclass(frozen=True)
class Sample:
    """One figure of one thing at a time. ``incarnation`` is the pid: a new process begins at its own level."""

    seconds: float
    name: str
    incarnation: int
    value: float
    age: float = WARM_UP_SECONDS


@dataclass(frozen=True)
class Growth:
    """How one figure has changed in the second half of a run."""

    name: str
    unit: str
    last: float
    per_hour: float
    """The fitted slope."""
    gained: float
    """The slope times the seconds of the second half."""
    limit: float
    seconds: float
    """How long it was seen in the second half, the times of all its processes together."""

    @property
    def verdict(self) -> Literal["flat", "not flat", "too short to tell"]:
        if self.seconds < SHORTEST_SECONDS:
            return "too short to tell"
        return "flat" if self.gained <= self.limit else "not flat"


def measure_growth(samples: Iterable[Sample], unit: str, limit: float) -> list[Growth]:
    """Fit the slope of each name over the second half of the run."""
    kept = [each for each in samples if each.age >= WARM_UP_SECONDS]
    if not kept:
        return []
    middle = (min(each.seconds for each in kept) + max(each.seconds for each in kept)) / 2
    half = max(each.seconds for each in kept) - middle
    found = []
    for name in dict.fromkeys(each.name for each in kept):
        own = [each for each in kept if each.name == name]
        late = _long_lived([each for each in own if each.seconds >= middle])
        slope = fit_slope(late)
        found.append(
            Growth(
                name,
                unit,
                own[-1].value,
                slope * HOUR,
                slope * half,
                limit,
                sum(_seconds_by_incarnation(late).values()),
            )
        )
    return found


def _long_lived(samples: Sequence[Sample]) -> list[Sample]:
    spans = _seconds_by_incarnation(samples)
    return [each for each in samples if spans[each.incarnation] >= SHORTEST_SECONDS]


def _seconds_by_incarnation(samples: Sequence[Sample]) -> dict[int, float]:
    seen: dict[int, list[float]] = {}
    for each in samples:
        seen.setdefault(each.incarnation, []).append(each.seconds)
    return {number: max(times) - min(times) for number, times in seen.items()}


def fit_slope(samples: Sequence[Sample]) -> float:
    """Return the common slope of all incarnations, each with its own level, in units a second; 0.0 if none has two
    samples.
    """
    above = below = 0.0
    for number in {each.incarnation for each in samples}:
        own = [each for each in samples if each.incarnation == number]
        mean_time = sum(each.seconds for each in own) / len(own)
        mean_value = sum(each.value for each in own) / len(own)
        above += sum((each.seconds - mean_time) * (each.value - mean_value) for each in own)
        below += sum((each.seconds - mean_time) ** 2 for each in own)
    return above / below if below else 0.0
