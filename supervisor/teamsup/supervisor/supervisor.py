"""The supervisor's event loop: cares for the crew, judges it by its heartbeats, tells and does what it is asked."""

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
from teamsup.hub.command_line import command_line
from teamsup.hub.doorbell import Bells, Doorbell
from teamsup.hub.messages import DEGRADED, NOT_CONFIGURED, OFFLINE, ONLINE, SUPERVISOR

from . import child, control, leftovers, state_file
from .alarm import Alarm, trouble_of
from .configuration import Configuration
from .crew import Crew
from .deaths import Death
from .degradation import Troubles, degradation, hold, is_optional, status_line
from .hub_monitor import LOOK_SECONDS, HubMonitor
from .journal import Journal
from .judge import WEIGH_SECONDS, Judge
from .lifecycle import ALIVE, State
from .member import Member
from .membership import Membership
from .news import MONITOR_BRIDGE, News
from .notifier import Notifier
from .plan import Plan
from .reload import Reload

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
_SECOND_THOUGHT_SECONDS = 0.5
_SHOW_SHARE, _SHOW_AT_LATEST = 5.0, 0.5
"""What is shown of the team follows a change after so many times what showing takes, in seconds at the latest."""
_WITHOUT_BELL_SECONDS = 1.0
_STATE, _METRICS = "state", "metrics"


