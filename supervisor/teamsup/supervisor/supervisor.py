"""The supervisor's event loop: run the workers, check their heartbeats, and handle requests."""

import asyncio
import functools
import time
from collections.abc import Coroutine

from teamsup.config.components import CommandHook, run_owners
from teamsup.hub import Agent, Delivery, MessageHub, Team
from teamsup.hub.engines.choice import describe_store, open_hosts
from teamsup.hub.errors import ExitCode
from teamsup.hub.models import SUPERVISOR
from teamsup.hub.wakeup.doorbell import PRESENCE_TOPIC, Doorbell, Doorbells, open_doorbell
from teamsup.status import state_file, team_lock
from teamsup.status.crash import Crash
from teamsup.status.process_state import BLOCKED

from .background import BackgroundTasks, HubCaller
from .configuration.roles import LeasedRoles, Roles, make_roles
from .configuration.team_configuration import TeamConfiguration
from .control.handover import Handover, resume_workers
from .control.job_starter import TICK_SECONDS, JobStarter
from .control.reloader import ConfigurationReloader
from .control.request_handler import RequestHandler
from .control.successor import Successor
from .enrollment import WorkerEnrollment
from .health.alarm import OutageAlarm, describe_watcher_outage
from .health.crash_notifier import CrashNotifier
from .health.health_monitor import MEMORY_CHECK_SECONDS, HealthMonitor
from .health.hub_monitor import CHECK_SECONDS, HubMonitor
from .health.program_checks import ProgramChecks
from .health.troubles import Troubles
from .hosts.host_membership import HostMembership
from .hosts.hub_member import HubMember
from .hosts.request_router import RequestRouter
from .metrics_endpoint import MetricsEndpoint
from .processes import child, orphans
from .processes.managed_process import ManagedProcess, exit_code_of
from .processes.process_manager import ProcessManager
from .processes.spawner import Spawner
from .processes.worker_logs import WorkerLogs
from .sampler import SAMPLE_SECONDS, Sampler
from .sd_notify import ServiceNotifier, keep_beating
from .signals import SignalHandler
from .status_publisher import StatusPublisher

_JOIN_SECONDS = 1.0  # after this time the workers are started without the hub
_PRUNE_FIRST_SECONDS, _PRUNE_EVERY_SECONDS = 60.0, 3600.0
_DOORBELL_RETRY_SECONDS = 1.0


