"""The agents that are notified of an alert, one after another."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from teamsup.config.people_protocol import USER_COMM

from ...pattern_matcher import PatternMatcher, PatternSearch
from ...protocol import MONITOR_BRIDGE
from ..sections import AlertRouteSection, MonitorSection
from .alert import Alert, Alerts, SourceHeartbeat

_DEFAULT_AGENTS = {"google_cloud": "gcp-monitor", "oracle_cloud": "oci-monitor"}
_FALLBACK_AGENT = "alert-manager"
TEAM = "team"
"""The name of the source for problems of the team's agents and workers."""
AGENT_LABEL = "agent"
"""The label of an alert that names a member of the team. This member does not get the alert."""


@dataclass(frozen=True)
class EscalationChain:
    """The agents to notify, one after another. If there are none, people are paged at once."""

    agents: tuple[str, ...]
    ack_timeout_seconds: float


@dataclass(frozen=True)
class AlertRoutes:
    """The configured routes of alerts."""

    section: MonitorSection
    routes: Mapping[str, AlertRouteSection] = field(default_factory=dict)
    kinds: Mapping[str, str] = field(default_factory=dict)
    """The kind of each source."""
    matcher: PatternMatcher = field(default_factory=PatternMatcher)

    def with_routes(self, items: Iterable[Alert | SourceHeartbeat]) -> Alerts:
        """Return the alerts, each with its route, which is the first match in the file. This may take a while."""
        search = self.matcher.start_search()

        def route(alert: Alert) -> str:
            return next((name for name, each in self.routes.items() if _matches(each, alert, search)), "")

        return tuple(
            replace(each, route=route(each)) if isinstance(each, Alert) and each.is_firing else each for each in items
        )

    def chain_for(self, alert: Alert, known: Collection[str]) -> EscalationChain:
        """Return the agents of the alert's route. Without a route, return the known default agents of its source."""
        about = alert.labels.get(AGENT_LABEL, "") if alert.source == TEAM else ""
        if route := self.routes.get(alert.route or ""):
            agents = [name.strip().lower() for name in route.agents]
            return EscalationChain(
                _exclude(agents, about), route.ack_timeout_seconds or self.section.ack_timeout_seconds
            )
        default = [_DEFAULT_AGENTS.get(self.kinds.get(alert.source, ""), ""), _FALLBACK_AGENT]
        agents = [name for name in default if name in known]
        recipient = self.section.recipient.strip().lower()
        return EscalationChain(_exclude([*agents, recipient], about), self.section.ack_timeout_seconds)

    @property
    def slow_pattern_note(self) -> str:
        """Return a note for a person about patterns that are too slow."""
        if not self.matcher.slow_pattern:
            return ""
        return (
            f"the match {self.matcher.slow_pattern!r} of [alert_route.NAME] takes too long, so it does not always apply"
        )


def _matches(route: AlertRouteSection, alert: Alert, search: PatternSearch) -> bool:
    if route.source and route.source != alert.source:
        return False
    if route.severity and alert.severity not in route.severity:
        return False
    return all(
        search.matches(pattern, alert.labels.get(label, ""), whole=True) for label, pattern in route.match.items()
    )


def _exclude(agents: list[str], about: str) -> tuple[str, ...]:
    """Return each agent once. Leave out people (who come last), monitor-bridge, and the agent that the
    alert is about.
    """
    return tuple(dict.fromkeys(name for name in agents if name not in (USER_COMM, MONITOR_BRIDGE, about)))
