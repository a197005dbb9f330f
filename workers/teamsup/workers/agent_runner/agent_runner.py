"""The process of agent-runner: it starts agents for messages, for people and by schedules, and follows each run to its
end."""

import asyncio
import shutil
import threading
import time
from collections.abc import Collection
from datetime import datetime
from typing import Any, ClassVar

from teamsup.config.loader import Config
from teamsup.config.sections import TeamSection
from teamsup.config.startable_agents import AGENT_RUNNER, STARTABLE, USD_PER_DAY, StartableAgent
from teamsup.hub import Delivery, MessageHub, OptionalNotConfigured, StaleLease, StoreError, UnknownMessage
from teamsup.hub.engines.marked_processes import RUN_VARIABLE, end_marked, is_mark_of
from teamsup.hub.team import doorbell_name
from teamsup.hub.timestamps import as_datetime
from teamsup.hub.wakeup.doorbell import PRESENCE_TOPIC, Doorbell, open_doorbell
from teamsup.terminal.console import EXIT_CODE

from ..worker import Worker, main, retry_in_thread
from .component import component
from .judgement import Finish
from .processes.agent_settings import AgentSettings
from .processes.run_follower import WITHDRAWN, RunFollower, is_withdrawn
from .processes.run_presence import RunPresence
from .processes.run_process import run_mark, sweep_others
from .programs.claude_code import ClaudeCode
from .run import Run
from .run_table import RunTable
from .starts.dispatcher import LEASE_SECONDS, Dispatch, Dispatcher
from .starts.requests import RefusedRequest, RunRequests

_STOP_SECONDS = 5.0
_RETRY_SECONDS = 1.0
_AFTER_FAULT_SECONDS = 30.0
_LONGEST_WAIT_SECONDS = 3600.0
_PRUNE_SECONDS = 86400.0
_REFUSED = 64


