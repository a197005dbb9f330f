"""Requests to the supervisor by messages: status, start NAME, stop NAME, restart NAME, signal NAME SIGNAL, reload,
replace supervisor. It also decides who may send them.
"""

import asyncio
import fnmatch
import signal
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress

from teamsup.config.components import run_owners
from teamsup.hub import Agent, CallerError, Delivery, Message, MessageHub, StoreError, TeamsupError
from teamsup.hub.engines.hosts.team_hosts import HostAnswer, HostRequest
from teamsup.hub.errors import ExitCode
from teamsup.hub.models import NOT_CONFIGURED, SUPERVISOR
from teamsup.hub.validation import list_names, quote
from teamsup.status.process_state import State, has_succeeded
from teamsup.status.state_file import WorkerState
from teamsup.terminal.hints import command_hint

from ..background import HubCaller
from ..configuration.roles import Roles
from ..health.readiness import describe_unready, is_not_configured, unready_reason
from ..health.troubles import Troubles
from ..processes.managed_process import ManagedProcess
from ..processes.orphans import end_runs
from ..processes.process_manager import ProcessManager
from ..processes.worker_logs import WorkerLogs
from ..status_publisher import StatusPublisher
from .client import EXIT_CODE_KEY, WAIT_SECONDS_KEY, WorkersNotReady
from .reloader import ConfigurationReloader
from .successor import Successor

_DEFAULT_WAIT_SECONDS = 25.0
_MAX_WAIT_SECONDS = 24 * 3600.0
_MAX_SUGGESTED_COMMANDS = 3
"""With more workers than this, show one command for all of them instead of one command for each."""


