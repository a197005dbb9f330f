"""Which agents an alert goes to, one after another."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from teamsup.hub.sections import AlertRouteSection, MonitorSection

from ..patterns import Patterns, Search
from .alert import Alert, SignOfLife
from .sources import News

PEOPLE = "user_comm"
_OURSELVES = "monitor-bridge"
_BY_KIND = {"google_cloud": "gcp-monitor", "oracle_cloud": "oci-monitor"}
_ANYBODY = "alert-manager"
SUBJECT = "agent"
"""The label of an alert that is about a member of the team, which is not told of itself."""


@dataclass(frozen=True)
class Way:
    """Who is told, one after another; nobody: people at once."""

    agents: tuple[str, ...]
    act_seconds: float


@dataclass(frozen=True)
class Routes:
    """The configuration of who is told of what."""

    section: MonitorSection
    routes: Mapping[str, AlertRouteSection] = field(default_factory=dict)
    kinds: Mapping[str, str] = field(default_factory=dict)
    """Of which kind each source is."""
    patterns: Patterns = field(default_factory=Patterns)

    def routed(self, news: Iterable[Alert | SignOfLife]) -> News:
        """The same, with the route that each problem fits: the first in the file. May take a while."""
        search = self.patterns.search()

        def route(alert: Alert) -> str:
            return next((name for name, each in self.routes.items() if _fits(each, alert, search)), "")

        return tuple(
            replace(each, route=route(each)) if isinstance(each, Alert) and each.is_firing else each for each in news
        )

    def way(self, alert: Alert, known: Collection[str]) -> Way:
        """That of its route, else those agents for such a source whom the team knows."""
        about = alert.labels.get(SUBJECT, "") if alert.source == "team" else ""
        if route := self.routes.get(alert.route or ""):
            agents = [name.strip().lower() for name in route.agents]
            return Way(_without(agents, about), route.act_seconds or self.section.act_seconds)
        default = [_BY_KIND.get(self.kinds.get(alert.source, ""), ""), _ANYBODY]
        agents = [name for name in default if name in known]
        recipient = self.section.recipient.strip().lower()
        return Way(_without([*agents, recipient], about), self.section.act_seconds)

    @property
    def trouble(self) -> str:
        """What a person should mend of the patterns."""
        if not self.patterns.slow:
            return ""
        return f"the match {self.patterns.slow!r} of [alert.NAME] takes too long, so it does not always count"


def _fits(route: AlertRouteSection, alert: Alert, search: Search) -> bool:
    if route.source and route.source != alert.source:
        return False
    if route.severity and alert.severity not in route.severity:
        return False
    return all(search.fits(pattern, alert.labels.get(label, ""), whole=True) for label, pattern in route.match.items())


def _without(agents: list[str], about: str) -> tuple[str, ...]:
    """Each once; neither people, who come last anyhow, nor ourselves, nor the one whom it is about."""
    return tuple(dict.fromkeys(name for name in agents if name not in (PEOPLE, _OURSELVES, about)))
