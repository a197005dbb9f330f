"""What next for a worker's process, given its state, an event and the time. Pure: nothing here starts or kills.

The states are supervisord's. A dead worker is replaced at once the first time, then after exponentially longer pauses
with full jitter, for ever; a worker that stayed up for HEALTHY_SECONDS has its failures forgotten.
"""

import os
from dataclasses import dataclass, replace
from enum import StrEnum

from teamsup.hub.messages import NOT_CONFIGURED

HEALTHY_SECONDS = 60.0
_BACKOFF_FIRST = 0.5
_BACKOFF_MAX = 60.0


class State(StrEnum):
    STOPPED = "STOPPED"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    BACKOFF = "BACKOFF"
    STOPPING = "STOPPING"
    EXITED = "EXITED"
    FATAL = "FATAL"


class Action(StrEnum):
    SPAWN = "spawn"
    TERMINATE = "terminate"
    KILL = "kill"


@dataclass(frozen=True, slots=True)
class Process:
    """One worker as the supervisor sees it. Times are monotonic seconds."""

    state: State = State.STOPPED
    started_at: float = 0.0
    restarts: int = 0
    failures: int = 0
    due: float | None = None
    """When a tick has something to do: the end of a backoff, or of the patience with a stop."""
    restart_wanted: bool = False
    reason: str = ""
    """Why it is not running."""


@dataclass(frozen=True, slots=True)
class Start:
    pass


@dataclass(frozen=True, slots=True)
class Ready:
    """The worker's first heartbeat has come."""


@dataclass(frozen=True, slots=True)
class SpawnFailed:
    """The command itself cannot be run; trying again would not help."""

    reason: str


@dataclass(frozen=True, slots=True)
class Exited:
    """The process is gone. ``code`` is negative for a signal; ``jitter`` is a random number from 0 to 1."""

    code: int
    jitter: float = 1.0


@dataclass(frozen=True, slots=True)
class Stop:
    patience: float
    """Seconds between asking and killing."""
    restart: bool = False


@dataclass(frozen=True, slots=True)
class Tick:
    pass


Event = Start | Ready | SpawnFailed | Exited | Stop | Tick
Step = tuple[Process, tuple[Action, ...]]
_ALIVE = (State.STARTING, State.RUNNING)


def step(process: Process, event: Event, now: float) -> Step:
    """The process after the event, and what is to be done for that."""
    state = process.state
    match event:
        case Start() if state not in (*_ALIVE, State.STOPPING):
            return _spawn(replace(process, failures=0), now)
        case Ready() if state is State.STARTING:
            return replace(process, state=State.RUNNING), ()
        case SpawnFailed(reason):
            return replace(process, state=State.FATAL, due=None, reason=reason), ()
        case Exited(code, jitter):
            return _exited(process, code, jitter, now)
        case Stop(patience, restart):
            return _stop(process, patience, restart, now)
        case Tick() if process.due is not None and now >= process.due:
            if state is State.BACKOFF:
                return _spawn(replace(process, restarts=process.restarts + 1), now)
            return replace(process, due=None), (Action.KILL,)
    return process, ()


def exit_reason(code: int) -> str:
    """An exit code in words."""
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def _spawn(process: Process, now: float) -> Step:
    spawned = replace(process, state=State.STARTING, started_at=now, due=None, restart_wanted=False, reason="")
    return spawned, (Action.SPAWN,)


def _stop(process: Process, patience: float, restart: bool, now: float) -> Step:
    if process.state in _ALIVE:
        stopping = replace(process, state=State.STOPPING, due=now + patience, restart_wanted=restart)
        return stopping, (Action.TERMINATE,)
    if process.state is State.STOPPING:
        return replace(process, restart_wanted=restart), ()
    if restart:
        return _spawn(replace(process, failures=0, restarts=process.restarts + 1), now)
    return replace(process, state=State.STOPPED, due=None, reason=""), ()


def _exited(process: Process, code: int, jitter: float, now: float) -> Step:
    gone = replace(process, due=None, reason=exit_reason(code))
    if process.state is State.STOPPING:
        if process.restart_wanted:
            return _spawn(replace(gone, failures=0, restarts=process.restarts + 1), now)
        return replace(gone, state=State.STOPPED, reason=""), ()
    if code == os.EX_CONFIG:
        return replace(gone, state=State.EXITED, reason=NOT_CONFIGURED), ()
    failures = 1 if now - process.started_at >= HEALTHY_SECONDS else process.failures + 1
    if failures == 1:
        return _spawn(replace(gone, failures=failures, restarts=process.restarts + 1), now)
    pause = jitter * min(_BACKOFF_MAX, _BACKOFF_FIRST * 2.0 ** min(failures - 2, 10))
    return replace(gone, state=State.BACKOFF, failures=failures, due=now + pause), ()
