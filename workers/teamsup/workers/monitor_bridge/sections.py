"""The sections of monitor-bridge in teamsup.toml: [monitor-bridge], [alert_route.NAME] and [watchdog.NAME]."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from teamsup.config.sections import check_pattern, check_range, check_seconds
from teamsup.hub.team import normalize_agent_name

from ..listen_address import check_network, parse_address


@dataclass(frozen=True)
class MonitorSection:
    """[monitor-bridge]: the levels of the host's checks, the recipients of alerts, and the steps of the escalation."""

    listen: str = ""
    """The address for [source.NAME], such as "127.0.0.1:9095"; empty: none."""
    hosts: tuple[str, ...] = ()
    """Host names that sources use besides ``listen``, such as a proxy's."""
    path_prefix: str = ""
    """The beginning of each source's path, such as "/alerts", where a proxy passes it on; empty: none."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses or networks that may open many connections."""
    watch_host: bool = False
    """Whether the host is checked against the levels below. Its figures are shown in any case."""
    interval_seconds: float = 10.0
    cpu_percent: float = 95.0
    cpu_seconds: float = 300.0
    """Seconds above that level until it is a problem, so that a build is not a problem."""
    load_per_cpu: float = 8.0
    memory_percent: float = 95.0
    swap_percent: float = 90.0
    """0, also for load, inodes or errors, switches the check off."""
    disk_percent: float = 95.0
    inode_percent: float = 95.0
    disk_path: str = "/"
    network_errors_per_second: float = 10.0
    processes: tuple[str, ...] = ()
    """Names of processes that must run. They are checked in any case."""
    confirmations: int = 3
    """Equal results in a row before a problem begins or ends."""
    recipient: str = "user_comm"
    """Without a route: the last agent to notify, after the cloud's monitor and alert-manager; user_comm: none."""
    ack_timeout_seconds: float = 180.0
    """Seconds without an acknowledgement, answer or report until the next step of the escalation."""
    storm_per_minute: int = 20
    """If one source has more problems than this in a minute, they are reported as one."""
    mention: tuple[int, ...] = ()
    """Discord IDs of the users to mention when no agent acts."""
    command: tuple[str, ...] = ()
    """The command that runs when no person acknowledges; the text is on its stdin."""
    command_seconds: float = 30.0
    heartbeat_timeout_seconds: float = 120.0
    """Seconds without a heartbeat after which an agent that did not go offline is a problem."""
    unread_alert_seconds: float = 900.0
    """Seconds after which a present agent with unread messages is a problem."""

    def __post_init__(self) -> None:
        normalize_agent_name(self.recipient)
        if self.listen:
            parse_address(self.listen)
        if self.path_prefix and not re.fullmatch(r"(/[A-Za-z0-9._~-]{1,64}){1,8}/?", self.path_prefix):
            raise ValueError(f'path_prefix must be a path such as "/alerts", not {self.path_prefix!r}')
        for network in self.trusted_proxies:
            check_network(network)
        check_range(self, 1, 86400, "interval_seconds")
        for name in ("cpu_percent", "memory_percent", "disk_percent"):
            if not 0 < getattr(self, name) <= 100:
                raise ValueError(f"{name} must be above 0 and at most 100")
        check_range(self, 0, 100, "swap_percent", "inode_percent")
        for name in ("load_per_cpu", "network_errors_per_second"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be below 0")
        check_range(self, 0, 86400, "cpu_seconds")
        times = ("ack_timeout_seconds", "heartbeat_timeout_seconds", "unread_alert_seconds")
        check_range(self, 1, 7 * 86400, *times, note=", which is 7 days")
        if not 1 <= self.confirmations <= 1000 or not 1 <= self.storm_per_minute <= 10_000:
            raise ValueError("confirmations must be from 1 to 1000, and storm_per_minute from 1 to 10000")
        check_seconds("command_seconds", self.command_seconds)


@dataclass(frozen=True)
class AlertRouteSection:
    """[alert_route.NAME]: the agents for alerts of this source and severity whose labels match these regular
    expressions. They are notified one after another; without agents people are notified. The first matching route in
    the file applies.
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
        if self.ack_timeout_seconds is not None:
            check_range(self, 1, 7 * 86400, "ack_timeout_seconds", note=", which is 7 days")


@dataclass(frozen=True)
class WatchdogSection:
    """[watchdog.NAME]: a heartbeat that a source must send at least every ``seconds``."""

    source: str = ""
    name: str = ""
    """Its name at the source; empty: the name of the section."""
    every_seconds: float = 300.0
    severity: Literal["critical", "warning", "info"] = "critical"

    def __post_init__(self) -> None:
        if not self.source:
            raise ValueError("source must name the source of the heartbeat")
        check_range(self, 1, 30 * 86400, "every_seconds", note=", which is 30 days")