class Supervisor:
    """Runs the workers of one team in this process until told to stop."""

    def __init__(
        self, team: Team, settings: Configuration, hub: MessageHub, notifier: Notifier, *, echo: bool, trouble: str = ""
    ) -> None:
        """``trouble`` is why these settings are not what teamsup.toml says."""
        self.team = team
        self.hub = hub
        self.settings = settings
        self.stopping = asyncio.Event()
        self._refusal: SchemaTooNew | None = None
        self.ready = asyncio.Event()
        """Set once no worker is starting any more."""
        self._notifier = notifier
        self.journal = Journal(team.logs, echo=echo)
        self.journal.open(SUPERVISOR)
        self.crew = Crew(team, self.journal, self._changed, self._died)
        self._judge = Judge(self.crew)
        self._started_at = time.time()
        self._began = time.monotonic()
        self._asked_at = 0.0
        self._has_started = False
        self._ended = False
        # With nohup SIGHUP was ignored, and the terminal may go.
        self._needs_terminal = _has_terminal() and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN
        self._showing: asyncio.TimerHandle | None = None
        self._show_seconds = 0.0
        self._has_joined = False
        self._joining: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[object]] = set()
        self._agents: dict[str, Agent] = {}
        self.troubles = Troubles(self.say, self._show_trouble)
        self._hub_monitor = HubMonitor(hub, self.crew, self.troubles)
        self._alarm = Alarm(team, self.say)
        self._news = News(hub, self.troubles)
        self._published = state_file.TeamState(os.getpid(), self._started_at, ())
        self.metrics: MetricsServer | None = None
        self.membership = Membership(hub, self.crew)
        self._reload = Reload(self)
        self._boot_trouble = trouble

    async def run(self) -> None:
        """Run the team until told to end. Raises SchemaTooNew when a newer program has changed the hub meanwhile."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self._signalled, number)
        loop.add_signal_handler(signal.SIGCHLD, self.crew.reap)
        leftovers.adopt()
        with closing(Doorbell(self.team.run, SUPERVISOR)) as bell:
            await self._take_over()
            self.say(f"team {self.team.name!r} in {self.team.folder}")
            self.crew.start(*(name for name, program in self.settings.programs.items() if program.autostart))
            self._has_started = True
            self._check_ready()
            serving = asyncio.create_task(self._serve(bell))
            # One that serves no more must not look well: it ends, and the service manager starts another one.
            serving.add_done_callback(lambda _: self.stopping.set())
            besides = [
                asyncio.create_task(work)
                for work in (
                    self._stay_alive(serving),
                    self._serve_metrics(),
                    self.troubles.repeat(WEIGH_SECONDS, self._judge.weigh, "Memory is not watched"),
                    # Besides the loop that writes, because that one waits while another process holds the hub.
                    self.troubles.repeat(LOOK_SECONDS, self._watch_hub, "The hub is not watched"),
                )
            ]
            await self.stopping.wait()
            self.say("stopping")
            self._notifier.stopping()
            # From here on nobody can ask for anything any more.
            serving.cancel()
            await asyncio.wait([serving])
            self.crew.stop_all()
            await self.crew.ended()
            if killed := await asyncio.to_thread(leftovers.end_of_team):
                self.say(f"killed what was left: {', '.join(map(str, killed))}")
            for task in besides:
                task.cancel()
        self._ended = True
        self.publish()
        await self.in_hub(self.hub.heartbeat, OFFLINE)
        self.say("stopped")
        self.journal.close()
        if not serving.cancelled():
            serving.result()
        if self._refusal is not None:
            raise self._refusal

    async def reload(self) -> Plan:
        """Take over a changed teamsup.toml, or change nothing.

        Raises NotConfigured for a mistake in it, StoreError or OSError when it cannot be taken over now.
        """
        self._notifier.reloading()
        try:
            return await self._reload.all()
        finally:
            self._notifier.ready(self._status())

    def say(self, line: str) -> None:
        self.journal.say(SUPERVISOR, line)

    def _show(self) -> None:
        """Soon, and all changes until then at once: the more workers there are, the longer it takes."""
        if self._showing is None:
            pause = min(_SHOW_AT_LATEST, _SHOW_SHARE * self._show_seconds)
            self._showing = asyncio.get_running_loop().call_later(pause, self._show_now)

    def _show_now(self) -> None:
        self._showing = None
        if self._ended:
            # Nothing can be written any more, and all has been shown.
            return
        begun = time.monotonic()
        self._check_ready()
        self._notifier.status(self._status())
        self.publish()
        if self.membership.has_changed:
            self.background(self.in_hub(self.membership.write, self.settings))
        self._show_seconds = time.monotonic() - begun
        if not self.crew.is_calm:
            self._show()

    def _show_trouble(self) -> None:
        self._show()
        # The next heartbeat says it to the hub, too.
        Bells(self.team.run).ring([SUPERVISOR])

    def background(self, work: Coroutine[object, object, object]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[object]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.say(f"{type(error).__name__}: {error}")

    async def in_hub(self, action: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """Do it in a thread, because a busy database must not hold up the care for the workers; None if it failed."""
        try:
            return await asyncio.to_thread(action, *args, **kwargs)
        except SchemaTooNew as error:
            self._end_because(error)
        except StoreError as error:
            self.troubles.begin("hub", str(error))
        except TeamsupError as error:
            self.say(str(error))
        except Exception as error:
            # Whatever it is, the workers must go on being looked after.
            self.say(f"{type(error).__name__}: {error}")
        return None

    def _end_because(self, error: SchemaTooNew) -> None:
        """This program has become too old for the hub: it ends, and whoever starts it again starts the new one."""
        if self._refusal is None:
            self._refusal = error
            self.say(str(error))
        self.stopping.set()

    async def _take_over(self) -> None:
        """Be the team's supervisor, after one that may have been killed in the middle of its work."""
        before = state_file.last(self.team)
        orderly = before is None or before.ended
        if not orderly and (killed := await asyncio.to_thread(leftovers.end_of_predecessor, self.team)):
            self.say(f"killed what the last supervisor had left: {', '.join(map(str, killed))}")
        known = {worker.name: worker.deaths for worker in before.workers} if before is not None else {}
        self.crew.configure(self.settings.programs, known)
        self.publish()
        if self._boot_trouble:
            self._reload.show(self._boot_trouble)
            self._news.add(self._boot_trouble)
        self.membership.remove(*known.keys() - {*self.settings.programs, *self.settings.agents})
        self._hub_monitor.begin_write()
        self._joining = asyncio.create_task(self._join())
        await asyncio.wait([self._joining], timeout=_JOIN_SECONDS)

    async def _join(self) -> None:
        """Take part in the hub. One that another program holds is no reason not to start: it is tried again."""

        def join() -> bool:
            self.hub.register("supervisor", pid=os.getpid())
            self.hub.recover()
            self.membership.enroll(self.settings)
            self.hub.watch()
            return True

        self._has_joined = await self.in_hub(join) or False

    def remove(self, name: str) -> None:
        """End a worker that is configured no more, then forget it."""
        self.crew.stop(name)
        self.background(self._remove(self.crew.members[name]))

    async def _remove(self, member: Member) -> None:
        await self.crew.settled(member, *ALIVE, State.STOPPING)
        if member.name not in self.settings.programs:
            self.crew.members.pop(member.name, None)
            self.journal.forget(member.name)
            self.membership.remove(member.name)
            self._show()

    def _signalled(self, number: int) -> None:
        """SIGTERM and Ctrl-C end the team in order, a second Ctrl-C at once. SIGHUP reloads, unless it says that the
        terminal has gone."""
        if number == signal.SIGHUP and (not self._needs_terminal or _has_terminal()):
            self.background(self._reload_or_say_why_not())
        elif not self.stopping.is_set():
            self.stopping.set()
            self._asked_at = time.monotonic()
        elif number == signal.SIGINT and time.monotonic() - self._asked_at > _SECOND_THOUGHT_SECONDS:
            self.crew.kill_all()

    async def _reload_or_say_why_not(self) -> None:
        try:
            await self.reload()
        except (TeamsupError, OSError) as error:
            self.say(f"nothing was reloaded: {error}")

    def _changed(self, member: Member) -> None:
        if member.child is None and not member.is_busy:
            self.membership.end(member.name)
        self._show()

    def _check_ready(self) -> None:
        if self.ready.is_set() or not self._has_started or self.crew.starting():
            return
        seconds = time.monotonic() - self._began
        self.say(f"ready in {seconds:.1f} s; talk to the team with: {command_line(self.team, 'chat')}")
        self._notifier.ready(self._status())
        self.ready.set()

    def _died(self, member: Member, death: Death) -> None:
        self._show()
        self._news.add_death(member.name, death)

    def _status(self) -> str:
        """One line for whoever asks the service manager."""
        return status_line(self._workers(), self._agents, self.troubles, datetime.now(UTC))

    def degradation(self, member: Member) -> str:
        """Return why a worker that runs cannot do its work; empty if it can."""
        return degradation(self.crew.state_of(member), self._agents.get(member.name), datetime.now(UTC))

    def _workers(self) -> tuple[state_file.WorkerState, ...]:
        return tuple(self.crew.state_of(member) for member in self.crew.members.values())

    def publish(self) -> None:
        """Show how everybody is to ``ps``, and to whoever comes after us."""
        self._published = state_file.TeamState(
            os.getpid(), self._started_at, self._workers(), self._ended, str(self.troubles), self.troubles.since
        )
        try:
            state_file.write(self.team, self._published)
        except OSError as error:
            self.troubles.begin(_STATE, f"'teamsup ps' shows old states, because they cannot be written: {error}.")
            state_file.leave_word(self.team, str(self.troubles))
        else:
            if _STATE in self.troubles:
                state_file.leave_word(self.team, "")
            self.troubles.end(_STATE)

    async def _stay_alive(self, serving: asyncio.Task[None]) -> None:
        """Tell the service manager, from the loop that decides, that it still does."""
        while (seconds := self._notifier.watchdog_seconds) is not None:
            if self.stopping.is_set() or not serving.done():
                self._notifier.alive()
            await asyncio.sleep(seconds / 3)

    async def _watch_hub(self) -> None:
        await self._hub_monitor.look()
        self._alarm.look(self._outage(), self.settings.monitor, LOOK_SECONDS, self._environment_of_command)

    def _outage(self) -> str:
        """Why nobody hears of alerts, as a sentence; empty while they do, or are not to."""
        if self._hub_monitor.seconds:
            return f"{self.team.database} takes no writes. {self.troubles}".strip()
        bridge = self.crew.members.get(MONITOR_BRIDGE)
        return "" if self.stopping.is_set() else trouble_of(bridge, self.settings.monitor.act_seconds, time.monotonic())

    def _environment_of_command(self) -> dict[str, str]:
        accepted = {name for each in self.settings.programs.values() for name in each.withheld}
        return child.inherited(accepted | self.crew.saved_secrets.keys())

    async def _serve(self, bell: Doorbell) -> None:
        """Say that we live, see who else does, tell the news, keep the mailboxes true, and do what is asked of us."""
        prune_at = time.monotonic() + _PRUNE_FIRST_SECONDS
        while True:
            await self.troubles.attempt(self._care, "Not all of the team is looked after")
            if time.monotonic() >= prune_at:
                prune_at = time.monotonic() + _PRUNE_EVERY_SECONDS
                self.background(self.in_hub(self.hub.prune, older_than=self.settings.keep_seconds))
            await self.troubles.attempt(functools.partial(self._wait, bell), "The doorbell is not heard")

    async def _wait(self, bell: Doorbell) -> None:
        try:
            await bell.wait_async(min(self._judge.pause(), self._news.pause()))
        except Exception:
            await asyncio.sleep(_WITHOUT_BELL_SECONDS)
            raise

    async def _care(self) -> None:
        self._keep_hold()
        await self._reload.follow()
        if _STATE in self.troubles:
            self.publish()
        if self.metrics is not None and not self.metrics.is_alive:
            await self.replace_metrics(None)
            self.troubles.begin(_METRICS, "The server of metrics has ended.")
        if _METRICS in self.troubles:
            await self._serve_metrics()
        self._hub_monitor.begin_write()
        if self._joining is None or (self._joining.done() and not self._has_joined):
            self._joining = asyncio.create_task(self._join())
        await asyncio.wait([self._joining])
        found = await self.in_hub(self._look) if self._has_joined else None
        if found is None:
            self._judge.forgive()
            return
        self._hub_monitor.end_write()
        self.troubles.end("hub")
        agents, requests = found
        self._agents = {agent.name: agent for agent in agents}
        for request in requests:
            self.background(control.answer(self, request, agents))
        self._judge.look(self._agents)
        self._notifier.status(self._status())
        bridge = self._agents.get(MONITOR_BRIDGE)
        is_watched = bridge is not None and bridge.is_present(datetime.now(UTC))
        members = self.crew.members.values()
        optional = {name for name, agent in self._agents.items() if is_optional(agent)}
        self._news.gather(members, is_watched=is_watched, optional=optional)
        reasons = {member.name: reason for member in members if (reason := self.degradation(member))}
        self._news.follow_degraded(reasons, is_watched=is_watched)
        await self.in_hub(self._news.tell, self.settings.told_of_deaths)

    def _keep_hold(self) -> None:
        try:
            if state_file.keep_hold(self.team):
                self.say("the team's lock was gone, and is there again")
        except state_file.AlreadyRunning as error:
            self.say(str(error))
            self.stopping.set()

    def _look(self) -> tuple[list[Agent], list[Delivery]]:
        # Who looks for crash loops learns of them from here: many workers know nothing of the hub.
        workers = self._published.workers
        self.hub.heartbeat(
            DEGRADED if self.troubles else ONLINE,
            pid=os.getpid(),
            restarts={each.name: each.restarts for each in workers},
            fatal={each.name: reason for each in workers if (reason := hold(each, self._in_hub(each)))},
            reason=str(self.troubles),
            note=self._reload.note,
        )
        self.membership.write(self.settings)
        self.hub.watch()
        self.hub.expire()
        # The requests first: who has made them is known by then.
        requests = self.hub.claim(10, lease=_REQUEST_SECONDS)
        return self.hub.agents(), requests

    def _in_hub(self, worker: state_file.WorkerState) -> Agent | None:
        """What a worker has said that is not configured; of others that is not needed."""
        return self.hub.agent_named(worker.name) if worker.reason == NOT_CONFIGURED else None

    async def _serve_metrics(self) -> None:
        port = self.settings.metrics_port
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
        if server is not None or not self.settings.metrics_port:
            self.troubles.end(_METRICS)


def _has_terminal() -> bool:
    """Whether this process has a terminal that is still there."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True
