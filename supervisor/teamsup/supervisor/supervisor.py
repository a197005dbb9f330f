"""The supervisor's event loop: turns what happens into events for ``lifecycle.step`` and does what that decides."""

import asyncio
import os
import random
import signal
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

from teamsup.hub import Agent, Delivery, MessageHub, Team, TeamsupError
from teamsup.hub.doorbell import Doorbell
from teamsup.hub.messages import OFFLINE, PRESENT_SECONDS, SUPERVISOR

from . import lifecycle, state_file
from .child import Child
from .configuration import Configuration, Program
from .journal import Journal
from .lifecycle import Action, Process, State

P = ParamSpec("P")
T = TypeVar("T")

_HEARTBEAT_SECONDS = PRESENT_SECONDS / 6


@dataclass
class _Worker:
    program: Program
    process: Process = field(default_factory=Process)
    child: Child | None = None
    timer: asyncio.TimerHandle | None = None
    started_at: float | None = None
    gone: asyncio.Event = field(default_factory=asyncio.Event)


class Supervisor:
    """Runs the workers of one team in this process until told to stop."""

    def __init__(self, team: Team, configuration: Configuration, hub: MessageHub, *, echo: bool) -> None:
        self._team = team
        self._configuration = configuration
        self._hub = hub
        self._started_at = time.time()
        self._workers = {program.name: _Worker(program) for program in configuration.programs}
        self._journal = Journal(team.logs, max(map(len, [SUPERVISOR, *self._workers])), echo=echo)
        self._stopping = asyncio.Event()
        self._impatient = False
        self._tasks: set[asyncio.Task[object]] = set()
        self.ready = asyncio.Event()
        """Set once no worker is starting any more."""

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self._asked_to_stop)
        loop.add_signal_handler(signal.SIGCHLD, self._reap)
        with Doorbell(self._team.run, SUPERVISOR) as bell:
            self._enroll()
            self._say(f"team {self._team.name!r} in {self._team.folder}")
            for worker in self._workers.values():
                self._happened(worker, lifecycle.Start())
            attend = asyncio.create_task(self._attend(bell))
            await self._stopping.wait()
            self._say("stopping")
            for worker in reversed(self._workers.values()):
                self._stop(worker)
                await worker.gone.wait()
            attend.cancel()
            await asyncio.wait((attend,))
        self._say("stopped")
        await self._in_hub(self._hub.heartbeat, OFFLINE)

    def _enroll(self) -> None:
        self._hub.register("supervisor", pid=os.getpid())
        for name in self._workers:
            self._hub.enroll(name, "daemon")
        for name in self._configuration.agents:
            self._hub.enroll(name)
        self._hub.watch()

    def _asked_to_stop(self) -> None:
        """The first time in order; the second time without patience."""
        if self._stopping.is_set():
            self._impatient = True
            for worker in self._workers.values():
                self._stop(worker)
                if worker.child is not None:
                    worker.child.signal(signal.SIGKILL)
        self._stopping.set()

    def _happened(self, worker: _Worker, event: lifecycle.Event) -> None:
        """Let the worker's lifecycle decide, and do it."""
        before = worker.process
        worker.process, actions = lifecycle.step(before, event, time.monotonic())
        for action in actions:
            self._act(worker, action)
        if worker.timer is not None:
            worker.timer.cancel()
            worker.timer = None
        if worker.process.due is not None:
            pause = max(0.0, worker.process.due - time.monotonic())
            worker.timer = asyncio.get_running_loop().call_later(pause, self._happened, worker, lifecycle.Tick())
        if worker.process != before:
            self._changed(worker)

    def _act(self, worker: _Worker, action: Action) -> None:
        match action:
            case Action.SPAWN:
                self._spawn(worker)
            case Action.TERMINATE if worker.child is not None:
                worker.child.signal(signal.SIGKILL if self._impatient else signal.SIGTERM)
            case Action.KILL if worker.child is not None:
                self._say(f"{worker.program.name} did not end in time and is killed")
                worker.child.signal(signal.SIGKILL)

    def _spawn(self, worker: _Worker) -> None:
        name = worker.program.name
        try:
            child = Child(worker.program)
        except OSError as error:
            self._happened(worker, lifecycle.SpawnFailed(str(error)))
            return
        worker.child, worker.started_at = child, time.time()
        worker.gone.clear()
        self._say(f"{name} started, pid {child.pid}")

        def hear() -> None:
            if not child.read_lines(lambda line: self._journal.say(name, line)):
                asyncio.get_running_loop().remove_reader(child.output)

        asyncio.get_running_loop().add_reader(child.output, hear)

    def _reap(self) -> None:
        for worker in self._workers.values():
            if worker.child is not None and (code := worker.child.exit_code()) is not None:
                self._bury(worker, worker.child, code)

    def _bury(self, worker: _Worker, child: Child, code: int) -> None:
        name = worker.program.name
        asyncio.get_running_loop().remove_reader(child.output)
        child.read_lines(lambda line: self._journal.say(name, line), last=True)
        child.close()
        worker.child = None
        self._happened(worker, lifecycle.Exited(code, random.random()))  # noqa: S311
        process = worker.process
        if process.state is State.BACKOFF and process.due is not None:
            pause = process.due - time.monotonic()
            self._say(f"{name} ended ({process.reason}); next start in {pause:.1f} s")
        elif process.state is State.STARTING:
            self._say(f"{name} ended ({lifecycle.exit_reason(code)}) and was restarted")
        else:
            self._say(f"{name} ended ({process.reason or lifecycle.exit_reason(code)})")
        if worker.child is None:
            self._background(self._in_hub(self._hub.mark_offline, name))

    def _stop(self, worker: _Worker, *, restart: bool = False) -> None:
        self._happened(worker, lifecycle.Stop(self._configuration.stop_seconds, restart))
        if worker.child is None:
            worker.gone.set()

    def _changed(self, worker: _Worker) -> None:
        """Something about a worker is other than before: publish it."""
        if worker.child is None:
            worker.gone.set()
        if all(other.process.state is not State.STARTING for other in self._workers.values()):
            if not self.ready.is_set():
                self._say(f"ready in {time.time() - self._started_at:.1f} s; talk to the team with: teamsup chat")
            self.ready.set()
        self._publish()

    def _publish(self) -> None:
        workers = tuple(
            state_file.WorkerState(
                name=worker.program.name,
                state=worker.process.state,
                pid=worker.child.pid if worker.child else None,
                started_at=worker.started_at if worker.child else None,
                restarts=worker.process.restarts,
                reason=worker.process.reason,
            )
            for worker in self._workers.values()
        )
        try:
            state_file.write(self._team, state_file.TeamState(os.getpid(), self._started_at, workers))
        except OSError as error:
            self._say(f"'teamsup ps' will show old states: {error}")

    async def _attend(self, bell: Doorbell) -> None:
        """Say that we live, see who else does, and serve what is asked of us."""
        while True:
            if (found := await self._in_hub(self._look)) is not None:
                agents, requests = found
                for agent in agents:
                    self._seen(agent)
                for request in requests:
                    await self._serve(request, agents)
            await bell.wait_async(_HEARTBEAT_SECONDS)

    def _look(self) -> tuple[list[Agent], list[Delivery]]:
        self._hub.heartbeat()
        return self._hub.agents(), self._hub.claim(10)

    def _seen(self, agent: Agent) -> None:
        worker = self._workers.get(agent.name)
        if worker is not None and worker.child is not None and agent.metadata.get("pid") == worker.child.pid:
            self._happened(worker, lifecycle.Ready())

    async def _serve(self, delivery: Delivery, agents: list[Agent]) -> None:
        message = delivery.message
        if message.recipient is None or message.reply_to is not None:
            await self._in_hub(self._hub.acknowledge, delivery)
            return
        consoles = [agent.name for agent in agents if agent.kind == "console"]
        kind = "message"
        verb, _, name = message.content.strip().partition(" ")
        if message.sender not in consoles:
            kind, answer = "error", f"Only a person at a console may ask the supervisor, not {message.sender}."
        elif verb == "restart" and name in self._workers:
            self._say(f"{message.sender} asked to restart {name}")
            self._stop(self._workers[name], restart=True)
            answer = f"{name} is being restarted."
        elif verb == "status" and not name:
            answer = "\n".join(f"{name}: {worker.process.state}" for name, worker in self._workers.items())
        else:
            kind, answer = (
                "error",
                f"I know 'status' and 'restart NAME', where NAME is one of {', '.join(self._workers)}.",
            )
        await self._in_hub(self._hub.reply, delivery, answer, message_type=kind)

    def _background(self, work: Coroutine[object, object, object]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _in_hub(self, action: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """Do it in a thread, because a busy database must not hold up the care for the workers; None if it failed."""
        try:
            return await asyncio.to_thread(action, *args, **kwargs)
        except TeamsupError as error:
            self._say(str(error))
            return None

    def _say(self, line: str) -> None:
        self._journal.say(SUPERVISOR, line)
