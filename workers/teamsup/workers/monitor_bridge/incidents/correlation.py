"""Correlate alerts with incidents: count repetitions, join groups and storms, and inhibit less severe problems."""

import json
from collections.abc import Collection

from teamsup.hub import MessageHub
from teamsup.hub.timestamps import as_datetime, format_time

from . import group_table, incident_table
from .alert import Alert, SourceHeartbeat
from .escalation import MAX_NOTIFY_DELAY_SECONDS
from .group import IncidentGroups
from .group_table import IncidentGroup
from .incident import FIRING, RESOLVED, Incident, severity_rank
from .routes import AlertRoutes, EscalationChain

_GROUP_INTERVAL_SECONDS = 60.0  # between two messages about incidents that have joined
_STORM_WAIT_SECONDS = 5.0  # a storm is collected for this time before it is reported
_STORM_WINDOW_SECONDS = 60.0
_FLAP_COUNT, _FLAP_WINDOW_SECONDS = 6, 3600.0  # the number of recurrences, and the period in which they count
_REORDER_SECONDS = 20.0  # alerts may overtake each other within this time
_MAX_CLOCK_AHEAD_SECONDS = 3600.0  # the clock of a source may be ahead of ours by this time


class Correlator:
    """Correlates the alerts of one request, inside the request's transaction."""

    def __init__(self, hub: MessageHub, routes: AlertRoutes, groups: IncidentGroups, source: str, now: float) -> None:
        self._hub = hub
        self._routes = routes
        self._groups = groups
        self._source = source
        self.now = now
        self._known_agents: Collection[str] | None = None
        self.notify_at: dict[int, float] = {}
        """The time when the notification of each group is due."""
        self.maybe_resolved: dict[int, None] = {}
        self.test_groups: list[int] = []

    def process(self, item: Alert | SourceHeartbeat) -> None:
        if isinstance(item, SourceHeartbeat):
            incident_table.record_heartbeat(self._hub, self._source, item, self.now)
            return
        found = incident_table.latest_incident(self._hub, self._source, item.fingerprint)
        if item.is_firing:
            if found is not None and found.is_open:
                self._update(found, item)
            elif found is None or _is_recurrence(found, item, self.now):
                self._open(item, found)
        elif found is None:
            # The alert's beginning may still arrive, and must not count as a new problem then.
            self._insert(item, RESOLVED)
        elif found.is_open and not _is_earlier_end(found, item):
            self._resolve(found, item)

    def _update(self, found: Incident, alert: Alert) -> None:
        incident_table.repeat_incident(self._hub, found.id, alert, self.now, self._occurred_at(alert))
        if severity_rank(alert.severity) < severity_rank(found.severity):
            unacknowledged = dict.fromkeys(("acknowledged_by", "acknowledged_by_id", "acknowledged_at"))
            self._change(found.id, state=FIRING, inhibited_by=None, **unacknowledged)
            self._inhibit(alert, found.id)
            self._schedule_notification(found.group_id, self.now)
        elif alert.severity != "critical":
            self._uninhibit(found)

    def _open(self, alert: Alert, before: Incident | None) -> None:
        """Open an incident. ``before`` is an earlier, ended incident of the same problem."""
        number = self._insert(alert, FIRING)
        if alert.is_test:
            self._change(number, group_id=number)
            self._create_group(number, "", self._chain_of(alert))
            self._schedule_notification(number, self.now)
            self.test_groups.append(number)
            return
        worse = [each for each in self._others_about(alert, number) if each.severity == "critical"]
        if worse and alert.severity != "critical":
            self._change(number, inhibited_by=worse[0].id, group_id=worse[0].group_id)
            return
        group_id, due = self._assign_group(alert, number, before)
        self._change(number, group_id=group_id)
        self._inhibit(alert, number)
        self._schedule_notification(group_id, due)

    def _assign_group(self, alert: Alert, number: int, before: Incident | None) -> tuple[int, float]:
        """Return the group of an incident, and the time to notify."""
        group = group_table.find_open_group(self._hub, self._source, alert.group) if alert.group else None
        if group is not None:
            return group.group_id, self._notify_time(group, alert)
        last = self._previous_group(alert, before)
        if (
            last is not None
            and last.notified_at is not None
            and (due := self._notify_time_again(last, alert)) > self.now
        ):
            self._create_group(number, alert.group, self._chain_of(alert))
            group_table.update_group(self._hub, number, notified_at=last.notified_at)
            return number, due
        is_storm = self._is_storm()
        self._change(number, opened_group=1)
        chain = self._chain_of(alert)
        if not is_storm:
            self._create_group(number, alert.group, chain)
            return number, self.now
        name = "storm " + json.dumps(chain.agents)
        storm = group_table.find_open_group(self._hub, self._source, name, is_storm=True)
        if storm is None:
            self._create_group(number, name, chain, is_storm=True)
            self._merge_into_storm(number, chain)
            return number, self.now + _STORM_WAIT_SECONDS
        return storm.group_id, self._notify_time(storm, alert)

    def _notify_time(self, group: IncidentGroup, alert: Alert) -> float:
        """Return the time to notify of a new incident in a group. This is now if it is the first or the most severe so
        far, and later otherwise.
        """
        if group.notified_at is None:
            return group.notify_at or self.now
        is_worse = alert.severity == "critical" and not incident_table.has_open_critical(self._hub, group.group_id)
        due = self.now if is_worse else max(self.now, group.notified_at + _GROUP_INTERVAL_SECONDS)
        return min(due, group.notify_at or due)

    def _previous_group(self, alert: Alert, before: Incident | None) -> IncidentGroup | None:
        """Return the last group of the same problem, if it has ended."""
        if alert.group:
            return group_table.find_latest_group(self._hub, self._source, alert.group)
        return None if before is None else group_table.get_group(self._hub, before.group_id)

    def _notify_time_again(self, last: IncidentGroup, alert: Alert) -> float:
        """Return the time to notify of a recurring problem. Each recurrence waits longer, unless it is more severe."""
        if last.notified_at is None or (
            alert.severity == "critical" and not incident_table.has_had_critical(self._hub, last.group_id)
        ):
            return self.now
        if last.notified_at > self.now:  # the clock was set back
            return self.now
        hour = format_time(self.now - _FLAP_WINDOW_SECONDS)
        if alert.group:
            often = group_table.count_groups_since(self._hub, self._source, alert.group, hour, _FLAP_COUNT)
        else:
            often = -1 + incident_table.count_recurrences_since(
                self._hub, self._source, alert.fingerprint, hour, _FLAP_COUNT + 1
            )
        return last.notified_at + min(MAX_NOTIFY_DELAY_SECONDS, _GROUP_INTERVAL_SECONDS * (often - 1))

    def _is_storm(self) -> bool:
        limit = self._routes.section.storm_per_minute
        since = format_time(self.now - _STORM_WINDOW_SECONDS)
        return incident_table.count_opened_groups(self._hub, self._source, since, limit) >= limit

    def _merge_into_storm(self, storm: int, chain: EscalationChain) -> None:
        """Merge the first incidents into the storm, if they are unread."""
        since = format_time(self.now - _STORM_WINDOW_SECONDS)
        for group_id in group_table.groups_before_storm(self._hub, self._source, chain, since):
            if not self._groups.withdraw(group_id):
                incident_table.move_incidents(self._hub, group_id, storm)
                self._groups.merge_into(group_id, storm, self.now)

    def _inhibit(self, alert: Alert, number: int) -> None:
        """Let a critical incident inhibit less severe incidents about the same subject. These join its group."""
        if alert.severity != "critical":
            return
        group_id = incident_table.get_incident(self._hub, number).group_id
        for lesser in self._others_about(alert, number):
            if lesser.severity == "critical":
                continue
            self._change(lesser.id, inhibited_by=number, group_id=group_id)
            if lesser.group_id != group_id and incident_table.is_group_resolved(self._hub, lesser.group_id):
                self._groups.withdraw(lesser.group_id)
                self._groups.merge_into(lesser.group_id, group_id, self.now)

    def _resolve(self, found: Incident, alert: Alert) -> None:
        # An end that its source did not send does not change the time of the source's last report.
        seen = {"stale_at": self.now} if alert.is_presumed_over else {"stale_at": None, "last_seen": self.now}
        ended_at = self._occurred_at(alert) or self.now
        self._change(found.id, state=RESOLVED, ended_at=ended_at, inhibited_by=None, **seen)
        self._uninhibit(found)
        self.maybe_resolved[found.group_id] = None

    def _uninhibit(self, found: Incident) -> None:
        """Notify of the incidents that this one has inhibited."""
        if incident_table.uninhibit(self._hub, found.id):
            self._schedule_notification(found.group_id, self.now)

    def _schedule_notification(self, group_id: int, due: float) -> None:
        group_table.update_group(self._hub, group_id, notify_at=due)
        self.notify_at[group_id] = min(due, self.notify_at.get(group_id, due))

    def _insert(self, alert: Alert, state: str) -> int:
        occurred_at = self._occurred_at(alert)
        return incident_table.insert_incident(self._hub, self._source, alert, state, self.now, occurred_at)

    def _change(self, number: int, **values: object) -> None:
        incident_table.update_incident(self._hub, number, **values)

    def _create_group(self, number: int, name: str, chain: EscalationChain, *, is_storm: bool = False) -> None:
        group_table.create_group(self._hub, number, self._source, name, chain, self.now, is_storm=is_storm)

    def _occurred_at(self, alert: Alert) -> str | None:
        """Return the source's time of the event. Ignore a time far ahead, because no later event could follow it."""
        if alert.occurred_at is None or alert.occurred_at.timestamp() > self.now + _MAX_CLOCK_AHEAD_SECONDS:
            return None
        return format_time(alert.occurred_at.timestamp())

    def _others_about(self, alert: Alert, number: int) -> list[Incident]:
        """Return other open incidents about the same subject."""
        found = incident_table.open_about(self._hub, self._source, alert.subject)
        return [each for each in found if each.id != number and not each.is_test]

    def _chain_of(self, alert: Alert) -> EscalationChain:
        if self._known_agents is None:
            self._known_agents = {agent.name for agent in self._hub.agents()}
        return self._routes.chain_for(alert, self._known_agents)


def _is_recurrence(over: Incident, alert: Alert, now: float) -> bool:
    """Return whether the problem recurs. A late alert about its earlier occurrence is not a recurrence."""
    # If this host set the end, that time is by this host's clock. So compare the beginning, which the source sent.
    is_by_us = over.ended_at == over.last_seen and over.began_at is not None
    before = over.began_at if is_by_us else over.ended_at
    at = None if alert.occurred_at is None else as_datetime(alert.occurred_at.timestamp())
    is_later = alert.reuses_fingerprint if at is None or before is None else at > before
    if is_later or alert.reuses_fingerprint:
        return is_later
    # The same time may mean that the problem continues. A person may have ended it, or an Alertmanager that Prometheus
    # could not reach.
    return over.last_seen is None or abs(now - over.last_seen.timestamp()) > _REORDER_SECONDS


def _is_earlier_end(found: Incident, alert: Alert) -> bool:
    """Return whether this end belongs to an earlier occurrence."""
    if alert.occurred_at is None or found.began_at is None:
        return False
    return as_datetime(alert.occurred_at.timestamp()) < found.began_at
