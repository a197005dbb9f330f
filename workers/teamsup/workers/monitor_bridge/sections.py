"""The sections of teamsup.toml that are monitor-bridge's: [monitor-bridge], [alert_route.NAME] and [watchdog.NAME]."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from teamsup.config.sections import check_pattern, check_seconds
from teamsup.hub.team import normalize_agent_name

from .source_section import check_network, parse_address


@dataclass(frozen=True)
class MonitorSection:
    """[monitor-bridge]: levels of the host's checks, who is notified of problems, and what happens when nobody acts."""

    listen: str = ""
    """Where [source.NAME] are heard, such as "127.0.0.1:9095"; empty: nowhere."""
    hosts: tuple[str, ...] = ()
    """The names by which sources call us besides the address of ``listen``, such as that of a proxy in front."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses or networks that may have more connections than one source needs."""
    watch_host: bool = False
    """Whether the host is a problem above the levels below; its figures are shown in any case."""
    interval_seconds: float = 10.0
    cpu_percent: float = 95.0
    cpu_seconds: float = 300.0
    """For so long it must be above that before it is a problem: a build is none."""
    load_per_cpu: float = 8.0
    memory_percent: float = 95.0
    swap_percent: float = 90.0
    """0, like a load, inodes or errors of 0: not looked at."""
    disk_percent: float = 95.0
    inode_percent: float = 95.0
    disk_path: str = "/"
    network_errors_per_second: float = 10.0
    processes: tuple[str, ...] = ()
    """Names of processes of which at least one must run. They are watched in any case."""
    confirmations: int = 3
    """So many looks in a row must agree before a problem begins or ends."""
    recipient: str = "user_comm"
    """Who is told of what no route and no agent of that source takes."""
    ack_timeout_seconds: float = 180.0
    """After so long without an acknowledgement, answer or report the next step of the escalation is taken."""
    storm_per_minute: int = 20
    """More than so many problems of one source in a minute are told as one."""
    mention: tuple[int, ...] = ()
    """Who is mentioned on Discord when no agent acts: users' numbers."""
    command: tuple[str, ...] = ()
    """What is run when no person acknowledges either; the text is on its stdin."""
    command_seconds: float = 30.0
    heartbeat_timeout_seconds: float = 120.0
    """After so long without a heartbeat a member of the team that has not said goodbye is a problem."""
    unread_alert_seconds: float = 900.0
    """After so long an agent that is here and does not read what waits for it is a problem."""

    def __post_init__(self) -> None:
        normalize_agent_name(self.recipient)
        if self.listen:
            parse_address(self.listen)
        for network in self.trusted_proxies:
            check_network(network)
        if not 1 <= self.interval_seconds <= 86400:
            raise ValueError("interval_seconds must be from 1 to 86400")
        for name in ("cpu_percent", "memory_percent", "disk_percent"):
            if not 0 < getattr(self, name) <= 100:
                raise ValueError(f"{name} must be above 0 and at most 100")
        for name in ("swap_percent", "inode_percent"):
            if not 0 <= getattr(self, name) <= 100:
                raise ValueError(f"{name} must be from 0 to 100")
        for name in ("load_per_cpu", "network_errors_per_second"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be below 0")
        if not 0 <= self.cpu_seconds <= 86400:
            raise ValueError("cpu_seconds must be from 0 to 86400")
        for name in ("ack_timeout_seconds", "heartbeat_timeout_seconds", "unread_alert_seconds"):
            if not 1 <= getattr(self, name) <= 7 * 86400:
                raise ValueError(f"{name} must be from 1 to 604800, which is 7 days")
        if not 1 <= self.confirmations <= 1000 or not 1 <= self.storm_per_minute <= 10_000:
            raise ValueError("confirmations must be from 1 to 1000, and storm_per_minute from 1 to 10000")
        check_seconds("command_seconds", self.command_seconds)


@dataclass(frozen=True)
class AlertRouteSection:
    """[alert_route.NAME]: the agents for alerts of this source and severity whose labels match these regular
    expressions. They are notified one after another; without agents people are. The first matching route in the file
    applies.
    """

    agents: tuple[str, ...] = ()
    match: Mapping[str, str] = field(default_factory=dict)
    source: str = ""
    severity: tuple[str, ...] = ()
    ack_timeout_seconds: float | None = None

    def __post_init__(self) -> None:
        for agent in self.agents:
            normalize_agent_name(agent)
        for severity in self.severity:
            if severity not in ("critical", "warning", "info"):
                raise ValueError(f"severity: {severity!r} is not one of critical, warning, info")
        for label, pattern in self.match.items():
            check_pattern(f"match: {label}", pattern)
        if self.ack_timeout_seconds is not None and not 1 <= self.ack_timeout_seconds <= 7 * 86400:
            raise ValueError("ack_timeout_seconds must be from 1 to 604800, which is 7 days")


@dataclass(frozen=True)
class WatchdogSection:
    """[watchdog.NAME]: a heartbeat that a source must send at least every so many seconds."""

    source: str = ""
    name: str = ""
    """As its source knows it; empty: the section's own name."""
    every_seconds: float = 300.0
    severity: Literal["critical", "warning", "info"] = "critical"

    def __post_init__(self) -> None:
        if not self.source:
            raise ValueError("source must say whose sign of life it is")
        if not 1 <= self.every_seconds <= 30 * 86400:
            raise ValueError("every_seconds must be from 1 to 2592000, which is 30 days")
