"""Decide the next state of a worker's process, given its state, an event and the time. Pure: it starts and kills
nothing.

The states are supervisord's. A crashed worker is replaced at once the first time, then after exponentially longer
pauses with full jitter, without a limit. A worker that was well for long enough starts from zero failures.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from teamsup.hub.errors import ExitCode
from teamsup.hub.models import NOT_CONFIGURED
from teamsup.status.process_state import ALIVE, State, describe_exit

from ..configuration.process_policy import ProcessPolicy, RestartPolicy

DUMP_SECONDS = 1.0
"""Seconds that a hung worker has to print its stacks before it is killed."""
_FIRST_BACKOFF_SECONDS = 0.5
_USUAL_POLICY = ProcessPolicy()


class Action(StrEnum):
    SPAWN = "spawn"
    TERMINATE = "terminate"
    DUMP = "dump"
    KILL = "kill"


@dataclass(frozen=True, slots=True)
class Process:
    """The state of one worker's process. Times are monotonic seconds."""

    state: State = State.STOPPED
    ready_at: float | None = None
    """The time when it became RUNNING."""
    restarts: int = 0
    """The number of times it was started again after a crash."""
    failures: int = 0
    """The number of consecutive crashes, without a healthy period in between."""
    due: float | None = None
    """The time of the next tick: the end of a backoff, of a start, or of the wait for a stop."""
    will_replace: bool = False
    """Whether its end counts as a crash although it is STOPPING."""
    reason: str = ""
    """The reason why it is not running, or is about to be replaced."""


@dataclass(frozen=True, slots=True)
class Start:
    pass


@dataclass(frozen=True, slots=True)
class Ready:
    """The worker's first heartbeat has arrived."""


@dataclass(frozen=True, slots=True)
class SpawnFailed:
    """The command could not be run. The reason may be temporary, or need a person."""

    reason: str
    is_temporary: bool = False
    jitter: float = 1.0


@dataclass(frozen=True, slots=True)
class Exited:
    """The process has ended. ``code`` is negative for a signal; ``jitter`` is a random number from 0 to 1."""

    code: int
    jitter: float = 1.0


@dataclass(frozen=True, slots=True)
class Hung:
    """Its heartbeats have stopped."""

    reason: str


@dataclass(frozen=True, slots=True)
class MemoryExceeded:
    """It uses more memory than its limit."""

    reason: str


@dataclass(frozen=True, slots=True)
class CheckFailed:
    """Its configured check has found that it is not ready in time, or not alive."""

    reason: str


@dataclass(frozen=True, slots=True)
class Stop:
    pass


@dataclass(frozen=True, slots=True)
class Tick:
    pass


Event = Start | Ready | SpawnFailed | Exited | Hung | MemoryExceeded | CheckFailed | Stop | Tick
Transition = tuple[Process, tuple[Action, ...]]


def transition(process: Process, event: Event, now: float, policy: ProcessPolicy = _USUAL_POLICY) -> Transition:
    """Return the process after the event, and the actions that it needs."""
    state = process.state
    match event:
        case Start() if state not in (*ALIVE, State.STOPPING):
            return _spawn(replace(process, failures=0), now, policy)
        case Ready() if state is State.STARTING:
            return _running(process, now)
        case SpawnFailed(reason, passing, jitter) if state is State.STARTING:
            if passing:
                return _back_off(replace(process, failures=process.failures + 1, reason=reason), jitter, now, policy)
            return replace(process, state=State.FATAL, due=None, reason=reason), ()
        case Exited(code, jitter):
            return _exited(process, code, jitter, now, policy)
        case Hung(reason) if state in ALIVE:
            return _replace(process, reason, now + DUMP_SECONDS), (Action.DUMP,)
        case MemoryExceeded(reason) | CheckFailed(reason) if state in ALIVE:
            return _replace(process, reason, now + policy.stop_seconds), (Action.TERMINATE,)
        case Stop():
            return _stop(process, now, policy)
        case Tick() if process.due is not None and now >= process.due:
            return _deadline_reached(process, now, policy)
    return process, ()


def needs_configuration(process: Process) -> bool:
    """Return whether the worker may need another configuration."""
    return process.state is State.FATAL or (process.state is State.EXITED and process.reason == NOT_CONFIGURED)


def _spawn(process: Process, now: float, policy: ProcessPolicy) -> Transition:
    due = None if policy.ready_after is None else now + policy.ready_after
    return replace(process, state=State.STARTING, ready_at=None, due=due, will_replace=False, reason=""), (
        Action.SPAWN,
    )


def _running(process: Process, now: float) -> Transition:
    return replace(process, state=State.RUNNING, ready_at=now, due=None), ()


def _replace(process: Process, reason: str, due: float) -> Process:
    return replace(process, state=State.STOPPING, due=due, will_replace=True, reason=reason)


def _stop(process: Process, now: float, policy: ProcessPolicy) -> Transition:
    if process.state in ALIVE:
        return replace(process, state=State.STOPPING, due=now + policy.stop_seconds), (Action.TERMINATE,)
    if process.state is State.STOPPING:
        return replace(process, will_replace=False), ()
    return replace(process, state=State.STOPPED, due=None, reason=""), ()


def _deadline_reached(process: Process, now: float, policy: ProcessPolicy) -> Transition:
    if process.state is State.BACKOFF:
        return _spawn(replace(process, restarts=process.restarts + 1), now, policy)
    if process.state is State.STARTING:
        return _running(process, now)
    return replace(process, due=None), (Action.KILL,)


def _exited(process: Process, code: int, jitter: float, now: float, policy: ProcessPolicy) -> Transition:
    reason = process.reason if process.will_replace else describe_exit(code)
    gone = replace(process, ready_at=None, due=None, will_replace=False, reason=reason)
    if process.state is State.STOPPING and not process.will_replace:
        return replace(gone, state=State.STOPPED, reason=""), ()
    well = code == 0 and not process.will_replace
    if (
        code == ExitCode.NOT_CONFIGURED
        or policy.restart is RestartPolicy.NEVER
        or (well and policy.restart is RestartPolicy.ON_FAILURE)
    ):
        return replace(gone, state=State.EXITED), ()
    healthy = process.ready_at is not None and now - process.ready_at >= policy.healthy_seconds
    failures = 1 if healthy else process.failures + 1
    if failures == 1:
        return _spawn(replace(gone, failures=failures, restarts=process.restarts + 1), now, policy)
    return _back_off(replace(gone, failures=failures), jitter, now, policy)


def _back_off(process: Process, jitter: float, now: float, policy: ProcessPolicy) -> Transition:
    longest = min(policy.backoff_max, _FIRST_BACKOFF_SECONDS * 2.0 ** max(0, min(process.failures - 2, 20)))
    return replace(process, state=State.BACKOFF, due=now + jitter * longest), ()
