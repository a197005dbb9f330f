"""What the supervisor runs: the [team] section of teamsup.toml and the workers that come with teamsup."""

import sys
from dataclasses import dataclass

from teamsup.hub import Team
from teamsup.hub.messages import SUPERVISOR
from teamsup.hub.presence import agent_name
from teamsup.hub.settings import Settings

_BUILT_IN = {
    "user_comm": "teamsup.workers.user_comm_daemon",
    "monitor-bridge": "teamsup.workers.monitor_bridge",
    "gateway": "teamsup.workers.discord_gateway",
}
SECTIONS = ("team", "monitor-bridge", "gateway")


@dataclass(frozen=True)
class TeamSection:
    """The [team] section."""

    agents: tuple[str, ...] = ()
    stop_seconds: float = 10.0

    def __post_init__(self) -> None:
        for agent in self.agents:
            if agent_name(agent) in (*_BUILT_IN, SUPERVISOR):
                raise ValueError(f"agents: {agent!r} is a worker's name")
        if self.stop_seconds <= 0:
            raise ValueError("stop_seconds must be above 0")


@dataclass(frozen=True)
class Program:
    """A worker as the supervisor knows it: a command to run."""

    name: str
    command: tuple[str, ...]


@dataclass(frozen=True)
class Configuration:
    agents: tuple[str, ...]
    stop_seconds: float
    programs: tuple[Program, ...]
    """In the order of starting; they end in the opposite order, so what brings new work in ends first."""


def load(team: Team) -> Configuration:
    """Read the team's configuration. Raises NotConfigured with the sentence that says what is wrong where."""
    settings = Settings(team)
    settings.only(SECTIONS)
    section = settings.section("team", TeamSection)
    programs = tuple(
        Program(name, (sys.executable, "-m", module, "--team", team.name)) for name, module in _BUILT_IN.items()
    )
    return Configuration(tuple(agent_name(agent) for agent in section.agents), section.stop_seconds, programs)
