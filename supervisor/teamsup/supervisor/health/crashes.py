"""The crashes of workers: decide which are reported together, and when. Pure.

A first crash is reported at once. Further crashes of a series follow in digests at growing intervals. One message
reports the crashes of many workers. A recovery is reported once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from teamsup.hub.models import NOT_CONFIGURED
from teamsup.status.crash import SPAWN_FAILED_PREFIX, Crash
from teamsup.status.process_state import State
from teamsup.terminal.formatting import format_duration, format_moment

_BATCH_SECONDS = 1.0
"""Seconds that a first crash waits for others, and for its outcome."""
_DIGEST_SECONDS = (60.0, 300.0, 900.0, 3600.0, 21600.0)
_SERIES_SECONDS = 3600.0
"""A crash within this many seconds after the worker's recovery belongs to the same series."""
_LOOP_CRASHES, _LOOP_SECONDS = 5, 600.0
_MAX_LISTED = 20


@dataclass(frozen=True, slots=True)
class CrashSeries:
    """The crashes of one worker in a row. ``report_at`` and ``recovered_at`` are monotonic seconds."""

    last: Crash
    began_at: float
    """Unix seconds."""
    report_at: float
    """The time of the next report."""
    count: int = 1
    unreported: int = 1
    reports: int = 0
    recent: tuple[float, ...] = ()
    """The times of the last few crashes, in Unix seconds."""
    recovered_at: float | None = None
    """The time when the worker had recovered."""
    was_down: bool = False
    """Whether it did not run at the time of the last report."""

    @property
    def is_loop(self) -> bool:
        """Return whether the worker crashes so often that monitor-bridge makes an incident of it."""
        return len(self.recent) == _LOOP_CRASHES and self.recent[-1] - self.recent[0] <= _LOOP_SECONDS


def add_crash(series: CrashSeries | None, crash: Crash, now: float) -> CrashSeries:
    """Return the series with a crash at ``now``."""
    if series is not None and series.recovered_at is not None and now - series.recovered_at > _SERIES_SECONDS:
        series = None
    soon = now + _BATCH_SECONDS
    if series is None:
        return CrashSeries(crash, crash.at, soon, recent=(crash.at,))
    due = series.report_at if series.unreported else max(series.report_at, soon)
    if crash.next_try_at is None and (series.recovered_at is not None or series.last.next_try_at is not None):
        # The earlier report said that the worker starts again, which is now wrong. So report soon.
        due = min(due, soon)
    recent = (*series.recent, crash.at)[-_LOOP_CRASHES:]
    return replace(
        series,
        last=crash,
        count=series.count + 1,
        unreported=series.unreported + 1,
        recent=recent,
        report_at=due,
        recovered_at=None,
    )


def mark_reported(series: CrashSeries, now: float, *, runs: bool) -> CrashSeries:
    """Return the series after all of it is reported."""
    pause = _DIGEST_SECONDS[min(series.reports, len(_DIGEST_SECONDS) - 1)]
    return replace(series, unreported=0, reports=series.reports + 1, report_at=now + pause, was_down=not runs)


def mark_recovered(series: CrashSeries, now: float) -> CrashSeries:
    """Return the series after the recovery is reported."""
    return replace(mark_reported(series, now, runs=True) if series.unreported else series, recovered_at=now)


@dataclass(frozen=True, slots=True)
class WorkerCondition:
    """The condition of a worker at the time of a report. ``next_try_at`` and ``started_at`` are Unix seconds."""

    state: str
    reason: str = ""
    started_at: float | None = None
    next_try_at: float | None = None


def describe(name: str, series: CrashSeries, condition: WorkerCondition, now: float) -> str:
    """Return the report about one worker at ``now``, in Unix seconds."""
    died = f"died ({series.last.reason})"
    if series.last.pid is None:
        died = f"could not be started ({series.last.reason.removeprefix(SPAWN_FAILED_PREFIX)})"
    if series.count > 1:
        died = f"has crashed {series.count} times in {_series_duration(series)}, last: {series.last.reason}"
    last = "" if series.last.pid is None else " It had printed nothing."
    if series.last.lines:
        last = "\n".join(["", "Its last lines:", *series.last.lines])
    return f"{name} {died}. {_describe_outcome(name, condition, now)}{last}"


def describe_several(several: Sequence[tuple[str, CrashSeries, WorkerCondition]], now: float) -> str:
    """Return the report about several workers."""
    lines = [f"{len(several)} workers have died:"]
    for name, series, condition in several[:_MAX_LISTED]:
        times = "" if series.count == 1 else f"{series.count} times in {_series_duration(series)}, last: "
        lines.append(f"{name}: {times}{_describe_cause(series.last)}. {_describe_outcome(name, condition, now)}")
    if len(several) > _MAX_LISTED:
        lines.append(f"and {len(several) - _MAX_LISTED} more")
    return "\n".join(lines)


def _describe_cause(crash: Crash) -> str:
    """Return the reason of a crash. For an unconfigured worker this is its last line, which names the
    missing setting.
    """
    text = crash.lines[-1].strip().rstrip(".") if crash.lines and crash.reason == NOT_CONFIGURED else ""
    return f"{crash.reason}: {text}" if text else crash.reason


def describe_recovery(name: str, series: CrashSeries, condition: WorkerCondition) -> str:
    """Return the report about a recovered worker."""
    times = "once" if series.count == 1 else f"{series.count} times, last: {series.last.reason}"
    began = condition.started_at
    since = "" if began is None else f" since {format_moment(datetime.fromtimestamp(began, UTC))}"
    return f"{name} runs again{since}. It had died {times}."


def _describe_outcome(name: str, condition: WorkerCondition, now: float) -> str:
    """Return the present state of the worker, as a phrase."""
    match condition.state:
        case State.STARTING | State.RUNNING:
            return "It was started again."
        case State.BACKOFF if condition.next_try_at is not None:
            return f"It is started again in {max(0.0, condition.next_try_at - now):.1f} s."
        case State.STOPPED | State.STOPPING:
            return "It was stopped since."
    why = f" ({condition.reason})" if condition.reason == NOT_CONFIGURED else ""
    return f"It is not started again{why}. Correct it, then run: teamsup restart {name}."


def _series_duration(series: CrashSeries) -> str:
    return format_duration(max(1.0, series.last.at - series.began_at))
