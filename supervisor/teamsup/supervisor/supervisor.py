"""The supervisor's event loop: turns what happens into events for ``lifecycle.step`` and does what that decides."""

import asyncio
import functools
import os
import random
import signal
import time
from collections.abc import Callable, Coroutine
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

from teamsup.hub import Agent, Delivery, MessageHub, Team, TeamsupError
from teamsup.hub.doorbell import Doorbell
from teamsup.hub.messages import NOT_CONFIGURED, OFFLINE, PRESENT_SECONDS, SUPERVISOR

from . import lifecycle, state_file
from .child import Child
from .command_line import command_line
from .configuration import Configuration, Program
from .journal import Journal
from .lifecycle import Action, Process, State

P = ParamSpec("P")
T = TypeVar("T")

_HEARTBEAT_SECONDS = PRESENT_SECONDS / 6
_START_SECONDS = 10.0
_REQUEST_SECONDS = 24 * 3600.0
_PRUNE_FIRST_SECONDS = 60.0
_PRUNE_EVERY_SECONDS = 3600.0
# A signal that came twice at once, as from 'timeout' to the group and to us, is no second thought.
_SECOND_THOUGHT_SECONDS = 0.5


@dataclass
class _Worker:
    program: Program
    say: Callable[[str], None]
    process: Process = field(default_factory=Process)
    child: Child | None = None
    timer: asyncio.TimerHandle | None = None
    started_at: float | None = None
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    changed: asyncio.Event = field(default_factory=asyncio.Event)


