"""The supervisor's event loop: looks after the workers, judges them by their heartbeats, does what messages ask for."""

import asyncio
import functools
import os
import signal
import time
from collections.abc import Callable, Coroutine
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from teamsup.hub import Agent, Delivery, MessageHub, SchemaTooNew, StoreError, Team, TeamsupError
from teamsup.hub.models import DEGRADED, NOT_CONFIGURED, OFFLINE, ONLINE, SUPERVISOR
from teamsup.hub.wakeup.doorbell import Doorbell, Doorbells
from teamsup.terminal.hints import command_hint

from . import state_file
from .configuration.reload_plan import ReloadPlan
from .configuration.reloader import ConfigurationReloader
from .configuration.team_configuration import TeamConfiguration
from .control import request_handler
from .enrollment import WorkerEnrollment
from .health.alarm import OutageAlarm, describe_bridge_outage
from .health.crash_notifier import MONITOR_BRIDGE, CrashNotifier
from .health.crashes import Crash
from .health.degradation import Troubles, blocked_reason, degradation_reason, format_status, is_optional
from .health.health_monitor import MEMORY_CHECK_SECONDS, HealthMonitor
from .health.hub_monitor import CHECK_SECONDS, HubMonitor
from .processes import child, orphans
from .processes.lifecycle import ALIVE, State
from .processes.managed_process import ManagedProcess
from .processes.process_manager import ProcessManager
from .processes.worker_logs import WorkerLogs
from .sd_notify import ServiceNotifier

if TYPE_CHECKING:
    from .metrics import MetricsServer

P = ParamSpec("P")
T = TypeVar("T")

_REQUEST_SECONDS = 24 * 3600.0
_JOIN_SECONDS = 1.0
"""After so long the workers are started without the hub."""
_PRUNE_FIRST_SECONDS = 60.0
_PRUNE_EVERY_SECONDS = 3600.0
# A signal that came twice at once, as from 'timeout' to the group and to us, is no second thought.
_REPEATED_SIGNAL_SECONDS = 0.5
_PUBLISH_RATIO, _MAX_PUBLISH_SECONDS = 5.0, 0.5
"""What is shown of the team follows a change after so many times what showing takes, in seconds at the latest."""
_DOORBELL_RETRY_SECONDS = 1.0
_STATE, _METRICS = "state", "metrics"


