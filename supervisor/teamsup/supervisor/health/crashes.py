"""The deaths of workers: what is kept of one, which are told together, and when. Pure.

A first death is told at once, the next ones of a row in digests at ever longer intervals, and what many workers have
died of in one message. That a worker is well again is told once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from teamsup.hub.models import NOT_CONFIGURED
from teamsup.terminal.formatting import format_duration

from ..processes.lifecycle import State

SPAWN_FAILED_PREFIX = "cannot be started: "
"""With this begins the reason of a death without a process."""
KEPT_LINES = 20
KEPT_COLUMNS = 500
KEPT_CRASHES = 5
_BATCH_SECONDS = 1.0
"""So long a first death waits for those that come with it, and for what became of it."""
_DIGEST_SECONDS = (60.0, 300.0, 900.0, 3600.0, 21600.0)
_SERIES_SECONDS = 3600.0
"""A death that comes so soon after its worker was well again belongs to the same row."""
_LOOP_CRASHES, _LOOP_SECONDS = 5, 600.0
_MAX_LISTED = 20


@dataclass(frozen=True, slots=True)
class Crash:
    """One end of a worker that nobody had asked for. Times are Unix seconds."""

    at: float
    pid: int | None
    """None: it could not even be started."""
    reason: str
    failures: int
    """Deaths in a row, with this one."""
    next_try_at: float | None
    """None: it is not tried again."""
    lines: tuple[str, ...]
    """The last that it printed."""
    ran_seconds: float | None = None
    """How long it had been running; None: it was not ready yet."""


@dataclass(frozen=True, slots=True)
class CrashSeries:
    """The deaths of one worker in a row. ``due`` and ``well_at`` are monotonic seconds."""

    last: Crash
    began_at: float
    """Unix seconds."""
    report_at: float
    """When what is new of it is told."""
    count: int = 1
    unreported: int = 1
    reports: int = 0
    recent: tuple[float, ...] = ()
    """The last few, in Unix seconds."""
    recovered_at: float | None = None
    """When the worker was found well again."""
    was_down: bool = False
    """Whether it did not run when it was told of last."""

    @property
    def is_loop(self) -> bool:
        """Whether it dies so often that monitor-bridge makes an incident of it."""
        return len(self.recent) == _LOOP_CRASHES and self.recent[-1] - self.recent[0] <= _LOOP_SECONDS


def add_crash(row: CrashSeries | None, death: Crash, now: float) -> CrashSeries:
    """Return the row with a death that comes at ``now``."""
    if row is not None and row.recovered_at is not None and now - row.recovered_at > _SERIES_SECONDS:
        row = None
    soon = now + _BATCH_SECONDS
    if row is None:
        return CrashSeries(death, death.at, soon, recent=(death.at,))
    due = row.report_at if row.unreported else max(row.report_at, soon)
    if death.next_try_at is None and (row.recovered_at is not None or row.last.next_try_at is not None):
        # What was told before says that it is started again.
        due = min(due, soon)
    recent = (*row.recent, death.at)[-_LOOP_CRASHES:]
    return replace(
        row,
        last=death,
        count=row.count + 1,
        unreported=row.unreported + 1,
        recent=recent,
        report_at=due,
        recovered_at=None,
    )


def mark_reported(row: CrashSeries, now: float, *, runs: bool) -> CrashSeries:
    """Return the row once all of it has been told."""
    pause = _DIGEST_SECONDS[min(row.reports, len(_DIGEST_SECONDS) - 1)]
    return replace(row, unreported=0, reports=row.reports + 1, report_at=now + pause, was_down=not runs)


def mark_recovered(row: CrashSeries, now: float) -> CrashSeries:
    """Return the row of a worker that is well again, once that has been told."""
    return replace(mark_reported(row, now, runs=True) if row.unreported else row, recovered_at=now)


@dataclass(frozen=True, slots=True)
class WorkerCondition:
    """How a worker is when it is told of. ``next_try_at`` and ``started_at`` are Unix seconds."""

    state: str
    reason: str = ""
    started_at: float | None = None
    next_try_at: float | None = None


def describe(name: str, row: CrashSeries, standing: WorkerCondition, now: float) -> str:
    """What the team is told of one worker at ``now``, in Unix seconds."""
    died = f"died ({row.last.reason})"
    if row.last.pid is None:
        died = f"could not be started ({row.last.reason.removeprefix(SPAWN_FAILED_PREFIX)})"
    if row.count > 1:
        died = f"has crashed {row.count} times in {_series_duration(row)}, last: {row.last.reason}"
    last = "" if row.last.pid is None else " It had printed nothing."
    if row.last.lines:
        last = "\n".join(["", "Its last lines:", *row.last.lines])
    return f"{name} {died}. {_describe_outcome(name, standing, now)}{last}"


def describe_several(rows: Sequence[tuple[str, CrashSeries, WorkerCondition]], now: float) -> str:
    """What the team is told of several workers at once."""
    lines = [f"{len(rows)} workers have died:"]
    for name, row, standing in rows[:_MAX_LISTED]:
        times = "" if row.count == 1 else f"{row.count} times in {_series_duration(row)}, last: "
        lines.append(f"{name}: {times}{_describe_cause(row.last)}. {_describe_outcome(name, standing, now)}")
    if len(rows) > _MAX_LISTED:
        lines.append(f"and {len(rows) - _MAX_LISTED} more")
    return "\n".join(lines)


def _describe_cause(death: Crash) -> str:
    """Return its reason; of who is not configured its last line, which says what it lacks."""
    said = death.lines[-1].strip().rstrip(".") if death.lines and death.reason == NOT_CONFIGURED else ""
    return f"{death.reason}: {said}" if said else death.reason


def describe_recovery(name: str, row: CrashSeries, standing: WorkerCondition) -> str:
    """What the team is told of a worker that is well again."""
    times = "once" if row.count == 1 else f"{row.count} times, last: {row.last.reason}"
    since = "" if standing.started_at is None else f" since {_format_seconds(standing.started_at)}"
    return f"{name} runs again{since}. It had died {times}."


def _describe_outcome(name: str, standing: WorkerCondition, now: float) -> str:
    """What its lifecycle has made of it by now."""
    match standing.state:
        case State.STARTING | State.RUNNING:
            return "It was started again."
        case State.BACKOFF if standing.next_try_at is not None:
            return f"It is started again in {max(0.0, standing.next_try_at - now):.1f} s."
        case State.STOPPED | State.STOPPING:
            return "It was stopped since."
    why = f" ({standing.reason})" if standing.reason == NOT_CONFIGURED else ""
    return f"It is not started again{why}. Mend it, then: teamsup restart {name}."


def _series_duration(row: CrashSeries) -> str:
    return format_duration(max(1.0, row.last.at - row.began_at))


def _format_seconds(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds).astimezone():%Y-%m-%d %H:%M:%S}"


def append_crash(deaths: Sequence[Crash], new: Crash) -> tuple[Crash, ...]:
    return (*deaths, new)[-KEPT_CRASHES:]
