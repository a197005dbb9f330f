"""Repeated checks: a problem begins or ends only after several equal results. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from ..incidents.alert import Alert, Severity


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One result of one check."""

    key: str
    is_bad: bool | None
    """None if the value is between the two levels at which a problem begins and ends. The state then stays the same."""
    title: str
    severity: Severity = "warning"
    labels: Mapping[str, str] = field(default_factory=dict)
    updates_title: bool = False
    """Whether a changed title updates the open problem."""
    min_samples: int = 0
    """The minimum number of equal results in a row before a problem begins."""


@dataclass(frozen=True, slots=True)
class CheckState:
    """The recent results of one check."""

    is_bad: bool = False
    opposing_samples: int = 0
    """The number of opposite results in a row so far."""
    title: str = ""
    """The last title of the problem."""


def apply_hysteresis(value: float, enter: float, leave: float) -> bool | None:
    """Return whether a value is bad: True above ``enter``, False below ``leave``, and None in between."""
    if value > enter:
        return True
    return False if value < leave else None


def update_states(
    courses: Mapping[str, CheckState], readings: Iterable[CheckResult], samples: int
) -> tuple[dict[str, CheckState], list[CheckResult]]:
    """Return the states after another check, and the problems that began or ended. The problem of a check without a
    result has ended.
    """
    after: dict[str, CheckState] = {}
    changed: list[CheckResult] = []
    for reading in readings:
        course = courses.get(reading.key, CheckState())
        against = course.opposing_samples + 1 if reading.is_bad not in (None, course.is_bad) else 0
        if against >= (samples if course.is_bad else max(samples, reading.min_samples)):
            course, against = CheckState(not course.is_bad, title=reading.title), 0
            changed.append(reading)
        elif reading.updates_title and reading.is_bad and course.is_bad and reading.title != course.title:
            course = replace(course, title=reading.title)
            changed.append(reading)
        after[reading.key] = replace(course, opposing_samples=against)
    gone = [key for key, course in courses.items() if course.is_bad and key not in after]
    return after, changed + [CheckResult(key, False, key) for key in gone]


def to_alert(source: str, reading: CheckResult, is_bad: bool) -> Alert:
    """Return the alert for a result."""
    return Alert(
        source,
        reading.key,
        is_bad,
        reading.title,
        reading.severity,
        subject=reading.key,
        labels=reading.labels,
        reuses_fingerprint=True,
    )