class RequestHandler:
    """Carry out requests, and answer them."""

    def __init__(
        self,
        hub: MessageHub,
        *,
        caller: HubCaller,
        manager: ProcessManager,
        reloader: ConfigurationReloader,
        publisher: StatusPublisher,
        troubles: Troubles,
        stopping: asyncio.Event,
        logs: WorkerLogs,
        log: Callable[[str], None],
        roles: Roles,
        successor: Successor,
    ) -> None:
        self._roles = roles
        self._successor = successor
        self._hub = hub
        self._caller = caller
        self._manager = manager
        self._reloader = reloader
        self._publisher = publisher
        self._troubles = troubles
        self._stopping = stopping
        self._logs = logs
        self._log = log

    async def handle_request(
        self, delivery: Delivery, agents: Sequence[Agent], answer: Callable[[HostRequest], Awaitable[HostAnswer]]
    ) -> None:
        """Carry out a request with ``answer``, and send the result."""
        message = delivery.message
        if message.reply_to is not None:
            await self._caller.call(self._hub.acknowledge, delivery)
            return
        people = [agent.name for agent in agents if agent.kind == "console"]
        may_act = message.sender in (*people, *self._reloader.configuration.operators)
        given = await answer(HostRequest(0, message.sender, message.content, may_act, _wait_seconds(message)))
        kind, error = ("error", {EXIT_CODE_KEY: given.exit_code}) if given.exit_code else ("message", {})
        await self._caller.call(self._hub.reply, delivery, given.content, message_type=kind, metadata=error)
        self._successor.execute_if_due()

    async def perform(self, request: HostRequest) -> HostAnswer:
        """Carry out a request on this host, if its sender may send it."""
        try:
            return HostAnswer(await self._perform(request), 0)
        except CallerError as refused:
            return HostAnswer(str(refused), refused.exit_code)
        except Exception as failed:
            text = f"That failed: {failed if isinstance(failed, TeamsupError | OSError) else repr(failed)}"
            self._log(text)
            code = ExitCode.STORE_FAILED if isinstance(failed, StoreError | OSError) else ExitCode.INTERNAL
            return HostAnswer(text, code)

    async def _perform(self, request: HostRequest) -> str:
        """Return a sentence about the result. Raise CallerError, or an error of reload()."""
        sender, words, seconds, may_act = request.sender, request.content.split(), request.seconds, request.may_act
        manager = self._manager
        match words:
            case ["status"]:
                itself = [f"supervisor: DEGRADED, {self._troubles}"] if self._troubles else []
                return "\n".join([*itself, *(self._describe_status(worker) for worker in manager.processes.values())])
            case ["reload" | "reopen"] | [("start" | "stop" | "restart" | "replace"), _] | ["signal", _, _] if (
                not may_act
            ):
                how = command_hint(self._hub.team, *words)
                raise CallerError(f"{sender} may ask only for 'status'. A person may do this in a terminal: {how}")
            case ["reload" | "start" | "stop" | "restart" | "replace" | "signal", *_] if self._stopping.is_set():
                raise CallerError("The team is being stopped.")
            case ["reload"]:
                self._log(f"{sender} asked to reload")
                plan = await self._reloader.reload()
                # Also wait for workers that were started because the file was saved.
                starting = {*plan.start, *plan.restart, *manager.starting_names()}
                await self._wait_at_rest(starting, seconds)
                unready = await self.read_unready_reasons()
                if reasons := {name: reason for name, reason in unready.items() if name in starting}:
                    raise WorkersNotReady(f"{plan}. {self._describe_unready(reasons)}")
                return str(plan)
            case [("start" | "stop" | "restart") as verb, pattern]:
                names = match_workers(pattern, self._reloader.configuration.programs)
                self._log(f"{sender} asked to {verb} {', '.join(names)}")
                return await self._start_stop([manager.processes[name] for name in names], verb, seconds)
            case ["replace", name] if name == SUPERVISOR:
                self._log(f"{sender} asked to replace the supervisor")
                await self._successor.prepare()
                return "The supervisor is replaced."
            case ["reopen"]:
                self._logs.reopen()
                return "All logs are reopened."
            case ["signal", pattern, word]:
                number, names = parse_signal(word), match_workers(pattern, self._reloader.configuration.programs)
                self._log(f"{sender} sends {number.name} to {', '.join(names)}")
                return self._send_signal([manager.processes[name] for name in names], number)
        raise CallerError("I know 'status', 'start NAME', 'stop NAME', 'restart NAME' and 'reload'.")

    async def _start_stop(self, workers: Sequence[ManagedProcess], verb: str, seconds: float) -> str:
        manager, names = self._manager, [worker.name for worker in workers]
        match verb:
            case "start":
                for name in names:
                    if not self._roles.runs_elsewhere(name):
                        self._roles.take_over(name)
                manager.start(*names)
            case "stop":
                manager.stop(*names)
            case "restart":
                manager.restart(*names)
        await self._wait_at_rest(names, seconds)
        # The reason for a worker's wait is not part of its state, so no change of state has published the reason.
        self._publisher.publish()
        if verb == "stop" and any(worker.child is None and worker.name in run_owners() for worker in workers):
            # Without agent-runner no program would end the runs in time.
            await asyncio.to_thread(end_runs, self._hub.team)
        lines = [_describe_stopped(worker) if verb == "stop" else self._describe_started(worker) for worker in workers]
        unready = [manager.state_of(worker) for worker, line in zip(workers, lines, strict=True) if not line]
        if unready:
            agents = await self._unconfigured_agents(unready)
            reasons = {state.name: unready_reason(state, agents.get(state.name)) for state in unready}
            raise WorkersNotReady("\n".join([*filter(None, lines), self._describe_unready(reasons)]))
        return "\n".join(lines)

    def _describe_started(self, worker: ManagedProcess) -> str:
        """Return a sentence about a worker that runs here or on another host, or an empty text."""
        if self._roles.runs_elsewhere(worker.name):
            return f"{worker.name} {self._manager.state_of(worker).reason}."
        return _describe_started(worker)

    def _send_signal(self, workers: Sequence[ManagedProcess], number: signal.Signals) -> str:
        """Send a signal to the processes of these workers. Raise CallerError if one of them does not run."""
        lines = []
        for worker in workers:
            if worker.child is not None:
                worker.child.send_signal(number)
                lines.append(f"{worker.name}, pid {worker.child.pid}, got {number.name}.")
        if away := [worker.name for worker in workers if worker.child is None]:
            has = "has" if len(away) == 1 else "have"
            raise CallerError("\n".join([*lines, f"{list_names(away)} {has} no process to signal."]))
        return "\n".join(lines)

    async def _wait_at_rest(self, names: Iterable[str], seconds: float) -> None:
        """Wait until each of these workers runs, has ended or cannot continue, but at most this many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._manager.wait_at_rest(names)

    async def read_unready_reasons(self) -> dict[str, str]:
        """Return the reason for each worker that should run but does not. Leave out unconfigured optional workers."""
        workers = self._manager.unready_workers()
        agents = await self._unconfigured_agents(workers)
        return {
            worker.name: unready_reason(worker, agents.get(worker.name))
            for worker in workers
            if not is_not_configured(worker, agents.get(worker.name))
        }

    async def _unconfigured_agents(self, workers: Sequence[WorkerState]) -> dict[str, Agent | None]:
        """Return the notes of unconfigured agents in the hub, or none if the hub is unreadable."""
        names = [worker.name for worker in workers if worker.reason == NOT_CONFIGURED]
        find = self._hub.find_agent
        return (await self._caller.call(lambda: {name: find(name) for name in names}) if names else None) or {}

    def _describe_unready(self, reasons: Mapping[str, str]) -> str:
        """Return why each of these workers does not run, and the commands that show more."""
        names = [[name] for name in reasons] if len(reasons) <= _MAX_SUGGESTED_COMMANDS else [[]]
        return (
            f"{describe_unready(reasons)} See: {'; '.join(command_hint(self._hub.team, 'ps', *each) for each in names)}"
        )

    def _describe_status(self, worker: ManagedProcess) -> str:
        if degraded := self._publisher.degradation_of(worker):
            return f"{worker.name}: DEGRADED, {degraded}"
        reason = f", {worker.process.reason}" if worker.process.reason else ""
        return f"{worker.name}: {worker.process.state}{reason}"


def match_workers(pattern: str, programs: Collection[str]) -> list[str]:
    """Return the workers that match a name or a pattern such as ``web-*``. Raise CallerError if there are
    none. Pure.
    """
    found = [pattern] if pattern in programs else fnmatch.filter(programs, pattern)
    if not found:
        known = list_names([*programs])
        raise CallerError(f"There is no worker {quote(pattern)}; there are {known}.")
    return found


def parse_signal(word: str) -> signal.Signals:
    """Return the signal of a name such as USR1 or SIGUSR1. Raise CallerError. Pure."""
    name = word.upper().removeprefix("SIG")
    try:
        return signal.Signals[f"SIG{name}"]
    except KeyError:
        raise CallerError(f"There is no signal {quote(word)}; write HUP, USR1, USR2 …") from None


def _describe_stopped(worker: ManagedProcess) -> str:
    return f"{worker.name} has ended." if worker.child is None else f"{worker.name} is about to end."


def _describe_started(worker: ManagedProcess) -> str:
    """Return a sentence about a worker that runs, or has ended as planned, or an empty text."""
    if worker.child is not None and worker.process.state is State.RUNNING:
        return f"{worker.name} runs, pid {worker.child.pid}."
    if has_succeeded(worker.process.state, worker.process.reason):
        return f"{worker.name} was started and has ended well."
    return ""


def _wait_seconds(message: Message) -> float:
    """Return the seconds for which the sender wants to wait until workers are ready."""
    given = message.metadata.get(WAIT_SECONDS_KEY)
    return given if isinstance(given, float) and 0 <= given <= _MAX_WAIT_SECONDS else _DEFAULT_WAIT_SECONDS
