"""What one Discord consists of."""

from ..clock import SimulatedClock
from ..faults import FaultPlan
from ..gateway.gateway import FakeGateway
from ..rest.api import RestApi
from ..rules import DiscordRules
from ..world.world import FakeWorld


class Simulation:
    """What the verbs work on."""

    def __init__(self, *, seed: int = 0, ago: float = 0.0, rules: DiscordRules | None = None) -> None:
        """It begins `ago` seconds in the past; `clock.advance` brings it nearer."""
        self.rules = rules or DiscordRules()
        self.clock = SimulatedClock(ago)
        self.faults = FaultPlan(seed)
        self.world = FakeWorld(self.clock, self.rules)
        self.gateway = FakeGateway(self.world, self.faults)
        self.rest = RestApi(self.world, self.gateway, self.faults)
