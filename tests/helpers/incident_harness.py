"""What the tests of incidents share: a bridge's incidents without its process, on a clock of their own."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from teamsup.hub import Delivery, Message, MessageHub
from teamsup.workers.monitor_bridge.escalation.acknowledgements import Acknowledgements
from teamsup.workers.monitor_bridge.escalation.escalator import EscalationResult
from teamsup.workers.monitor_bridge.incident_service import IncidentService
from teamsup.workers.monitor_bridge.incidents import incident_table
from teamsup.workers.monitor_bridge.incidents.alert import Alert, SourceHeartbeat
from teamsup.workers.monitor_bridge.incidents.incident import Incident
from teamsup.workers.monitor_bridge.incidents.pinging import PingPlan
from teamsup.workers.monitor_bridge.incidents.routes import AlertRoutes
from teamsup.workers.monitor_bridge.sections import AlertRouteSection, MonitorSection, MuteSection

SOURCE = "prom"
Join = Callable[..., MessageHub]

FIRING = Alert(SOURCE, "k1", is_firing=True, title="HighCPU on web-01")


def resolved(alert: Alert) -> Alert:
    return replace(alert, is_firing=False)


class IncidentHarness:
    """monitor-bridge's incidents, the agents alert-manager and lead, and user_comm."""

    def __init__(
        self,
        join: Join,
        *,
        here: tuple[str, ...] = ("alert-manager", "lead"),
        windows: Mapping[str, MuteSection] | None = None,
        ping: PingPlan | None = None,
        **settings: object,
    ) -> None:
        self.now = time.time()
        self.hub = join("monitor-bridge", clock=lambda: self.now)
        self.agents: dict[str, MessageHub] = {}
        for name in ("alert-manager", "lead", "user_comm"):
            self.agents[name] = join(name, clock=lambda: self.now)
            if name not in (*here, "user_comm"):
                self.agents[name].maintenance.mark_offline(name)
        section = MonitorSection(recipient="lead", **settings)  # type: ignore[arg-type]
        routes = AlertRoutes(section, {"alone": AlertRouteSection(agents=("alert-manager",), match={"team": "alone"})})
        self.incidents = IncidentService(self.hub, routes, 60, windows, ping, clock=lambda: self.now)
        self.acknowledgements = Acknowledgements(self.hub, self.incidents.groups, clock=lambda: self.now)

    def ingest(self, *items: Alert | SourceHeartbeat) -> None:
        self.incidents.ingest(SOURCE, items)

    def advance(self, seconds: float) -> EscalationResult:
        """So much later, with everybody still here who was, the escalation looks again."""
        self.now += seconds
        for name, hub in self.agents.items():
            if (found := self.hub.find_agent(name)) is not None and found.status == "online":
                hub.heartbeat()
        return self.incidents.escalator.run_due_steps()

    def read(self, agent: str) -> list[Message]:
        """All that waits for somebody; it is ended."""
        return [self._message_of(agent, delivery) for delivery in self._claim_all(agent)]

    def unread(self, agent: str) -> list[Message]:
        """What an agent could read now."""
        return self.agents[agent].queries.peek(100)

    def leave(self, agent: str) -> None:
        self.hub.maintenance.mark_offline(agent)

    def say(self, agent: str, words: str, answered: Message) -> None:
        """An agent answers a message, and the bridge hears it."""
        self.agents[agent].answer(answered, words)
        for delivery in self.hub.claim(10):
            first = self.acknowledgements.group_of(delivery.message)
            assert first is not None
            self.acknowledgements.handle_report(first, delivery.message)
            self.hub.acknowledge(delivery)

    def mute(self, words: str) -> str:
        """Ann mutes what these words say."""
        with self.hub.transaction():
            return self.incidents.mutes.begin(words.split(), "ann", "console-ann").answer

    def unmute(self, number: int | str) -> str:
        with self.hub.transaction():
            return self.incidents.mutes.end([str(number)], "ben", "console-ben").answer

    @property
    def open(self) -> list[Incident]:
        return incident_table.open_incidents(self.hub)

    @property
    def all(self) -> list[Incident]:
        return incident_table.all_incidents(self.hub, 10_000)

    def _claim_all(self, agent: str) -> list[Delivery]:
        # A conversation gives one at a time.
        found = []
        while batch := self.agents[agent].claim(100):
            for delivery in batch:
                self.agents[agent].acknowledge(delivery)
            found += batch
        return found

    def _message_of(self, _: str, delivery: Delivery) -> Message:
        return delivery.message
