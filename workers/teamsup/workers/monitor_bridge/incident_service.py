"""The only way to change incidents: all parts that receive alerts or run checks use it."""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from teamsup.hub import MessageHub

from .escalation.escalator import Escalator
from .incidents import group_table, incident_table
from .incidents.alert import Alert, Alerts, SourceHeartbeat
from .incidents.correlation import Correlator
from .incidents.escalation import EscalationPolicy
from .incidents.group import IncidentGroups
from .incidents.incident import Incident
from .incidents.pinging import PingPlan
from .incidents.routes import AlertRoutes
from .mutes import mute_table
from .mutes.mutes import Mutes
from .sections import MuteSection

_RETENTION_SECONDS = 90 * 86400.0


class IncidentService:
    """Store alerts and follow their incidents. Several threads may call it at once."""

    def __init__(
        self,
        hub: MessageHub,
        routes: AlertRoutes,
        unread_seconds: float,
        windows: Mapping[str, MuteSection] | None = None,
        ping_plan: PingPlan | None = None,
        *,
        clock: Callable[[], float] = time.time,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._hub = hub
        self._routes = routes
        self._clock = clock
        self._on_change = changed
        section = routes.section
        self.ping_plan = ping_plan or PingPlan(section.mention)
        self.groups = IncidentGroups(hub)
        self.mutes = Mutes(hub, self.groups, windows, clock=clock)
        policy = EscalationPolicy(section.ack_timeout_seconds, unread_seconds, bool(section.command))
        self.escalator = Escalator(hub, self.groups, self.mutes, policy, self.ping_plan, clock)

    def ingest(self, source: str, items: Sequence[Alert | SourceHeartbeat]) -> None:
        """Store alerts and notifications, all or nothing. A repeated request changes only counts.

        Raise StoreError if nothing can be stored.
        """
        self.ingest_routed(source, self._routes.with_routes(items))

    def ingest_routed(self, source: str, items: Alerts) -> None:
        """Store alerts that already have routes, so that no slow pattern delays other writers."""
        with self._hub.transaction():
            correlator = Correlator(self._hub, self._routes, self.groups, source, self._clock())
            for item in items:
                correlator.process(item)
            self.mutes.apply_to(correlator.notify_at)
            for group_id, due in correlator.notify_at.items():
                if due <= correlator.now:
                    self.escalator.advance_group(group_id)
            for group_id in correlator.test_groups:
                self._resolve_test(group_id)
            for group_id in correlator.maybe_resolved:
                self._resolve_if_over(group_id)
        self._on_change()

    def close(self, numbers: Sequence[int]) -> list[Incident]:
        """End incidents that their sources have forgotten. Return the ended incidents. Raise UnknownIncident."""
        found = [incident_table.get_incident(self._hub, number) for number in numbers]
        still_open = [each for each in found if each.is_open]
        for each in still_open:
            self.ingest(each.source, [Alert(each.source, each.fingerprint, is_firing=False, title=each.title)])
        return still_open

    def prune(self) -> None:
        """Delete old, ended incidents and mutes."""
        incident_table.prune(self._hub, self._clock() - _RETENTION_SECONDS)
        mute_table.prune(self._hub, self._clock() - _RETENTION_SECONDS)

    def _resolve_test(self, group_id: int) -> None:
        """Resolve a test after agents and people are notified, because no source reports its end."""
        group = group_table.get_group(self._hub, group_id)
        if group is None or incident_table.is_group_resolved(self._hub, group_id):
            return
        if not group.people_notified:
            self.groups.page_people(group, "")
        now = self._clock()
        incident_table.resolve_group(self._hub, group_id, now)
        group_table.update_group(self._hub, group_id, ended_at=now, notify_at=None)

    def _resolve_if_over(self, group_id: int) -> None:
        group = group_table.get_group(self._hub, group_id)
        if group is None or group.is_resolved or not incident_table.is_group_resolved(self._hub, group_id):
            return
        now = self._clock()
        over = incident_table.resolved_in_group(self._hub, group_id)
        self.groups.resolve(group, over, now, datetime.fromtimestamp(now, UTC))
