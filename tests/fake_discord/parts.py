"""What one Discord consists of."""

from .clock import Clock
from .faults import Faults
from .gateway import Gateway
from .rest import Rest
from .rules import Rules
from .world import World


class Parts:
    """What the verbs work on."""

    def __init__(self, *, seed: int = 0, ago: float = 0.0, rules: Rules | None = None) -> None:
        """It begins `ago` seconds in the past; `clock.advance` brings it nearer."""
        self.rules = rules or Rules()
        self.clock = Clock(ago)
        self.faults = Faults(seed)
        self.world = World(self.clock, self.rules)
        self.gateway = Gateway(self.world, self.faults)
        self.rest = Rest(self.world, self.gateway, self.faults)