class Supervisor:
    """Run the workers of one team in this process until it is stopped."""

    def __init__(
        self,
        team: Team,
        configuration: TeamConfiguration,
        hub: MessageHub,
        notifier: ServiceNotifier,
        *,
        echo: bool,
        trouble: str = "",
        handover: Handover | None = None,
    ) -> None:
        """``trouble`` tells why this configuration differs from teamsup.toml. ``handover`` is the predecessor's."""
        self._handover = handover
        self._team = team
        self._hub = hub
        self._service_notifier = notifier
        self._boot_trouble = trouble
        self._stopping = asyncio.Event()
        self.exit_code: int = ExitCode.DONE
        self._has_joined = False
        self._joining: asyncio.Task[None] | None = None
        self._logs = WorkerLogs(team.logs, echo=echo)
        self._logs.open(SUPERVISOR)
        self.troubles = Troubles(self._log, self._on_trouble)
        self._background = BackgroundTasks(self._log)
        self._caller = HubCaller(self.troubles, self._stopping, self._log)
        hosts = open_hosts(team)
        woken = asyncio.Event()
        roles = make_roles(hosts, configuration.is_standby, woken.set, None if handover is None else handover.roles)
        self._roles: Roles = roles
        self._spawner = Spawner(team, roles)
        self._manager = ProcessManager(self._spawner, self._logs, self._on_change, self._on_crash, roles)
        self._successor = Successor(team, self._manager, self._spawner, roles, self._logs, echo=echo)
        self._health_monitor = HealthMonitor(self._manager)
        self._hub_monitor = HubMonitor(hub, self._manager, self.troubles)
        self._alarm = OutageAlarm(team, self._log)
        self._crash_notifier = CrashNotifier(hub, self.troubles)
        self._enrollment = WorkerEnrollment(hub, self._manager, roles)
        self._hub_member = HubMember(hub, roles, self._enrollment, self.troubles, self._log)
        self._publisher = StatusPublisher(
            team, self._manager, self.troubles, notifier, log=self._log, on_publish=self._flush_enrollment
        )
        self.ready = self._publisher.ready
        """Set once no worker is starting any more."""
        self._jobs = JobStarter(self._manager, self._publisher.schedule, self._log)
        self._metrics = MetricsEndpoint(hub, self.troubles, lambda: self._publisher.state)
        self._reloader = ConfigurationReloader(
            team,
            configuration,
            manager=self._manager,
            spawner=self._spawner,
            logs=self._logs,
            enrollment=self._enrollment,
            metrics=self._metrics,
            publisher=self._publisher,
            troubles=self.troubles,
            background=self._background,
        )
        self._signals = SignalHandler(
            self._manager,
            self._stopping,
            self._background,
            reload=self._reloader.reload,
            log=self._log,
            on_stop=self._successor.forbid,
        )
        self.requests = RequestHandler(
            hub,
            caller=self._caller,
            manager=self._manager,
            reloader=self._reloader,
            publisher=self._publisher,
            troubles=self.troubles,
            stopping=self._stopping,
            logs=self._logs,
            log=self._log,
            roles=roles,
            successor=self._successor,
        )
        self._answer = self.requests.perform
        self._membership: HostMembership | None = None
        if hosts is not None and isinstance(roles, LeasedRoles):
            router = RequestRouter(team, hosts.identity, lambda: roles.view, self.requests.perform)
            self._answer = router.answer_for_team
            self._membership = HostMembership(
                team,
                hosts,
                roles,
                configuration.host,
                manager=self._manager,
                publisher=self._publisher,
                woken=woken,
                background=self._background,
                perform=router.answer_here,
                on_answered=self._successor.execute_if_due,
                troubles=self.troubles,
            )

    @property
    def _configuration(self) -> TeamConfiguration:
        return self._reloader.configuration

    async def run(self) -> None:
        """Run the team until it is stopped. Raise SchemaTooNew if a newer program migrates the hub in that time."""
        self._signals.install()
        orphans.become_subreaper()
        self._background.run(keep_beating(self._service_notifier))
        with open_doorbell(self._team.run, SUPERVISOR, PRESENCE_TOPIC) as bell:
            await self._recover_predecessor()
            self._log(f"team {self._team.name!r} in {self._team.folder}")
            known = () if self._handover is None else self._handover.names
            programs = [each for name, each in self._configuration.programs.items() if name not in known]
            autostarted = [program for program in programs if program.starts_with_team]
            self._manager.start(*(program.name for program in autostarted if not program.has_guests))
            self._publisher.publish_start()
            self._background.run(self._start_when_ready(*(each.name for each in autostarted if each.has_guests)))
            serving = asyncio.create_task(self._main_loop(bell))
            # Without the main loop this supervisor must end, so that the service manager starts another one.
            serving.add_done_callback(lambda _: self._stopping.set())
            besides = [asyncio.create_task(work) for work in self._loops_beside()]
            await self._stopping.wait()
            if self._caller.refusal is not None:
                await self._successor.replace()
            self._log("stopping")
            self._service_notifier.stopping()
            serving.cancel()
            await asyncio.wait([serving])
            if self._membership is not None:
                self._membership.begin_leaving()
            self._manager.stop_all()
            await self._manager.wait_all_ended()
            for line in await asyncio.to_thread(orphans.end_all, self._team):
                self._log(line)
            for task in besides:
                task.cancel()
        self._publisher.publish_end()
        await self._caller.call(self._hub_member.leave)
        if self._membership is not None:
            await self._membership.leave()
        self._log("stopped")
        self._logs.close()
        if not serving.cancelled():
            serving.result()
        if self._caller.refusal is not None:
            raise self._caller.refusal

    async def _start_when_ready(self, *names: str) -> None:
        """Start these workers after all others have started. They are not urgent, and their start keeps a core busy."""
        await self.ready.wait()
        self._manager.start(*names)

    def _loops_beside(self) -> list[Coroutine[object, object, None]]:
        """Return the loops in addition to the main loop. They run until cancelled."""
        repeat, checks = self.troubles.repeat, ProgramChecks(self._manager)
        return [
            *([] if self._membership is None else self._membership.loops()),
            self._metrics.serve(self._configuration.metrics_port),
            repeat(MEMORY_CHECK_SECONDS, self._health_monitor.check_memory, "Memory is not watched"),
            # Check the hub outside of the main loop, because that loop waits while another process holds the hub.
            repeat(CHECK_SECONDS, self._check_hub, "The hub is not watched"),
            repeat(checks.pause, checks.check, "Programs are not checked"),
            repeat(TICK_SECONDS, self._jobs.check, "No job is started"),
            repeat(SAMPLE_SECONDS, Sampler(self._hub, self._publisher).sample, "No figures are kept"),
        ]

    async def _recover_predecessor(self) -> None:
        """Become the team's supervisor. A predecessor may have been killed in the middle of its work."""
        before = state_file.read_last_state(self._team)
        orderly = before is None or before.ended or self._handover is not None
        if not orderly and (killed := await asyncio.to_thread(orphans.kill_orphans_of_predecessor, self._team)):
            self._log(f"killed processes that the last supervisor had left: {', '.join(map(str, killed))}")
        owners = (program for name, program in self._configuration.programs.items() if name in run_owners())
        if not orderly and not any(program.autostart and not program.fault for program in owners):
            await asyncio.to_thread(orphans.end_runs, self._team)
        known = {worker.name: worker.crashes for worker in before.workers} if before is not None else {}
        self._manager.configure(self._configuration.programs, known)
        self._jobs.restore(() if before is None else before.workers)
        if self._handover is not None:
            resume_workers(self._handover, self._manager, self._spawner, self._log)
            self._reloader.check_again()
        self._publisher.publish()
        if self._boot_trouble:
            self._reloader.show_fault(self._boot_trouble)
            self._crash_notifier.enqueue(self._boot_trouble)
        self._enrollment.mark_removed(*known.keys() - {*self._configuration.programs, *self._configuration.agents})
        self._hub_monitor.begin_write()
        if self._membership is not None:
            await self._membership.join()
        self._joining = asyncio.create_task(self._join_hub())
        await asyncio.wait([self._joining], timeout=_JOIN_SECONDS)

    async def _join_hub(self) -> None:
        """Take part in the hub. If another program blocks the hub, start the team, and try again later."""
        self._has_joined = await self._caller.call(self._hub_member.join, self._configuration) or False

    async def _main_loop(self, bell: Doorbell) -> None:
        """Call ``_tick`` at every ring of the doorbell, and at every deadline."""
        prune_at = time.monotonic() + _PRUNE_FIRST_SECONDS
        while True:
            await self.troubles.attempt(self._tick, "Some workers are not supervised")
            if time.monotonic() >= prune_at:
                prune_at = time.monotonic() + _PRUNE_EVERY_SECONDS
                self._background.run(self._caller.call(self._hub_member.prune, self._configuration.keep_seconds))
            await self.troubles.attempt(functools.partial(self._wait_for_bell, bell), "The doorbell does not work")

    async def _wait_for_bell(self, bell: Doorbell) -> None:
        try:
            await bell.wait_async(min(self._health_monitor.next_check_in(), self._crash_notifier.next_report_in()))
        except Exception:
            await asyncio.sleep(_DOORBELL_RETRY_SECONDS)
            raise

    async def _tick(self) -> None:
        """Send the supervisor's heartbeat, check agents, report crashes, and handle requests."""
        self._reacquire_lock()
        await self._reloader.check_files()
        self._publisher.publish_again()
        await self._metrics.check(self._configuration.metrics_port)
        self._hub_monitor.begin_write()
        if self._joining is None or (self._joining.done() and not self._has_joined):
            self._joining = asyncio.create_task(self._join_hub())
        await asyncio.wait([self._joining])
        if self._membership is not None:
            self._membership.wake()
        found = await self._caller.call(self._sync_hub) if self._has_joined else None
        if found is None:
            self._health_monitor.reset_silence()
            return
        self._hub_monitor.end_write()
        self.troubles.end("hub")
        agents, requests = {agent.name: agent for agent in found[0]}, found[1]
        self._publisher.set_agents(agents)
        for request in requests:
            self._background.run(self.requests.handle_request(request, found[0], self._answer))
        self._health_monitor.check_heartbeats(agents)
        self._publisher.update_status()
        hook = self._configuration.command_hook
        self._crash_notifier.collect_all(self._manager.processes.values(), agents, self._publisher.degradation_of, hook)
        informed = () if hook is None else hook.notifies
        await self._caller.call(self._crash_notifier.send_pending, self._configuration.notify_on_crash, informed)

    def _reacquire_lock(self) -> None:
        try:
            if team_lock.reacquire_lock(self._team):
                self._log("the team's lock was gone, and is held again")
        except team_lock.AlreadyRunning as error:
            self._log(str(error))
            self._stopping.set()

    def _sync_hub(self) -> tuple[list[Agent], list[Delivery]]:
        workers = {each.name: each for each in self._publisher.state.workers}
        return self._hub_member.sync(self._configuration, workers, self._reloader.note)

    async def _check_hub(self) -> None:
        await self._hub_monitor.check()
        if (hook := self._configuration.command_hook) is not None:
            self._alarm.check(self._describe_outage(hook), hook, CHECK_SECONDS, self._command_environment)

    def _describe_outage(self, hook: CommandHook) -> str:
        """Return a sentence that says why people do not get alerts, or an empty text without an outage."""
        if self._hub_monitor.outage_seconds:
            return f"{describe_store(self._team)} does not accept writes. {self.troubles}".strip()
        watcher = self._manager.processes.get(hook.worker)
        is_asked = not self._stopping.is_set() and not self._roles.runs_elsewhere(hook.worker)
        return describe_watcher_outage(watcher, hook.after_seconds, time.monotonic()) if is_asked else ""

    def _command_environment(self) -> dict[str, str]:
        accepted = {name for each in self._configuration.programs.values() for name in each.withheld_variables}
        return child.inherited_environment(accepted.union(self._spawner.withheld_variables))

    def _on_change(self, worker: ManagedProcess) -> None:
        if worker.child is None and not worker.is_active:
            self._enrollment.mark_ended(worker.name)
        self._publisher.schedule()
        if self._membership is not None:
            self._membership.wake()
        if worker.program.essential and worker.process.state in BLOCKED and not self._stopping.is_set():
            self._log(f"{worker.name} is essential and has ended ({worker.process.reason}), so the team ends")
            self._successor.forbid()
            self.exit_code = exit_code_of(worker)
            self._stopping.set()

    def _on_crash(self, worker: ManagedProcess, crash: Crash) -> None:
        self._publisher.schedule()
        self._crash_notifier.record_crash(worker.name, crash)

    def _on_trouble(self) -> None:
        self._publisher.schedule()
        Doorbells(self._team.run).ring([SUPERVISOR])

    def _flush_enrollment(self) -> None:
        if self._enrollment.has_changed:
            self._background.run(self._caller.call(self._enrollment.flush, self._configuration))

    def _log(self, line: str) -> None:
        self._logs.write(SUPERVISOR, line)
