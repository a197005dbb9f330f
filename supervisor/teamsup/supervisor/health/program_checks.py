"""Check programs that do not use the hub, by ``ready`` and ``alive`` in their sections."""

import asyncio
import functools
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace

from teamsup.config.sections import CheckSection
from teamsup.status.process_state import State

from ..configuration.program import Program
from ..processes import lifecycle
from ..processes.child import Child
from ..processes.managed_process import ManagedProcess
from ..processes.process_manager import ProcessManager
from .probes import probe

_LOOK_SECONDS, _IDLE_SECONDS = 0.2, 1.0
_READY_SECONDS, _ALIVE_SECONDS = 0.5, 10.0
"""The usual time between two checks."""


@dataclass(frozen=True, slots=True)
class CheckSeries:
    """The checks of one process in one state. Times are monotonic seconds."""

    tag: str
    state: State
    began_at: float
    next_at: float
    failures: int = 0
    """The number of consecutive failures."""


class ProgramChecks:
    """Ask each program when it is due, and give the result to the process manager."""

    def __init__(self, manager: ProcessManager) -> None:
        self._manager = manager
        self._series: dict[str, CheckSeries] = {}
        self._probes: dict[str, asyncio.Task[None]] = {}

    def pause(self) -> float:
        """Return the seconds until check() is called next. The time is longer while no program has a check."""
        return choose_pause(worker.program for worker in self._manager.processes.values())

    async def check(self) -> None:
        """Begin the checks that are due. A program has only one check at a time."""
        now = time.monotonic()
        for worker in list(self._manager.processes.values()):
            name, check, child = worker.name, present_check(worker.program, worker.process.state), worker.child
            if check is None or child is None:
                self._series.pop(name, None)
                continue
            series = self._series.get(name)
            if series is None or (series.tag, series.state) != (worker.tag, worker.process.state):
                state = worker.process.state
                pause = 0.0 if state is State.STARTING else _pause(check, state)
                series = CheckSeries(worker.tag, state, now, now + pause)
                self._series[name] = series
            if now >= series.next_at and name not in self._probes:
                task = asyncio.create_task(self._probe(worker, child, check))
                self._probes[name] = task
                task.add_done_callback(functools.partial(self._on_probed, name))

    def _on_probed(self, name: str, task: asyncio.Task[None]) -> None:
        self._probes.pop(name, None)
        if not task.cancelled():
            task.result()

    async def _probe(self, worker: ManagedProcess, child: Child, check: CheckSection) -> None:
        failure = await probe(check, worker.program.directory, child.environment)
        series = self._series.get(worker.name)
        if worker.child is not child or series is None or series.state is not worker.process.state:
            return
        after, event = judge(series, failure, check, worker.program.start_seconds, time.monotonic())
        self._series[worker.name] = after
        if event is not None:
            self._manager.apply(worker, event)


def choose_pause(programs: Iterable[Program]) -> float:
    """Return the seconds between two looks for checks that are due. Pure."""
    return _LOOK_SECONDS if any(each.ready or each.alive for each in programs) else _IDLE_SECONDS


def present_check(program: Program, state: State) -> CheckSection | None:
    """Return the check that applies in this state, or None. Pure."""
    if state is State.STARTING:
        return program.ready
    return program.alive if state is State.RUNNING else None


def judge(
    series: CheckSeries, failure: str, check: CheckSection, start_seconds: float, now: float
) -> tuple[CheckSeries, lifecycle.Event | None]:
    """Return the series after a check, and the event for the program's lifecycle. Pure.

    Only an observed failure counts, so a suspended machine does not cause one.
    """
    failures = series.failures + 1 if failure else 0
    after = replace(series, failures=failures, next_at=now + _pause(check, series.state))
    if series.state is State.STARTING:
        if not failure:
            return after, lifecycle.Ready()
        waited = now - series.began_at
        late = lifecycle.CheckFailed(f"not ready after {waited:.0f} s: {failure}")
        return after, late if waited >= start_seconds else None
    if failures < check.failures:
        return after, None
    return replace(after, failures=0), lifecycle.CheckFailed(f"not alive, {failures} times in a row: {failure}")


def _pause(check: CheckSection, state: State) -> float:
    return check.every_seconds or (_READY_SECONDS if state is State.STARTING else _ALIVE_SECONDS)
