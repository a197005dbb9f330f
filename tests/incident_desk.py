"""What the tests of incidents share: a bridge's incidents without its process, on a clock of their own."""

import time
from collections.abc import Callable
from dataclasses import replace

from teamsup.hub import Delivery, Message, MessageHub
from teamsup.hub.sections import AlertRouteSection, MonitorSection
from teamsup.workers.monitor_bridge import incident
from teamsup.workers.monitor_bridge.alert import Alert, SignOfLife
from teamsup.workers.monitor_bridge.care import Care
from teamsup.workers.monitor_bridge.incident import Incident
from teamsup.workers.monitor_bridge.incidents import Incidents
from teamsup.workers.monitor_bridge.ladder import Looked
from teamsup.workers.monitor_bridge.routes import Routes

SOURCE = "prom"
Join = Callable[..., MessageHub]

FIRING = Alert(SOURCE, "k1", is_firing=True, title="HighCPU on web-01")


def over(alert: Alert) -> Alert:
    return replace(alert, is_firing=False)


class Desk:
    """monitor-bridge's incidents, the agents alert-manager and lead, and user_comm."""

    def __init__(self, join: Join, *, here: tuple[str, ...] = ("alert-manager", "lead"), **settings: object) -> None:
        self.now = time.time()
        self.hub = join("monitor-bridge", clock=lambda: self.now)
        self.agents: dict[str, MessageHub] = {}
        for name in ("alert-manager", "lead", "user_comm"):
            self.agents[name] = join(name, clock=lambda: self.now)
            if name not in (*here, "user_comm"):
                self.agents[name].mark_offline(name)
        section = MonitorSection(recipient="lead", **settings)  # type: ignore[arg-type]
        routes = Routes(section, {"alone": AlertRouteSection(agents=("alert-manager",), match={"team": "alone"})})
        self.incidents = Incidents(self.hub, routes, unread_seconds=60, clock=lambda: self.now)
        self.care = Care(self.hub, self.incidents.conversations, clock=lambda: self.now)

    def take(self, *items: Alert | SignOfLife) -> None:
        self.incidents.take(SOURCE, items)

    def later(self, seconds: float) -> Looked:
        """So much later, with everybody still here who was, the escalation looks again."""
        self.now += seconds
        for name, hub in self.agents.items():
            if (found := self.hub.agent_named(name)) is not None and found.status == "online":
                hub.heartbeat()
        return self.incidents.ladder.look()

    def read(self, agent: str) -> list[Message]:
        """All that waits for somebody; it is ended."""
        return [self._ended(agent, delivery) for delivery in self._claimed(agent)]

    def waiting(self, agent: str) -> list[Message]:
        """What an agent could read now."""
        return self.agents[agent].waiting(100)

    def leave(self, agent: str) -> None:
        self.hub.mark_offline(agent)

    def say(self, agent: str, words: str, answered: Message) -> None:
        """An agent answers a message, and the bridge hears it."""
        self.agents[agent].answer(answered, words)
        for delivery in self.hub.claim(10):
            first = self.care.incident_of(delivery.message)
            assert first is not None
            self.care.hear(first, delivery.message)
            self.hub.acknowledge(delivery)

    @property
    def open(self) -> list[Incident]:
        return incident.open_incidents(self.hub)

    @property
    def all(self) -> list[Incident]:
        return incident.all_incidents(self.hub, 10_000)

    def _claimed(self, agent: str) -> list[Delivery]:
        # A conversation gives one at a time.
        found = []
        while batch := self.agents[agent].claim(100):
            for delivery in batch:
                self.agents[agent].acknowledge(delivery)
            found += batch
        return found

    def _ended(self, _: str, delivery: Delivery) -> Message:
        return delivery.message
