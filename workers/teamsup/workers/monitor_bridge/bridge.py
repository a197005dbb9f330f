"""The process of monitor-bridge: it runs the checks, the server for the sources and the escalation."""

import asyncio
import contextlib
import os
import time
from typing import Any, ClassVar

from teamsup.config.loader import Config
from teamsup.config.people_protocol import USER_COMM
from teamsup.config.sections import TeamSection
from teamsup.hub import Agent, Delivery, Message, MessageHub, TeamsupError

from ..protocol import MONITOR_BRIDGE
from ..worker import Worker, main
from .checks.runner import CheckRunner
from .checks.staleness import StalenessCheck
from .component import component
from .escalation.acknowledgements import Acknowledgements
from .escalation.command_hook import CommandRunner
from .escalation.escalator import EscalationResult
from .escalation.silencer import Silencer
from .incident_service import IncidentService
from .incidents import incident_table, listing
from .incidents.pinging import read_ping_plan
from .incidents.routes import AlertRoutes
from .ingest.server_factory import create_server
from .ingest.traffic import SourceTraffic
from .message_handler import MessageHandler
from .sections import AlertRouteSection, MonitorSection, MuteSection, WatchdogSection
from .source_section import SourceSection

_FIRST_CHECK_SECONDS = 1.0
_HOST_TIMEOUT_SECONDS = 30.0  # for the checks of the host
_COMMIT_SECONDS = 0.2  # the transaction with a new incident ends within this time
_PRUNE_SECONDS = 86400.0


class MonitorBridge(Worker):
    """Turn alerts and checks into incidents, and escalate each until an agent or a person acts."""

    name: ClassVar[str] = MONITOR_BRIDGE

    def __init__(self, hub: MessageHub, settings: Config) -> None:
        super().__init__(hub, settings)
        self._section = settings.section(self.name, MonitorSection)
        sources = settings.sections_of("source", SourceSection)
        self._sources = tuple(sources)
        kinds = {name: source.kind for name, source in sources.items()}
        self._routes = routes = AlertRoutes(
            self._section, settings.sections_of("alert_route", AlertRouteSection), kinds
        )
        hub.enroll(USER_COMM, "daemon")
        unread_seconds = settings.section("team", TeamSection).unread_seconds
        self._incidents = IncidentService(
            hub,
            routes,
            unread_seconds,
            settings.sections_of("mute", MuteSection),
            read_ping_plan(settings),
            changed=self._wake_escalation,
        )
        self._messages = MessageHandler(hub, self._incidents, Acknowledgements(hub, self._incidents.groups))
        self._commands = CommandRunner(
            hub, self._incidents.groups, self._incidents.escalator, self._section, self.in_thread, self.report_state
        )
        self._checks = CheckRunner(
            hub, self._section, settings.sections_of("watchdog", WatchdogSection), self._incidents
        )
        self._server = create_server(
            hub, settings, self._incidents.ingest_routed, routes.with_routes, self.report_state
        )
        for source in sources.values():
            # The secrets are read by now, and child processes do not need them.
            os.environ.pop(source.secret_variable, None)
        staleness = StalenessCheck(hub, sources, self._incidents, can_receive=self._can_receive)
        self._silencer = Silencer(
            hub, sources, self._incidents, self._section.interval_seconds, self.report_state, staleness
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._changed = asyncio.Event()
        self._silencing: set[asyncio.Task[None]] = set()
        self._open_note = ""
        self._checks.measure_host()
        self._has_measured = False

    def presence_details(self) -> dict[str, Any]:
        figures = self._checks.host.note if self._has_measured else ""
        now, names = time.time(), self._sources
        traffic = SourceTraffic() if self._server is None else self._server.receiver.traffic
        refused = "" if self._server is None else self._server.receiver.rejected_note
        note = "; ".join(
            part
            for part in (
                figures,
                self._open_note,
                traffic.describe(names, now),
                refused,
                self._routes.slow_pattern_note,
            )
            if part
        )
        failing = self._checks.failing_host_checks
        return {"note": note, "alerted": failing, "sources": traffic.as_metadata(names, now)}

    async def work(self) -> None:
        self._loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._check_team_loop())
            tasks.create_task(self._check_host_loop())
            tasks.create_task(self._escalation_loop())
            tasks.create_task(self._prune_loop())
            tasks.create_task(self._silencer.run())
            if self._server is not None:
                tasks.create_task(self._server.run())

    def on_unread(self, message: Message, agent: Agent) -> None:
        """Do nothing: the escalation handles unread messages."""

    async def handle(self, delivery: Delivery) -> None:
        acknowledged = await self.in_thread(self._messages.handle, delivery, str(self.presence_details()["note"]))
        self._changed.set()
        if acknowledged:
            task = asyncio.create_task(self._silencer.silence_acknowledged(acknowledged))
            self._silencing.add(task)
            task.add_done_callback(self._silencing.discard)

    def _can_receive(self) -> bool:
        return self._server is None or self._server.port > 0

    async def _check_team_loop(self) -> None:
        while True:
            await asyncio.sleep(self._section.interval_seconds if self._has_measured else _FIRST_CHECK_SECONDS)
            async with self.reporting("team", "Problems of the team could not be stored"):
                await self.in_thread(self._checks.check_team)
            self._changed.set()

    async def _check_host_loop(self) -> None:
        """Run the host's checks in a separate task, because a remote disk may take hours to answer."""
        # CPU is measured between two calls, and a value from the start does not show the host's load.
        await asyncio.sleep(_FIRST_CHECK_SECONDS)
        while True:
            looking = asyncio.create_task(self.in_thread(self._checks.check_host))
            if not (await asyncio.wait({looking}, timeout=_HOST_TIMEOUT_SECONDS))[0]:
                await self.report_state("host", f"The host cannot be measured. Check {self._section.disk_path}.")
            try:
                trouble = await looking
            except TeamsupError as error:
                trouble = f"Problems of the host could not be stored: {error}"
            await self.report_state("host", trouble)
            if not self._has_measured:
                self._has_measured = True
                await self.heartbeat()
            self._changed.set()
            await asyncio.sleep(self._section.interval_seconds)

    async def _escalation_loop(self) -> None:
        """Run the escalation when a message arrives or a step is due. Also run it with each check of the host, because
        an agent may have left.
        """
        while True:
            self._changed.clear()
            seconds: float | None = _FIRST_CHECK_SECONDS
            async with self.reporting("escalation", "Nobody can be notified of alerts"):
                looked = await self.in_thread(self._escalate_due)
                for first in looked.commands:
                    self._commands.start(first)
                seconds = None if looked.next_due is None else max(0.0, looked.next_due - time.time())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._changed.wait()

    def _escalate_due(self) -> EscalationResult:
        looked = self._incidents.escalator.run_due_steps()
        counts = listing.describe_counts(incident_table.count_open(self.hub))
        muted = listing.describe_muted(incident_table.muted_incidents(self.hub))
        self._open_note = ", ".join(part for part in (counts, muted) if part)
        return looked

    async def _prune_loop(self) -> None:
        while True:
            try:
                await self.in_thread(self._incidents.prune)
            except TeamsupError as error:
                self.log.error("old incidents could not be removed: %s", error)
            await asyncio.sleep(_PRUNE_SECONDS)

    def _wake_escalation(self) -> None:
        """Wake the escalation from any thread, shortly before the commit."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._loop.call_later, _COMMIT_SECONDS, self._changed.set)


if __name__ == "__main__":
    main(MonitorBridge, component.tables)
