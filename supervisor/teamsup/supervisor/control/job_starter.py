"""Start jobs at the ticks of their schedules. Several missed ticks cause one start."""

import time
from collections.abc import Callable, Iterable

from teamsup.status.state_file import JobTicks, WorkerState

from ..configuration.program import JobSchedule
from ..processes.process_manager import ProcessManager

TICK_SECONDS = 1.0
"""Seconds between two checks of all schedules."""
_CLOCK_STEP_SECONDS = 60.0


class JobStarter:
    """Starts each job when it is due. ``on_change`` is called after a tick, and ``log`` writes a line to the log."""

    def __init__(self, manager: ProcessManager, on_change: Callable[[], None], log: Callable[[str], None]) -> None:
        self._manager = manager
        self._on_change = on_change
        self._log = log

    def restore(self, workers: Iterable[WorkerState]) -> None:
        """Continue with the ticks that an earlier supervisor has published."""
        for worker in workers:
            if worker.name in self._manager.processes:
                self._manager.processes[worker.name].set_ticks(worker.ticks)

    async def check(self) -> None:
        """Start the jobs that are due. Skip the tick of a job that still runs."""
        now = time.time()
        for worker in list(self._manager.processes.values()):
            schedule = worker.program.schedule
            if schedule is None or not worker.program.autostart:
                worker.set_ticks(None)
                continue
            before = worker.ticks
            ticks, is_due = plan_ticks(schedule, before, now)
            worker.set_ticks(ticks)
            if is_due and worker.is_active:
                self._log(f"{worker.name} still runs, and is not started a second time")
            elif is_due:
                self._manager.start(worker.name)
            if ticks != before:
                self._on_change()


def plan_ticks(schedule: JobSchedule, known: JobTicks | None, now: float) -> tuple[JobTicks, bool]:
    """Return the ticks that are done now, and whether a start is due. Pure, except for the host's time zone.

    A new schedule has not missed a tick. After the clock was set back, each schedule counts as new.
    """
    from teamsup.config.schedule import find_zone, last_due_tick, next_tick  # only a schedule needs cronsim

    rule = str(schedule)
    if known is not None and known.rule == rule and known.done <= now + _CLOCK_STEP_SECONDS:
        if now < known.next:
            return known, False
        zone = find_zone(schedule.timezone)
        tick = last_due_tick(schedule.expression, zone, known.done, now)
        done = known.done if tick is None else tick
        return JobTicks(rule, done, next_tick(schedule.expression, zone, max(done, now))), tick is not None
    return JobTicks(rule, now, next_tick(schedule.expression, find_zone(schedule.timezone), now)), False
