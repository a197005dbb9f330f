"""Find stale incidents, which their sources do not repeat: mark them, end them, or ask a person."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence

from teamsup.config.people_protocol import USER_COMM
from teamsup.hub import MessageHub

from ..incident_service import IncidentService
from ..incidents import group_table, incident_table, rendering
from ..incidents.alert import Alert
from ..incidents.incident import Incident
from ..source_section import SourceSection, stale_after

INTERNAL_SOURCES = ("host", "team", "watchdog")
"""The sources of monitor-bridge's own checks. A problem that a check no longer finds has ended."""
_GAP_SECONDS = 900.0
"""Seconds. After such a gap in receiving, the silence of a source counts only from the end of the gap."""


def find_overdue(
    incidents: Sequence[Incident], sources: Mapping[str, SourceSection], since: float, now: float
) -> list[Incident]:
    """Return the incidents that were not repeated in time, although the listener could receive repetitions. Pure."""
    found = []
    for each in incidents:
        seconds = stale_after(sources.get(each.source))
        last = max(since, 0.0 if each.last_seen is None else each.last_seen.timestamp())
        if each.source not in INTERNAL_SOURCES and seconds and now - last > seconds:
            found.append(each)
    return found


class StalenessCheck:
    """Check for stale incidents at intervals."""

    def __init__(
        self,
        hub: MessageHub,
        sources: Mapping[str, SourceSection],
        incidents: IncidentService,
        *,
        can_receive: Callable[[], bool] = lambda: True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``can_receive`` returns whether sources can reach monitor-bridge at this moment."""
        self._hub = hub
        self._sources = sources
        self._incidents = incidents
        self._can_receive = can_receive
        self._clock = clock
        self._log = logging.getLogger("monitor-bridge")
        self._checked_at = self._last_own_heartbeat()
        self._receiving_since = 0.0

    def find_overdue(self, incidents: Sequence[Incident]) -> list[Incident]:
        """Return the incidents that were not repeated in time."""
        now = self._clock()
        if not 0 <= now - self._checked_at <= _GAP_SECONDS:
            self._receiving_since = now
        if self._can_receive():
            self._checked_at = now
        return find_overdue(incidents, self._sources, self._receiving_since, now)

    @property
    def now(self) -> float:
        return self._clock()

    def report_stale(self) -> None:
        """Report each stale incident once, or end it if configured. Raise StoreError."""
        by_source: dict[str, list[Incident]] = {}
        for each in self.find_overdue(incident_table.open_incidents(self._hub)):
            if each.stale_at is None:
                by_source.setdefault(each.source, []).append(each)
        for name, found in by_source.items():
            self._log.warning("%d incidents of %s are stale", len(found), name)
            source = self._sources.get(name)
            if source is not None and source.close_stale:
                ends = [Alert(name, each.fingerprint, False, each.title, is_presumed_over=True) for each in found]
                self._incidents.ingest(name, ends)
            else:
                self._ask_people(found)

    def _ask_people(self, found: Sequence[Incident]) -> None:
        now, words = self._clock(), rendering.render_stale(found)
        with self._hub.transaction():
            for each in found:
                incident_table.update_incident(self._hub, each.id, stale_at=now)
            group = group_table.get_group(self._hub, found[0].group_id)
            if group is not None:
                self._incidents.groups.send(group, USER_COMM, words, "stale")

    def _last_own_heartbeat(self) -> float:
        """Return the time when monitor-bridge, perhaps an earlier process of it, was last present."""
        me = self._hub.find_agent(self._hub.agent or "")
        return 0.0 if me is None or me.last_heartbeat is None else me.last_heartbeat.timestamp()
