"""Run monitor-bridge's own checks of the host, of the team, and of expected heartbeats."""

import logging
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import psutil

from teamsup.hub import MessageHub

from ..incident_service import IncidentService
from ..incidents import incident_table
from ..incidents.routes import TEAM
from ..sections import MonitorSection, WatchdogSection
from . import heartbeats, hysteresis, team_members
from .host import PROCESS_PREFIX, HostMonitor
from .hysteresis import CheckResult, CheckState

_MAX_MISSED_CHECKS = 6
HOST, WATCHDOG = "host", "watchdog"


class CheckRunner:
    """Run the checks, and turn problems into incidents. After a restart, known problems are not reported again."""

    def __init__(
        self,
        hub: MessageHub,
        section: MonitorSection,
        expected: Mapping[str, WatchdogSection],
        incidents: IncidentService,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._hub = hub
        self._section = section
        self._watchdogs = expected
        self._incidents = incidents
        self._clock = clock
        self._receiving_since = self._checked_at = clock()
        self._restarts: dict[str, team_members.RestartHistory] = {}
        self._states: dict[str, dict[str, CheckState]] = {HOST: {}, TEAM: {}, WATCHDOG: {}}
        self._log = logging.getLogger("monitor-bridge")
        self.host = HostMonitor(section)
        for each in incident_table.open_incidents(hub):
            if each.source in self._states:
                self._states[each.source][each.fingerprint] = CheckState(is_bad=True)

    @property
    def failing_host_checks(self) -> list[str]:
        """Return the problems of the host."""
        return sorted(key for key, course in self._states[HOST].items() if course.is_bad)

    def check_team(self) -> None:
        """Check the team and the expected heartbeats once. Raise StoreError."""
        agents = self._hub.agents()
        now = self._clock()
        if not 0 <= now - self._checked_at <= _MAX_MISSED_CHECKS * self._section.interval_seconds:
            # This process slept or could not check, and received nothing in that time. Or the clock was set back.
            self._receiving_since = now
        self._checked_at = now
        self._restarts = team_members.update_restarts(self._restarts, agents, now)
        team = team_members.check_agents(
            agents,
            self._restarts,
            self._hub.agent,
            datetime.fromtimestamp(now, UTC),
            heartbeat_timeout_seconds=self._section.heartbeat_timeout_seconds,
            unread_alert_seconds=self._section.unread_alert_seconds,
        )
        known = incident_table.list_heartbeats(self._hub) if self._watchdogs else []
        signs = heartbeats.check_heartbeats(self._watchdogs, known, self._receiving_since, now)
        # After a sleep, or an outage of the hub, all agents have been silent for a moment.
        for source, readings in ((TEAM, team), (WATCHDOG, signs)):
            self._apply_results(source, readings)

    def check_host(self) -> str:
        """Check the host once. Return the reason if it cannot be measured, else an empty text. Raise StoreError."""
        found = self.measure_host()
        if found is None:
            return self.host.note if self._section.watch_host else ""
        watched = found if self._section.watch_host else [each for each in found if each.key.startswith(PROCESS_PREFIX)]
        self._apply_results(HOST, watched)
        return ""

    def measure_host(self) -> list[CheckResult] | None:
        """Return the host's measurements, or None if they are unknown now."""
        try:
            return self.host.measure()
        except (psutil.Error, OSError, ValueError, RuntimeError) as error:
            self._log.error("the host could not be measured: %s", error)
            self.host.record_failure(error)
            return None

    def _apply_results(self, source: str, readings: list[CheckResult]) -> None:
        after, changed = hysteresis.update_states(self._states[source], readings, self._section.confirmations)
        if changed:
            gone = {key for key in self._states[source] if key not in after}
            alerts = [
                hysteresis.to_alert(source, each, is_bad=each.key not in gone and after[each.key].is_bad)
                for each in changed
            ]
            # Raises StoreError: then the next check reports it again.
            self._incidents.ingest(source, alerts)
        self._states[source] = after
