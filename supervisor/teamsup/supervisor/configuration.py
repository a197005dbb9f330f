"""What the supervisor runs, from teamsup.toml and the workers that come with teamsup."""

import sys
from dataclasses import dataclass

from teamsup.hub import Team
from teamsup.hub.presence import agent_name
from teamsup.hub.sections import SECTIONS, WORKERS, TeamSection
from teamsup.hub.settings import Settings

_MODULES = {
    "user_comm": "teamsup.workers.user_comm_daemon",
    "monitor-bridge": "teamsup.workers.monitor_bridge",
    "gateway": "teamsup.workers.discord_gateway",
}


@dataclass(frozen=True)
class Program:
    """A worker as the supervisor knows it: a command to run."""

    name: str
    command: tuple[str, ...]


@dataclass(frozen=True)
class Configuration:
    agents: tuple[str, ...]
    stop_seconds: float
    keep_seconds: float
    programs: tuple[Program, ...]
    """In the order of starting; they end in the opposite order, so what brings new work in ends first."""


def load(team: Team) -> Configuration:
    """Read and check the team's configuration. Raises NotConfigured with the sentence that says what is wrong where."""
    settings = Settings(team)
    settings.check(SECTIONS)
    section = settings.section("team", TeamSection)
    return Configuration(
        agents=tuple(agent_name(agent) for agent in section.agents),
        stop_seconds=section.stop_seconds,
        keep_seconds=section.keep_days * 86400,
        programs=tuple(Program(name, (sys.executable, "-m", _MODULES[name], "--team", team.name)) for name in WORKERS),
    )