class Supervisor:
    """Runs the workers of one team in this process until told to stop."""

    def __init__(self, team: Team, configuration: Configuration, hub: MessageHub, *, echo: bool) -> None:
        self._team = team
        self._configuration = configuration
        self._hub = hub
        self._started_at = time.time()
        self._began = time.monotonic()
        names = [program.name for program in configuration.programs]
        self._journal = Journal(team.logs, [SUPERVISOR, *names], echo=echo)
        self._workers = {
            program.name: _Worker(program, functools.partial(self._journal.say, program.name))
            for program in configuration.programs
        }
        self._stopping = asyncio.Event()
        self._asked_at = 0.0
        self._impatient = False
        self._tasks: set[asyncio.Task[object]] = set()
        self.ready = asyncio.Event()
        """Set once no worker is starting any more."""

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self._asked_to_stop, number)
        loop.add_signal_handler(signal.SIGCHLD, self._reap)
        with closing(Doorbell(self._team.run, SUPERVISOR)) as bell:
            self._enroll()
            self._say(f"team {self._team.name!r} in {self._team.folder}")
            for worker in self._workers.values():
                self._apply(worker, lifecycle.Start())
            serving = asyncio.create_task(self._serve(bell))
            await self._stopping.wait()
            # From here on nobody can ask for a restart any more.
            serving.cancel()
            await asyncio.wait((serving,))
            self._say("stopping")
            for worker in reversed(self._workers.values()):
                self._stop(worker)
                await worker.gone.wait()
        await self._in_hub(self._hub.heartbeat, OFFLINE)
        self._say("stopped")
        self._journal.close()

    def _enroll(self) -> None:
        self._hub.register("supervisor", pid=os.getpid())
        for name in self._workers:
            self._hub.enroll(name, "daemon")
        for name in self._configuration.agents:
            self._hub.enroll(name)
        self._hub.watch()

    def _asked_to_stop(self, number: int) -> None:
        """In order; at once when somebody presses Ctrl-C again."""
        if not self._stopping.is_set():
            self._stopping.set()
            self._asked_at = time.monotonic()
        elif number == signal.SIGINT and time.monotonic() - self._asked_at > _SECOND_THOUGHT_SECONDS:
            self._impatient = True
            for worker in self._workers.values():
                self._stop(worker)
                if worker.child is not None:
                    worker.child.signal(signal.SIGKILL)

    def _apply(self, worker: _Worker, event: lifecycle.Event) -> None:
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
            worker.timer = asyncio.get_running_loop().call_later(pause, self._apply, worker, lifecycle.Tick())
        if worker.process != before:
            self._publish_change(worker)

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
            self._apply(worker, lifecycle.SpawnFailed(str(error)))
            return
        worker.child, worker.started_at = child, time.time()
        worker.gone.clear()
        self._say(f"{name} started, pid {child.pid}")

        def hear() -> None:
            if not child.read_lines(worker.say):
                asyncio.get_running_loop().remove_reader(child.output)

        asyncio.get_running_loop().add_reader(child.output, hear)

    def _reap(self) -> None:
        for worker in self._workers.values():
            if worker.child is not None and (code := worker.child.exit_code()) is not None:
                self._exited(worker, worker.child, code)

    def _exited(self, worker: _Worker, child: Child, code: int) -> None:
        asyncio.get_running_loop().remove_reader(child.output)
        child.close(worker.say)
        worker.child = None
        name = worker.program.name
        why = NOT_CONFIGURED if code == os.EX_CONFIG else lifecycle.exit_reason(code)
        self._say(f"{name} ended ({why})")
        self._apply(worker, lifecycle.Exited(code, random.random()))  # noqa: S311
        if worker.process.state is State.BACKOFF and worker.process.due is not None:
            self._say(f"{name} starts again in {worker.process.due - time.monotonic():.1f} s")
        if worker.child is None:
            self._background(self._mark_offline(worker))

    async def _mark_offline(self, worker: _Worker) -> None:
        if worker.child is None:
            await self._in_hub(self._hub.mark_offline, worker.program.name)

    def _stop(self, worker: _Worker, *, restart: bool = False) -> None:
        self._apply(worker, lifecycle.Stop(self._configuration.stop_seconds, restart))
        if worker.child is None:
            worker.gone.set()

    def _publish_change(self, worker: _Worker) -> None:
        if worker.child is None:
            worker.gone.set()
        worker.changed.set()
        if all(other.process.state is not State.STARTING for other in self._workers.values()):
            if not self.ready.is_set():
                seconds = time.monotonic() - self._began
                self._say(f"ready in {seconds:.1f} s; talk to the team with: {command_line(self._team, 'chat')}")
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

    async def _serve(self, bell: Doorbell) -> None:
        """Say that we live, see who else does, keep the mailboxes true, and do what is asked of us."""
        prune_at = time.monotonic() + _PRUNE_FIRST_SECONDS
        while True:
            if (found := await self._in_hub(self._look)) is not None:
                agents, requests = found
                for agent in agents:
                    self._see(agent)
                for request in requests:
                    self._background(self._answer(request, agents))
            if time.monotonic() >= prune_at:
                prune_at = time.monotonic() + _PRUNE_EVERY_SECONDS
                self._background(self._in_hub(self._hub.prune, older_than=self._configuration.keep_seconds))
            await bell.wait_async(_HEARTBEAT_SECONDS)

    def _look(self) -> tuple[list[Agent], list[Delivery]]:
        self._hub.heartbeat()
        self._hub.expire()
        # The requests first: who has made them is known by then.
        requests = self._hub.claim(10, lease=_REQUEST_SECONDS)
        return self._hub.agents(), requests

    def _see(self, agent: Agent) -> None:
        worker = self._workers.get(agent.name)
        if worker is None or worker.child is None or agent.status == NOT_CONFIGURED:
            return
        if agent.metadata.get("pid") == worker.child.pid:
            self._apply(worker, lifecycle.Ready())

    async def _answer(self, delivery: Delivery, agents: list[Agent]) -> None:
        message = delivery.message
        if message.recipient is None or message.reply_to is not None:
            await self._in_hub(self._hub.acknowledge, delivery)
            return
        verb, _, name = message.content.strip().partition(" ")
        kind, worker = "message", self._workers.get(name)
        if verb == "status" and not name:
            answer = "\n".join(f"{name}: {worker.process.state}" for name, worker in self._workers.items())
        elif message.sender not in [agent.name for agent in agents if agent.kind == "console"]:
            how = command_line(self._team, "restart", "NAME")
            kind, answer = "error", f"I tell {message.sender} only the 'status'. A person restarts a worker with: {how}"
        elif self._stopping.is_set():
            kind, answer = "error", "The team is being stopped."
        elif verb == "restart" and worker is not None:
            self._say(f"{message.sender} asked to restart {name}")
            answer = await self._restart(worker)
        elif verb == "restart":
            kind, answer = "error", f"There is no worker {name!r}; there are {', '.join(self._workers)}."
        else:
            kind, answer = "error", "I know 'status' and 'restart NAME'."
        await self._in_hub(self._hub.reply, delivery, answer, message_type=kind)

    async def _restart(self, worker: _Worker) -> str:
        """Restart a worker, and say what became of that."""
        self._stop(worker, restart=True)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._configuration.stop_seconds + _START_SECONDS):
                while worker.process.state in (State.STOPPING, State.STARTING):
                    worker.changed.clear()
                    await worker.changed.wait()
        if worker.process.state is State.STARTING:
            return f"{worker.program.name} was started and has not reported yet."
        if worker.child is not None:
            return f"{worker.program.name} runs again, pid {worker.child.pid}."
        why = worker.process.reason or worker.process.state
        return f"{worker.program.name} does not run: {why}. See: {command_line(self._team, 'ps')}"

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
        except Exception as error:
            # Whatever it is, the workers must go on being looked after.
            self._say(f"{type(error).__name__}: {error}")
        return None

    def _say(self, line: str) -> None:
        self._journal.say(SUPERVISOR, line)
