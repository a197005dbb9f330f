"""Problems that are looked for again and again: each begins and ends only after several looks agree. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from .alert import Alert, Severity


@dataclass(frozen=True, slots=True)
class Reading:
    """One look at one thing that may be a problem."""

    key: str
    is_bad: bool | None
    """None: between the level at which it begins and the one at which it ends, so it stays what it was."""
    title: str
    severity: Severity = "warning"
    labels: Mapping[str, str] = field(default_factory=dict)
    retells: bool = False
    """Another title while it is bad is news of the same problem."""
    begins_after: int = 0
    """So many looks in a row at least before it begins."""


@dataclass(frozen=True, slots=True)
class Course:
    """How a thing has been going."""

    is_bad: bool = False
    against: int = 0
    """So many looks in a row have said the opposite."""
    title: str = ""
    """What is bad, as it was said last."""


def level(value: float, enter: float, leave: float) -> bool | None:
    """Whether a value is bad: above where that begins, below where it ends, or in between."""
    if value > enter:
        return True
    return False if value < leave else None


def follow(
    courses: Mapping[str, Course], readings: Iterable[Reading], samples: int
) -> tuple[dict[str, Course], list[Reading]]:
    """The courses after another look, and what has begun or ended with it. What is not looked at any more has ended."""
    after: dict[str, Course] = {}
    news: list[Reading] = []
    for reading in readings:
        course = courses.get(reading.key, Course())
        against = course.against + 1 if reading.is_bad not in (None, course.is_bad) else 0
        if against >= (samples if course.is_bad else max(samples, reading.begins_after)):
            course, against = Course(not course.is_bad, title=reading.title), 0
            news.append(reading)
        elif reading.retells and reading.is_bad and course.is_bad and reading.title != course.title:
            course = replace(course, title=reading.title)
            news.append(reading)
        after[reading.key] = replace(course, against=against)
    gone = [key for key, course in courses.items() if course.is_bad and key not in after]
    return after, news + [Reading(key, False, key) for key in gone]


def alert(source: str, reading: Reading, is_bad: bool) -> Alert:
    """The news of a reading."""
    return Alert(
        source,
        reading.key,
        is_bad,
        reading.title,
        reading.severity,
        thing=reading.key,
        labels=reading.labels,
        key_returns=True,
    )
