"""What befalls the connections that are there now. Faults are for those to come."""

from typing import Any

from ..faults import FaultKind
from ..ids import BOT, GUILD
from .simulation import Simulation


class Disruptions(Simulation):
    """Verbs: what befalls the bot's connections."""

    async def cut(self) -> None:
        """No closing frame: the network is gone."""
        for connection in list(self.gateway.connections):
            connection.drop()

    async def close(self, code: int) -> None:
        for connection in list(self.gateway.connections):
            connection.close(code)

    async def ask_to_reconnect(self) -> None:
        """Op 7, as Discord does every few hours."""
        for connection in list(self.gateway.connections):
            connection.reconnect()

    async def invalidate(self, *, resumable: bool = False) -> None:
        """Op 9."""
        for connection in list(self.gateway.connections):
            connection.invalidate(resumable=resumable)

    async def forget_sessions(self) -> None:
        """No session can be resumed; connections go on."""
        for session in self.gateway.sessions.values():
            session.resumable = False

    async def stop_acknowledging(self) -> None:
        """The connections become zombies: they look open, and nobody hears the heartbeats."""
        for connection in self.gateway.connections:
            connection.acks = False

    async def stop_telling(self) -> None:
        """Heartbeats are acknowledged, but no event arrives any more: online, and deaf."""
        for connection in self.gateway.connections:
            connection.events = False

    async def ask_for_heartbeat(self) -> None:
        for connection in self.gateway.connections:
            connection.send({"op": 1, "d": None})

    async def time_out(self, seconds: float, *, guild: int = GUILD) -> None:
        """Somebody gives the bot a time-out: until it ends the bot may only read there."""
        self.world.time_out(guild, BOT, seconds)

    async def plan(self, kind: FaultKind, at: str, **how: Any) -> None:  # noqa: ANN401 - what Faults.add takes
        self.faults.add(kind, at, **how)

    async def advance(self, seconds: float) -> None:
        """Time goes by: nonces, tokens and sessions grow old."""
        self.clock.advance(seconds)

    async def set_rule(self, name: str, value: Any) -> None:  # noqa: ANN401 - as the rule has it
        if not hasattr(self.rules, name):
            raise LookupError(f"no rule is called {name}")
        setattr(self.rules, name, value)
