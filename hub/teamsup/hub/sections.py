"""The sections of teamsup.toml. Each is a dataclass: its fields are the keys, its defaults the defaults."""

from dataclasses import dataclass
from typing import Any

from .messages import SUPERVISOR
from .presence import agent_name

WORKERS = ("user_comm", "monitor-bridge", "gateway")
"""The workers that come with teamsup, in the order of starting."""


@dataclass(frozen=True)
class TeamSection:
    """[team]: who is known from the start, how long a worker may take to end before it is killed, and after how many
    days messages are removed."""

    agents: tuple[str, ...] = ()
    stop_seconds: float = 10.0
    keep_days: float = 30.0

    def __post_init__(self) -> None:
        for agent in self.agents:
            if agent_name(agent) in (*WORKERS, SUPERVISOR):
                raise ValueError(f"agents: {agent!r} is a worker's name")
        if not 0 < self.stop_seconds <= 3600:
            raise ValueError("stop_seconds must be above 0 and at most 3600")
        if not 0 < self.keep_days <= 3650:
            raise ValueError("keep_days must be above 0 and at most 3650")


@dataclass(frozen=True)
class MonitorSection:
    """[monitor-bridge]: per cent above which ``recipient`` is told, once, looked at every ``interval_seconds``."""

    interval_seconds: float = 10.0
    cpu_percent: float = 95.0
    memory_percent: float = 95.0
    disk_percent: float = 95.0
    disk_path: str = "/"
    recipient: str = "user_comm"

    def __post_init__(self) -> None:
        agent_name(self.recipient)
        if not 1 <= self.interval_seconds <= 86400:
            raise ValueError("interval_seconds must be from 1 to 86400")
        for name in ("cpu_percent", "memory_percent", "disk_percent"):
            if not 0 < getattr(self, name) <= 100:
                raise ValueError(f"{name} must be above 0 and at most 100")


@dataclass(frozen=True)
class GatewaySection:
    """[gateway]: nobody on Discord may write to the team unless their user or the channel is listed, by number."""

    token_file: str = ""
    users: tuple[int, ...] = ()
    channels: tuple[int, ...] = ()

    def admits(self, user: int, channel: int) -> bool:
        return user in self.users or channel in self.channels


SECTIONS: dict[str, type[Any]] = {"team": TeamSection, "monitor-bridge": MonitorSection, "gateway": GatewaySection}