class Supervisor:
    """Runs the workers of one team in this process until told to stop."""

    def __init__(
        self,
        team: Team,
        settings: TeamConfiguration,
        hub: MessageHub,
        notifier: ServiceNotifier,
        *,
        echo: bool,
        trouble: str = "",
    ) -> None:
        """``trouble`` is why these settings are not what teamsup.toml says."""
        self.team = team
        self.hub = hub
        self.configuration = settings
        self.stopping = asyncio.Event()
        self._refusal: SchemaTooNew | None = None
        self.ready = asyncio.Event()
        """Set once no worker is starting any more."""
        self._service_notifier = notifier
        self.logs = WorkerLogs(team.logs, echo=echo)
        self.logs.open(SUPERVISOR)
        self.manager = ProcessManager(team, self.logs, self._on_change, self._on_crash)
        self._health_monitor = HealthMonitor(self.manager)
        self._started_at = time.time()
        self._started_monotonic = time.monotonic()
        self._stop_requested_at = 0.0
        self._has_started = False
        self._ended = False
        # With nohup SIGHUP was ignored, and the terminal may go.
        self._needs_terminal = _has_terminal() and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN
        self._publish_timer: asyncio.TimerHandle | None = None
        self._publish_seconds = 0.0
        self._has_joined = False
        self._joining: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[object]] = set()
        self._agents: dict[str, Agent] = {}
        self.troubles = Troubles(self.log, self._on_trouble)
        self._hub_monitor = HubMonitor(hub, self.manager, self.troubles)
        self._alarm = OutageAlarm(team, self.log)
        self._crash_notifier = CrashNotifier(hub, self.troubles)
        self._published = state_file.TeamState(os.getpid(), self._started_at, ())
        self.metrics: MetricsServer | None = None
        self.enrollment = WorkerEnrollment(hub, self.manager)
        self._reloader = ConfigurationReloader(self)
        self._boot_trouble = trouble

    async def run(self) -> None:
        """Run the team until told to end. Raises SchemaTooNew when a newer program has changed the hub meanwhile."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self._on_signal, number)
        loop.add_signal_handler(signal.SIGCHLD, self.manager.reap)
        orphans.become_subreaper()
        with closing(Doorbell(self.team.run, SUPERVISOR)) as bell:
            await self._recover_predecessor()
            self.log(f"team {self.team.name!r} in {self.team.folder}")
            self.manager.start(*(name for name, program in self.configuration.programs.items() if program.autostart))
            self._has_started = True
            self._check_ready()
            serving = asyncio.create_task(self._main_loop(bell))
            # One that serves no more must not look well: it ends, and the service manager starts another one.
            serving.add_done_callback(lambda _: self.stopping.set())
            besides = [
                asyncio.create_task(work)
                for work in (
                    self._watchdog_loop(serving),
                    self._serve_metrics(),
                    self.troubles.repeat(
                        MEMORY_CHECK_SECONDS, self._health_monitor.check_memory, "Memory is not watched"
                    ),
                    # Besides the loop that writes, because that one waits while another process holds the hub.
                    self.troubles.repeat(CHECK_SECONDS, self._check_hub, "The hub is not watched"),
                )
            ]
            await self.stopping.wait()
            self.log("stopping")
            self._service_notifier.stopping()
            # From here on nobody can ask for anything any more.
            serving.cancel()
            await asyncio.wait([serving])
            self.manager.stop_all()
            await self.manager.wait_all_ended()
            if killed := await asyncio.to_thread(orphans.kill_orphans_of_team):
                self.log(f"killed what was left: {', '.join(map(str, killed))}")
            for task in besides:
                task.cancel()
        self._ended = True
        self.publish()
        await self.call_hub(self.hub.heartbeat, OFFLINE)
        self.log("stopped")
        self.logs.close()
        if not serving.cancelled():
            serving.result()
        if self._refusal is not None:
            raise self._refusal

    async def reload(self) -> ReloadPlan:
        """Take over a changed teamsup.toml, or change nothing.

        Raises NotConfigured for a mistake in it, StoreError or OSError when it cannot be taken over now.
        """
        self._service_notifier.reloading()
        try:
            return await self._reloader.reload()
        finally:
            self._service_notifier.ready(self._status_line())

    def log(self, line: str) -> None:
        self.logs.write(SUPERVISOR, line)

    def _schedule_publish(self) -> None:
        """Soon, and all changes until then at once: the more workers there are, the longer it takes."""
        if self._publish_timer is None:
            pause = min(_MAX_PUBLISH_SECONDS, _PUBLISH_RATIO * self._publish_seconds)
            self._publish_timer = asyncio.get_running_loop().call_later(pause, self._publish_now)

    def _publish_now(self) -> None:
        self._publish_timer = None
        if self._ended:
            # Nothing can be written any more, and all has been shown.
            return
        begun = time.monotonic()
        self._check_ready()
        self._service_notifier.status(self._status_line())
        self.publish()
        if self.enrollment.has_changed:
            self.run_in_background(self.call_hub(self.enrollment.flush, self.configuration))
        self._publish_seconds = time.monotonic() - begun
        if not self.manager.is_idle:
            self._schedule_publish()

    def _on_trouble(self) -> None:
        self._schedule_publish()
        # The next heartbeat says it to the hub, too.
        Doorbells(self.team.run).ring([SUPERVISOR])

    def run_in_background(self, work: Coroutine[object, object, object]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._on_task_done)

    def _on_task_done(self, task: asyncio.Task[object]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.log(f"{type(error).__name__}: {error}")

    async def call_hub(self, action: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """Do it in a thread, because a busy database must not hold up the care for the workers; None if it failed."""
        try:
            return await asyncio.to_thread(action, *args, **kwargs)
        except SchemaTooNew as error:
            self._end_because(error)
        except StoreError as error:
            self.troubles.begin("hub", str(error))
        except TeamsupError as error:
            self.log(str(error))
        except Exception as error:
            # Whatever it is, the workers must go on being looked after.
            self.log(f"{type(error).__name__}: {error}")
        return None

    def _end_because(self, error: SchemaTooNew) -> None:
        """This program has become too old for the hub: it ends, and whoever starts it again starts the new one."""
        if self._refusal is None:
            self._refusal = error
            self.log(str(error))
        self.stopping.set()

    async def _recover_predecessor(self) -> None:
        """Be the team's supervisor, after one that may have been killed in the middle of its work."""
        before = state_file.read_last_state(self.team)
        orderly = before is None or before.ended
        if not orderly and (killed := await asyncio.to_thread(orphans.kill_orphans_of_predecessor, self.team)):
            self.log(f"killed what the last supervisor had left: {', '.join(map(str, killed))}")
        known = {worker.name: worker.deaths for worker in before.workers} if before is not None else {}
        self.manager.configure(self.configuration.programs, known)
        self.publish()
        if self._boot_trouble:
            self._reloader.show_fault(self._boot_trouble)
            self._crash_notifier.enqueue(self._boot_trouble)
        self.enrollment.mark_removed(*known.keys() - {*self.configuration.programs, *self.configuration.agents})
        self._hub_monitor.begin_write()
        self._joining = asyncio.create_task(self._join_hub())
        await asyncio.wait([self._joining], timeout=_JOIN_SECONDS)

    async def _join_hub(self) -> None:
        """Take part in the hub. One that another program holds is no reason not to start: it is tried again."""

        def join() -> bool:
            self.hub.register("supervisor", pid=os.getpid())
            self.hub.release_abandoned()
            self.enrollment.enroll(self.configuration)
            self.hub.start_watcher()
            return True

        self._has_joined = await self.call_hub(join) or False

    def remove_worker(self, name: str) -> None:
        """End a worker that is configured no more, then forget it."""
        self.manager.stop(name)
        self.run_in_background(self._remove_when_ended(self.manager.processes[name]))

    async def _remove_when_ended(self, worker: ManagedProcess) -> None:
        await self.manager.wait_until_left(worker, *ALIVE, State.STOPPING)
        if worker.name not in self.configuration.programs:
            self.manager.processes.pop(worker.name, None)
            self.logs.close_log(worker.name)
            self.enrollment.mark_removed(worker.name)
            self._schedule_publish()

    def _on_signal(self, number: int) -> None:
        """SIGTERM and Ctrl-C end the team in order, a second Ctrl-C at once. SIGHUP reloads, unless it says that the
        terminal has gone."""
        if number == signal.SIGHUP and (not self._needs_terminal or _has_terminal()):
            self.run_in_background(self._reload_on_signal())
        elif not self.stopping.is_set():
            self.stopping.set()
            self._stop_requested_at = time.monotonic()
        elif number == signal.SIGINT and time.monotonic() - self._stop_requested_at > _REPEATED_SIGNAL_SECONDS:
            self.manager.kill_all()

    async def _reload_on_signal(self) -> None:
        try:
            await self.reload()
        except (TeamsupError, OSError) as error:
            self.log(f"nothing was reloaded: {error}")

    def _on_change(self, worker: ManagedProcess) -> None:
        if worker.child is None and not worker.is_active:
            self.enrollment.mark_ended(worker.name)
        self._schedule_publish()

    def _check_ready(self) -> None:
        if self.ready.is_set() or not self._has_started or self.manager.starting_names():
            return
        seconds = time.monotonic() - self._started_monotonic
        self.log(f"ready in {seconds:.1f} s; talk to the team with: {command_hint(self.team, 'chat')}")
        self._service_notifier.ready(self._status_line())
        self.ready.set()

    def _on_crash(self, worker: ManagedProcess, crash: Crash) -> None:
        self._schedule_publish()
        self._crash_notifier.record_crash(worker.name, crash)

    def _status_line(self) -> str:
        """One line for whoever asks the service manager."""
        return format_status(self._worker_states(), self._agents, self.troubles, datetime.now(UTC))

    def degradation_of(self, worker: ManagedProcess) -> str:
        """Return why a worker that runs cannot do its work; empty if it can."""
        return degradation_reason(self.manager.state_of(worker), self._agents.get(worker.name), datetime.now(UTC))

    def _worker_states(self) -> tuple[state_file.WorkerState, ...]:
        return tuple(self.manager.state_of(worker) for worker in self.manager.processes.values())

    def publish(self) -> None:
        """Show how everybody is to ``ps``, and to whoever comes after us."""
        self._published = state_file.TeamState(
            os.getpid(), self._started_at, self._worker_states(), self._ended, str(self.troubles), self.troubles.since
        )
        try:
            state_file.write_state(self.team, self._published)
        except OSError as error:
            self.troubles.begin(_STATE, f"'teamsup ps' shows old states, because they cannot be written: {error}.")
            state_file.leave_word(self.team, str(self.troubles))
        else:
            if _STATE in self.troubles:
                state_file.leave_word(self.team, "")
            self.troubles.end(_STATE)

    async def _watchdog_loop(self, serving: asyncio.Task[None]) -> None:
        """Tell the service manager, from the loop that decides, that it still does."""
        while (seconds := self._service_notifier.watchdog_seconds) is not None:
            if self.stopping.is_set() or not serving.done():
                self._service_notifier.watchdog()
            await asyncio.sleep(seconds / 3)

    async def _check_hub(self) -> None:
        await self._hub_monitor.check()
        self._alarm.check(
            self._describe_outage(), self.configuration.monitor_section, CHECK_SECONDS, self._command_environment
        )

    def _describe_outage(self) -> str:
        """Why nobody hears of alerts, as a sentence; empty while they do, or are not to."""
        if self._hub_monitor.outage_seconds:
            return f"{self.team.database} takes no writes. {self.troubles}".strip()
        bridge = self.manager.processes.get(MONITOR_BRIDGE)
        return (
            ""
            if self.stopping.is_set()
            else describe_bridge_outage(bridge, self.configuration.monitor_section.act_seconds, time.monotonic())
        )

    def _command_environment(self) -> dict[str, str]:
        accepted = {name for each in self.configuration.programs.values() for name in each.withheld_variables}
        return child.inherited_environment(accepted | self.manager.saved_secrets.keys())

    async def _main_loop(self, bell: Doorbell) -> None:
        """Say that we live, see who else does, tell the news, keep the mailboxes true, and do what is asked of us."""
        prune_at = time.monotonic() + _PRUNE_FIRST_SECONDS
        while True:
            await self.troubles.attempt(self._tick, "Not all of the team is looked after")
            if time.monotonic() >= prune_at:
                prune_at = time.monotonic() + _PRUNE_EVERY_SECONDS
                self.run_in_background(self.call_hub(self.hub.prune, older_than=self.configuration.keep_seconds))
            await self.troubles.attempt(functools.partial(self._wait_for_bell, bell), "The doorbell is not heard")

    async def _wait_for_bell(self, bell: Doorbell) -> None:
        try:
            await bell.wait_async(min(self._health_monitor.next_check_in(), self._crash_notifier.next_report_in()))
        except Exception:
            await asyncio.sleep(_DOORBELL_RETRY_SECONDS)
            raise

    async def _tick(self) -> None:
        self._reacquire_lock()
        await self._reloader.check_files()
        if _STATE in self.troubles:
            self.publish()
        if self.metrics is not None and not self.metrics.is_alive:
            await self.replace_metrics(None)
            self.troubles.begin(_METRICS, "The server of metrics has ended.")
        if _METRICS in self.troubles:
            await self._serve_metrics()
        self._hub_monitor.begin_write()
        if self._joining is None or (self._joining.done() and not self._has_joined):
            self._joining = asyncio.create_task(self._join_hub())
        await asyncio.wait([self._joining])
        found = await self.call_hub(self._sync_hub) if self._has_joined else None
        if found is None:
            self._health_monitor.reset_silence()
            return
        self._hub_monitor.end_write()
        self.troubles.end("hub")
        agents, requests = found
        self._agents = {agent.name: agent for agent in agents}
        for request in requests:
            self.run_in_background(request_handler.handle_request(self, request, agents))
        self._health_monitor.check_heartbeats(self._agents)
        self._service_notifier.status(self._status_line())
        bridge = self._agents.get(MONITOR_BRIDGE)
        is_watched = bridge is not None and bridge.is_present(datetime.now(UTC))
        workers = self.manager.processes.values()
        optional = {name for name, agent in self._agents.items() if is_optional(agent)}
        self._crash_notifier.collect(workers, is_watched=is_watched, optional=optional)
        reasons = {worker.name: reason for worker in workers if (reason := self.degradation_of(worker))}
        self._crash_notifier.track_degraded(reasons, is_watched=is_watched)
        await self.call_hub(self._crash_notifier.send_pending, self.configuration.notify_on_crash)

    def _reacquire_lock(self) -> None:
        try:
            if state_file.reacquire_lock(self.team):
                self.log("the team's lock was gone, and is there again")
        except state_file.AlreadyRunning as error:
            self.log(str(error))
            self.stopping.set()

    def _sync_hub(self) -> tuple[list[Agent], list[Delivery]]:
        # Who looks for crash loops learns of them from here: many workers know nothing of the hub.
        workers = self._published.workers
        self.hub.heartbeat(
            DEGRADED if self.troubles else ONLINE,
            pid=os.getpid(),
            restarts={each.name: each.restarts for each in workers},
            fatal={each.name: reason for each in workers if (reason := blocked_reason(each, self._agent_of(each)))},
            reason=str(self.troubles),
            note=self._reloader.note,
        )
        self.enrollment.flush(self.configuration)
        self.hub.start_watcher()
        self.hub.apply_all_deadlines()
        # The requests first: who has made them is known by then.
        requests = self.hub.claim(10, lease=_REQUEST_SECONDS)
        return self.hub.agents(), requests

    def _agent_of(self, worker: state_file.WorkerState) -> Agent | None:
        """What a worker has said that is not configured; of others that is not needed."""
        return self.hub.find_agent(worker.name) if worker.reason == NOT_CONFIGURED else None

    async def _serve_metrics(self) -> None:
        port = self.configuration.metrics_port
        try:
            await self.replace_metrics(self.open_metrics(port))
        except OSError as error:
            self.troubles.begin(_METRICS, f"No metrics on 127.0.0.1 port {port}: {error.strerror}.")

    def open_metrics(self, port: int) -> "MetricsServer | None":
        """Return a server of metrics on that port; None for port 0. Raises OSError."""
        if not port:
            return None
        from .metrics import MetricsServer  # few want it, and it takes a MiB

        return MetricsServer(port, self.hub, lambda: self._published)

    async def replace_metrics(self, server: "MetricsServer | None") -> None:
        old, self.metrics = self.metrics, server
        if old is not None and old is not server:
            await asyncio.to_thread(old.close)
        if server is not None or not self.configuration.metrics_port:
            self.troubles.end(_METRICS)


def _has_terminal() -> bool:
    """Whether this process has a terminal that is still there."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True