class AgentRunner(Worker):
    """Starts agents for messages, by schedules and for people, within their limits."""

    name: ClassVar[str] = AGENT_RUNNER

    def __init__(self, hub: MessageHub, settings: Config) -> None:
        super().__init__(hub, settings)
        self._keep_seconds = settings.section("team", TeamSection).keep_days * 86400
        self._settings = AgentSettings(hub.team, settings)
        self._hubs: dict[str, MessageHub] = {}
        self._hubs_lock = threading.Lock()
        self._table = RunTable(hub)
        self._presence_of_runs = RunPresence(self._open_hub)
        self._follower = RunFollower(hub, self._settings, self._open_hub, ClaudeCode(hub.team), self._report, self.log)
        if not self._settings.agents:
            end_marked(RUN_VARIABLE, lambda mark: is_mark_of(hub.team.folder, mark), _STOP_SECONDS)
            self._follower.conclusion.end_removed(())
            self._close_hubs()
            raise OptionalNotConfigured(
                "No agent can be started: add a section [agent.NAME] to teamsup.toml, then run: teamsup reload"
            )
        self._dispatcher = Dispatcher(hub, self._settings, self._open_hub)
        self._requests = RunRequests(hub, self._settings, self._follower, self._request_stop)
        self._changed = asyncio.Event()
        self._followed: dict[int, asyncio.Task[None]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._startable: dict[str, dict[str, Any]] = {}
        self._incidents: set[str] = set()

    def presence_details(self) -> dict[str, Any]:
        running = len(self._followed)
        note = f"{running} run{'' if running == 1 else 's'}" if running else ""
        return {"note": note, STARTABLE: self._startable, USD_PER_DAY: self._settings.runner.usd_per_day}

    async def heartbeat(self) -> None:
        """Send a heartbeat, and check the sections, which take effect as soon as they are saved."""
        before = self._settings.agents
        if self._settings.reload_if_changed():
            self.log.info("new sections")
            changed = {name for name, section in self._settings.agents.items() if section != before.get(name)}
            try:
                await self.in_thread(self._table.end_incidents, "agent", changed)
            except StoreError as error:
                self.log.error("%s", error)
            self._changed.set()
        if self._settings.failure:
            await self.degrade("configuration", self._settings.failure)
        else:
            await self.recover("configuration")
        await super().heartbeat()

    async def handle(self, delivery: Delivery) -> None:
        await self.in_thread(self._handle, delivery)
        self._changed.set()

    def _handle(self, delivery: Delivery) -> None:
        """Act on a message, then end it. Idempotent. The answers are written under agents' names."""
        try:
            outcome = self._requests.handle(delivery.message)
        except RefusedRequest as error:
            self.hub.reply(delivery, str(error), message_type="error", metadata={EXIT_CODE: _REFUSED})
            return
        if outcome.text:
            about = None if outcome.run is None else {"run": outcome.run}
            self.hub.reply(delivery, outcome.text, metadata=about)
        else:
            self.hub.acknowledge(delivery)

    async def work(self) -> None:
        """Start due runs, and follow running runs. Runs outlive this worker, and the next worker takes them over."""
        self._loop = asyncio.get_running_loop()
        try:
            async with asyncio.TaskGroup() as tasks:
                for run in await self._prepare():
                    self._follow(tasks, run)
                tasks.create_task(self._dispatch_loop(tasks))
                tasks.create_task(self._lease_loop())
                tasks.create_task(self._prune_loop())
        finally:
            # Do not release deliveries: our agents keep what they have claimed.
            self._close_hubs()

    async def _prepare(self) -> list[Run]:
        """Return the earlier worker's runs that have a process. End processes that do not belong to a run."""
        while True:
            try:
                return await self.in_thread(self._take_over)
            except StoreError as error:
                self.log.error("%s Trying again.", error)
            await asyncio.sleep(_RETRY_SECONDS)

    def _take_over(self) -> list[Run]:
        open_runs = self._table.open_runs()
        for name in {*self._settings.agents, *(run.agent for run in open_runs)}:
            self.hub.enroll(name)
        self._follower.leave_elsewhere(open_runs)
        running = [run for run in self._table.open_runs() if run.state == "running"]
        self._follower.conclusion.end_removed({run.id for run in running})
        for kind in ("agent", "login"):
            # A person may have corrected the fault before this start. If not, the next run reports it again.
            self._table.end_incidents(kind)
        if killed := sweep_others(self.hub.team, {run_mark(self.hub.team, run.id) for run in running}):
            self.log.info("killed processes that ended runs had left: %s", ", ".join(map(str, killed)))
        self._renew_leases()
        for run in self._table.open_runs():
            # The earlier agent-runner may have died before it asked people.
            if run.state in ("parked", "unknown"):
                self._follower.ask_people(run)
        return running

    async def _dispatch_loop(self, tasks: asyncio.TaskGroup) -> None:
        """Call ``_dispatch`` when the doorbell rings, when something changes in this process, and at each deadline."""
        while True:
            names = set(self._settings.agents)
            await self._enroll(names)
            bells = (PRESENCE_TOPIC, *{doorbell_name(name) for name in names})
            with open_doorbell(self.hub.team.run, self.name, *bells) as bell:
                while names == set(self._settings.agents):
                    self._changed.clear()
                    await self._wait(bell, await self._dispatch(tasks))

    async def _enroll(self, names: Collection[str]) -> None:
        """Make agents known as soon as they are configured, so that others can write to them."""
        for name in names:
            await retry_in_thread(self.log, self.hub.enroll, name)

    async def _dispatch(self, tasks: asyncio.TaskGroup) -> float:
        """Start due runs. Return the seconds until the next look."""
        try:
            await self.in_thread(self._follower.conclusion.end_removed, set(self._followed))
            found = await self.in_thread(self._dispatcher.look, set(self._followed))
        except StoreError as error:
            await self.degrade("starts", f"Agents cannot be started: {error}")
            return _RETRY_SECONDS
        await self.recover("starts")
        for run in found.starts:
            self._follow(tasks, run)
        await self._publish(found)
        return _LONGEST_WAIT_SECONDS if found.due is None else max(0.0, found.due - time.time())

    async def _publish(self, found: Dispatch) -> None:
        """Publish the agents that can be started, and the troubles that only a person can end."""
        startable = await self.in_thread(self._describe_startable, found)
        is_new, self._startable = startable != self._startable, startable
        incidents = {f"{pause.kind} {pause.name}": pause for pause in found.pauses if pause.is_incident}
        for cause in self._incidents - incidents.keys():
            await self.recover(cause)
        self._incidents = set(incidents)
        for cause, pause in incidents.items():
            await self.degrade(cause, self._settings.describe_incident(pause))
        if is_new:
            await self.heartbeat()

    def _describe_startable(self, found: Dispatch) -> dict[str, dict[str, Any]]:
        midnight = datetime.now().astimezone().replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
        open_runs = self._table.open_runs()
        described = {}
        for name, section in self._settings.agents.items():
            runs, usd = self._table.count_since(name, midnight)
            wait = found.waits.get(name)
            described[name] = StartableAgent(
                starts_on=section.start,
                obstacle="" if wait is None else wait.reason,
                until=None if wait is None else wait.until,
                limit="" if wait is None else wait.name_setting(name),
                running=sum(run.agent == name and run.state == "running" for run in open_runs),
                waiting_for_people=sum(run.agent == name and run.state in ("parked", "unknown") for run in open_runs),
                runs_today=runs,
                usd_today=usd,
                next_tick=found.next_ticks.get(name),
            ).to_metadata()
        return described

    async def _wait(self, bell: Doorbell, seconds: float) -> None:
        ringing = asyncio.create_task(bell.wait_async(min(seconds, _LONGEST_WAIT_SECONDS)))
        changing = asyncio.create_task(self._changed.wait())
        try:
            await asyncio.wait((ringing, changing), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (ringing, changing):
                task.cancel()
            await asyncio.wait((ringing, changing))

    def _follow(self, tasks: asyncio.TaskGroup, run: Run) -> None:
        if run.id in self._followed:
            return  # the run has ended a moment ago, and the next look finds that
        self._followed[run.id] = tasks.create_task(self._follow_to_end(run))

    async def _follow_to_end(self, run: Run) -> None:
        """Follow a run. Even a bug here must not make the runner forget a process or end another run.

        After a fault, follow a run with a process again; the dispatcher starts the others.
        """
        is_due = True
        try:
            while True:
                try:
                    if is_due:
                        await self._follower.follow(run)
                    elif run.state in ("parked", "unknown"):
                        await self.in_thread(self._follower.ask_people, run)
                    await self.recover(f"run {run.id}")
                    await self._follower.end_if_stopped(run)
                except Exception as error:
                    self.log.exception("run %d of %s cannot be followed", run.id, run.agent)
                    await self.degrade(f"run {run.id}", f"Run {run.id} cannot be followed: {error}")
                    await asyncio.sleep(_AFTER_FAULT_SECONDS)
                    run = await self._read_again(run)
                    is_due = run.state == "running"
                else:
                    return
        finally:
            del self._followed[run.id]
            self._changed.set()

    async def _read_again(self, run: Run) -> Run:
        """Return the run's row as soon as the store is readable."""
        while True:
            try:
                return await self.in_thread(self._table.get, run.id) or run
            except StoreError as error:
                self.log.error("%s Trying again.", error)
            await asyncio.sleep(_RETRY_SECONDS)

    def _report(self, run: Run, note: str) -> None:
        """Report the current work of a run. A failed report does not stop the run."""
        try:
            self._presence_of_runs.report(run, note)
        except StoreError as error:
            self.log.error("the work of run %d could not be reported: %s", run.id, error)

    def _request_stop(self, number: int, reason: str) -> bool:
        """Request the end of a run's process, from any thread. Return whether a task follows the run and will end the
        process.
        """
        if self._loop is None:
            return False

        async def request() -> bool:
            # Do both steps in the event loop, so that the task does not end between them.
            if number not in self._followed:
                return False
            self._follower.request_stop(number, reason)
            return True

        return asyncio.run_coroutine_threadsafe(request(), self._loop).result()

    async def _lease_loop(self) -> None:
        """Renew the leases of the runs' messages, also while people decide."""
        while True:
            await asyncio.sleep(LEASE_SECONDS / 3)
            try:
                await self.in_thread(self._renew_leases)
                if await self.in_thread(self._deny_overdue):
                    self._changed.set()
            except StoreError as error:
                self.log.error("leases could not be renewed: %s", error)

    def _deny_overdue(self) -> bool:
        return any(self._follower.conclusion.deny_overdue(run) for run in self._table.open_runs())

    def _renew_leases(self) -> None:
        for run in self._table.open_runs():
            if not run.lease_token:
                continue
            hub = self._open_hub(run.agent)
            try:
                message = hub.queries.message(run.cause.key)
                until = as_datetime(time.time() + LEASE_SECONDS)
                hub.extend(Delivery(message, run.agent, max(1, run.starts), run.lease_token, until), LEASE_SECONDS)
            except (StaleLease, UnknownMessage):
                run = self._table.update(run, lease_token="")
                if run.state in ("parked", "unknown", "planned") and is_withdrawn(self.hub, run):
                    self._follower.conclusion.finish(run, Finish("stopped", WITHDRAWN))

    async def _prune_loop(self) -> None:
        while True:
            try:
                await self.in_thread(self._prune)
            except (StoreError, OSError) as error:
                self.log.error("old runs could not be removed: %s", error)
            await asyncio.sleep(_PRUNE_SECONDS)

    def _prune(self) -> None:
        """Remove old runs, and the files of runs without a row."""
        self._table.prune(time.time() - self._keep_seconds, time.time())
        folder = self.hub.team.folder / "runs"
        # List the folders first: a run that begins in between has its row before its folder.
        found = list(folder.iterdir()) if folder.is_dir() else []
        known = self._table.numbers()
        for each in found:
            if each.name.isdecimal() and int(each.name) not in known:
                shutil.rmtree(each, ignore_errors=True)

    def _open_hub(self, name: str) -> MessageHub:
        """Open the hub under an agent's name. This hub does not report presence by itself."""
        with self._hubs_lock:
            if name not in self._hubs:
                self._hubs[name] = MessageHub(self.hub.team, agent=name)
            return self._hubs[name]

    def _close_hubs(self) -> None:
        for hub in self._hubs.values():
            hub.close()


if __name__ == "__main__":
    main(AgentRunner, component.tables)
