"""The workers of one team as processes: carry out the decisions of ``lifecycle.transition``, in the order of
dependencies.
"""

import asyncio
import functools
import random
import time
from collections.abc import Callable, Iterable, Mapping

from teamsup.hub.models import NOT_CONFIGURED, SUPERVISOR
from teamsup.status.crash import KEPT_COLUMNS, KEPT_LINES, Crash, append_crash
from teamsup.status.process_state import ALIVE, BLOCKED, State, describe_exit, has_succeeded
from teamsup.status.state_file import WorkerState
from teamsup.terminal.formatting import sanitize

from ..configuration.program import Program
from ..configuration.roles import LEASE, Roles
from . import lifecycle, orphans
from .child import Child
from .dependencies import Dependencies, satisfies_dependents
from .lifecycle import Action, Process
from .line_reader import LineReader
from .managed_process import ManagedProcess
from .orphan_killer import OrphanKiller
from .spawner import Spawner
from .work_queue import AfterEvent, WorkQueue
from .worker_logs import WorkerLogs


class ProcessManager:
    """All workers, on the supervisor's event loop.

    ``on_change`` is called when a worker changes, ``on_crash`` when its process ends without a request.
    """

    def __init__(
        self,
        spawner: Spawner,
        logs: WorkerLogs,
        on_change: Callable[[ManagedProcess], None],
        on_crash: Callable[[ManagedProcess, Crash], None],
        roles: Roles,
    ) -> None:
        self._spawner = spawner
        self._roles = roles
        self._logs = logs
        self._on_change = on_change
        self._on_crash = on_crash
        self._is_stopping = False
        self._kills_at_once = False
        self._stepped_event = asyncio.Event()
        self._queue = WorkQueue(self._transition, self._start_or_stop, self._on_step, self._log)
        self._by_pid: dict[int, ManagedProcess] = {}
        self.orphan_killer = OrphanKiller(self._log)
        self.processes: dict[str, ManagedProcess] = {}
        self._dependencies = Dependencies(self.processes)

    def configure(self, programs: Mapping[str, Program], known_crashes: Mapping[str, tuple[Crash, ...]]) -> None:
        """Use these programs from now on; a running process keeps its spawn settings."""
        gone = {name: worker for name, worker in self.processes.items() if name not in programs}
        workers = {}
        for name, program in programs.items():
            worker = self.processes.get(name) or ManagedProcess(program, crashes=known_crashes.get(name, ()))
            worker.program = program
            workers[name] = worker
            self._logs.open(name, program.log_bytes, program.log_files)
        # Workers that are still ending stay until they have ended.
        self.processes = workers | {name: worker for name, worker in gone.items() if worker.is_active}
        self._dependencies = Dependencies(self.processes)
        self.reconsider_all()

    def start(self, *names: str) -> None:
        """Start these workers and their dependencies."""
        for worker in [] if self._is_stopping else self._dependencies.required_for(*names):
            worker.wanted = True
            if worker.process.state in (*BLOCKED, State.BACKOFF):
                # From this state it starts when its dependencies run.
                self.apply(worker, lifecycle.Stop())
        self.reconsider_all()

    def stop(self, *names: str) -> None:
        """Stop these workers, after all their dependents. The dependents then wait for the next start."""
        for name in names:
            self.processes[name].wanted = False
        self.reconsider_all()

    def restart(self, *names: str) -> None:
        """Stop these workers and start them again, in the order of their dependencies."""
        for name in names:
            self.processes[name].restart_pending = self.processes[name].is_active
        self.start(*names)

    def resume(self, worker: ManagedProcess, child: Child | None) -> None:
        """Continue with a worker and its process, which an earlier program has run."""
        if child is not None:
            self._attend(worker, child)
        self._set_timer(worker)

    def stop_all(self) -> None:
        self._is_stopping = True
        self.orphan_killer.skip_pause()
        self.stop(*self.processes)

    def kill_all(self) -> None:
        self._kills_at_once = True
        for worker in self.processes.values():
            self.apply(worker, lifecycle.Stop())
            if worker.child is not None:
                worker.child.kill()

    async def wait_all_ended(self) -> None:
        """Wait until no process and no orphan is left."""
        for worker in list(self.processes.values()):
            await self.wait_until_left(worker, *ALIVE, State.STOPPING, State.BACKOFF)
        await self.orphan_killer.wait()

    async def wait_until_left(self, worker: ManagedProcess, *states: State) -> None:
        """Wait until the worker is not in any of these states."""
        while worker.process.state in states or self._queue.is_pending(worker):
            worker.changed.clear()
            await worker.changed.wait()

    async def wait_at_rest(self, names: Iterable[str]) -> None:
        """Wait until each of these workers runs, has ended, or waits for a time or a person."""
        while any(self._is_changing(name) for name in names):
            self._stepped_event.clear()
            await self._stepped_event.wait()

    def unmet_dependencies(self, worker: ManagedProcess) -> list[str]:
        """Return the obstacles to a worker's start: names of other workers, and the lease of its role."""
        if not self._is_startable(worker):
            return []
        others = [name for name in self._dependencies.unmet(worker) if not self._roles.runs_elsewhere(name)]
        return [*others, *filter(None, (self._roles.obstacle(worker.program),))]

    def state_of(self, worker: ManagedProcess) -> WorkerState:
        """Return the published state of a worker."""
        waiting = self.unmet_dependencies(worker)
        return WorkerState(
            name=worker.name,
            state=worker.process.state,
            pid=worker.child.pid if worker.child else None,
            started_at=worker.started_at if worker.child else None,
            restarts=worker.process.restarts,
            reason=f"waits for {', '.join(waiting)}" if waiting else worker.process.reason,
            heartbeat_seconds=worker.program.heartbeat_seconds,
            crashes=worker.crashes,
            ticks=worker.ticks,
        )

    @property
    def is_idle(self) -> bool:
        """Return whether no work is due now."""
        return not self._queue

    def starting_names(self) -> list[str]:
        """Return the workers that are starting or about to start, except those that have failed twice."""
        return [
            worker.name
            for worker in self.processes.values()
            if (worker.process.state is State.STARTING and worker.process.failures <= 1)
            or (self._is_startable(worker) and not self.unmet_dependencies(worker))
        ]

    def unready_workers(self) -> list[WorkerState]:
        """Return the workers that should run but do not: they start, are tried again, wait, or are held.

        A worker with guests starts when all others are ready, so the team does not wait for its first start.
        """
        return [
            self.state_of(worker)
            for worker in self.processes.values()
            if worker.wanted
            and not satisfies_dependents(worker)
            and not self._roles.runs_elsewhere(worker.name)
            and not (worker.program.has_guests and worker.process.state is State.STARTING)
        ]

    def reap(self) -> None:
        """Handle the ends of processes."""
        for pid in orphans.reap_children(self._by_pid):
            worker = self._by_pid[pid]
            if worker.child is not None and (code := worker.child.exit_code()) is not None:
                self._on_exit(worker, worker.child, code)

    def apply(self, worker: ManagedProcess, event: lifecycle.Event, after: AfterEvent | None = None) -> None:
        """Pass an event to the worker's lifecycle, and act on the decision, perhaps in a later turn."""
        self._queue.add_event(worker, event, after)
        self._queue.run()

    def reconsider_all(self) -> None:
        """Check for each worker whether a change lets it start or stop."""
        self._reconsider(self.processes)
        self._queue.run()

    def _reconsider(self, names: Iterable[str]) -> None:
        for name in names:
            if (worker := self.processes.get(name)) is not None:
                self._queue.reconsider(self._dependencies.rank(name), worker)

    def _on_step(self, worker: ManagedProcess) -> None:
        worker.changed.set()
        self._stepped_event.set()

    def _transition(self, worker: ManagedProcess, event: lifecycle.Event, after: AfterEvent | None) -> None:
        before = worker.process
        worker.process, actions = lifecycle.transition(before, event, time.monotonic(), worker.program.policy)
        try:
            for action in actions:
                self._perform(worker, action)
            if after is not None:
                after(before)
        finally:
            self._set_timer(worker)
            if worker.process != before:
                self._reconsider(self._dependencies.affected_by(worker))
                self._on_change(worker)

    def _set_timer(self, worker: ManagedProcess) -> None:
        if worker.timer is not None:
            worker.timer.cancel()
            worker.timer = None
        if worker.process.due is not None:
            pause = max(0.0, worker.process.due - time.monotonic())
            worker.timer = asyncio.get_running_loop().call_later(pause, self.apply, worker, lifecycle.Tick())

    def _is_startable(self, worker: ManagedProcess) -> bool:
        return worker.wanted and worker.process.state is State.STOPPED and not self._is_stopping

    def _start_or_stop(self, worker: ManagedProcess) -> None:
        """Start or stop the worker if this has become possible."""
        if worker.process.state in (State.STOPPED, *BLOCKED):
            worker.restart_pending = False  # the request to restart came while it was ending
        starts_again = worker.process.state in (*ALIVE, State.BACKOFF) or worker.process.will_replace
        is_lost = bool(self._roles.obstacle(worker.program))
        must_end = is_lost or self._dependencies.must_stop(worker)
        if starts_again and must_end:
            if is_lost or not self._dependencies.has_active_dependents(worker):
                worker.restart_pending = False
                self.apply(worker, lifecycle.Stop())
        elif worker.process.state in BLOCKED and not worker.wanted:
            self.apply(worker, lifecycle.Stop())
        elif not must_end and self._is_startable(worker) and not self.unmet_dependencies(worker):
            self.apply(worker, lifecycle.Start())

    def _is_changing(self, name: str) -> bool:
        """Return whether it is about to start, end or be replaced, or waits for such a worker."""
        names = [name]
        for each in names:
            worker = self.processes.get(each)
            if worker is None:
                continue
            ends = worker.restart_pending or (worker.is_active and not worker.wanted) or self._queue.is_pending(worker)
            if ends or worker.process.state in (State.STARTING, State.STOPPING):
                return True
            if self._is_startable(worker):
                others = self.unmet_dependencies(worker)
                if others in ([], [LEASE]):
                    return True
                names += [other for other in others if other not in names]
        return False

    def _perform(self, worker: ManagedProcess, action: Action) -> None:
        match action:
            case Action.SPAWN:
                self._spawn(worker)
            case Action.TERMINATE if worker.child is not None:
                if self._kills_at_once:
                    worker.child.kill()
                else:
                    worker.child.terminate(worker.program.stop_signal)
            case Action.DUMP if worker.child is not None:
                self._log(f"{worker.name} hangs: {worker.process.reason}")
                worker.child.dump_stacks()
            case Action.KILL if worker.child is not None:
                self._log(f"{worker.name} did not end in time and is killed")
                worker.child.kill()

    def _spawn(self, worker: ManagedProcess) -> None:
        worker.last_lines.clear()
        spawned = self._spawner.spawn(worker.program)
        if isinstance(spawned, lifecycle.SpawnFailed):
            self._spawn_failed(worker, spawned)
            return
        child, worker.tag = spawned
        worker.started_at, worker.spawned_at = time.time(), time.monotonic()
        self._log(f"{worker.name} started, pid {child.pid}")
        self._attend(worker, child)

    def _attend(self, worker: ManagedProcess, child: Child) -> None:
        worker.child = child
        self._by_pid[child.pid] = worker
        worker.output = LineReader(child, functools.partial(self._record_output, worker))

    def _spawn_failed(self, worker: ManagedProcess, event: lifecycle.SpawnFailed) -> None:
        """Queue the event before all other events, but after the crash that has led to this start."""
        self._log(f"{worker.name} {event.reason}")
        self._queue.add_event(worker, event, lambda _: self._record_crash(worker, None, event.reason), first=True)

    def _record_output(self, worker: ManagedProcess, lines: list[str]) -> None:
        check = worker.program.ready
        if check is not None and check.log and any(check.log in line for line in lines):
            self.apply(worker, lifecycle.Ready())
        worker.last_lines.extend(sanitize(line.rstrip())[:KEPT_COLUMNS] for line in lines[-KEPT_LINES:])
        self._logs.write(worker.name, *lines)

    def _on_exit(self, worker: ManagedProcess, child: Child, code: int) -> None:
        del self._by_pid[child.pid]
        worker.child, worker.exit_code = None, code
        try:
            if worker.output is not None:
                worker.output.close()
        except Exception as error:
            self._log(f"{worker.name}: {type(error).__name__}: {error}")
        lines = tuple(worker.last_lines)
        reason = worker.process.reason if worker.process.will_replace else describe_exit(code)
        if reason != NOT_CONFIGURED or not lines:
            # A worker that is not configured has logged that itself.
            self._log(f"{worker.name} ended ({reason})")
        self.orphan_killer.add(worker.name, worker.tag)

        def record(before: Process) -> None:
            asked = before.state is State.STOPPING and not before.will_replace
            if not asked and not has_succeeded(worker.process.state, reason):
                ran = None if before.ready_at is None else time.monotonic() - before.ready_at
                self._record_crash(worker, child.pid, reason, lines, ran)

        self.apply(worker, lifecycle.Exited(code, random.random()), record)  # noqa: S311

    def _record_crash(
        self,
        worker: ManagedProcess,
        pid: int | None,
        reason: str,
        lines: tuple[str, ...] = (),
        ran: float | None = None,
    ) -> None:
        now, process = time.time(), worker.process
        next_try = now if process.state is State.STARTING else None
        if process.state is State.BACKOFF and process.due is not None:
            next_try = now + process.due - time.monotonic()
            self._log(f"{worker.name} starts again in {next_try - now:.1f} s")
        crash = Crash(now, pid, reason, max(1, process.failures), next_try, lines, ran)
        worker.crashes = append_crash(worker.crashes, crash)
        self._on_crash(worker, crash)

    def _log(self, line: str) -> None:
        self._logs.write(SUPERVISOR, line)
