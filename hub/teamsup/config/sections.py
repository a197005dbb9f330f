"""The sections of teamsup.toml. Each is a dataclass: its fields are the keys, with their defaults."""

import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from teamsup.hub.models import SUPERVISOR
from teamsup.hub.team import normalize_agent_name

from .source_section import check_network, parse_address


@dataclass(frozen=True)
class TeamSection:
    """[team]: agents that are known from the start, operators, who is notified of a crash, and time limits of the
    team.
    """

    agents: tuple[str, ...] = ()
    operators: tuple[str, ...] = ()
    notify_on_crash: tuple[str, ...] = ("user_comm",)
    stop_seconds: float = 10.0
    unread_seconds: float = 60.0
    keep_days: float = 30.0

    def __post_init__(self) -> None:
        for agent in self.agents:
            if normalize_agent_name(agent) == SUPERVISOR:
                raise ValueError(f"agents: {agent!r} is a worker's name")
        for agent in (*self.operators, *self.notify_on_crash):
            normalize_agent_name(agent)
        _check_seconds("stop_seconds", self.stop_seconds)
        if not 1 <= self.unread_seconds <= 86400:
            raise ValueError("unread_seconds must be from 1 to 86400")
        if not 0 < self.keep_days <= 3650:
            raise ValueError("keep_days must be above 0 and at most 3650")


@dataclass(frozen=True)
class WorkerSection:
    """[worker.NAME]: a program that the supervisor runs, and the rules of its starts and restarts."""

    command: tuple[str, ...] = ()
    directory: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    env_file: str = ""
    autostart: bool = True
    restart: Literal["always", "on-failure", "never"] = "always"
    depends_on: tuple[str, ...] = ()
    heartbeat_seconds: float | None = None
    """After so long without a heartbeat it counts as hung; None: it sends none."""
    start_seconds: float | None = None
    """With heartbeats: so long it may take until the first one. Without: once it has stayed up so long, it runs."""
    stop_signal: str = "TERM"
    stop_seconds: float | None = None
    memory_max: str = ""
    log_max: str = "10 MiB"
    log_files: int = 3

    def __post_init__(self) -> None:
        for name in ("heartbeat_seconds", "start_seconds", "stop_seconds"):
            if (seconds := getattr(self, name)) is not None:
                _check_seconds(name, seconds)
        if any("\0" in text for text in (*self.command, *self.environment, *self.environment.values())):
            raise ValueError("neither command nor environment may have a NUL in it")
        if any(not name or "=" in name for name in self.environment):
            raise ValueError("environment: a name must not be empty or have '=' in it")
        if f"SIG{self.stop_signal}" not in signal.Signals.__members__:
            raise ValueError(f"stop_signal: there is no signal {self.stop_signal!r}; write TERM, INT, QUIT …")
        if self.memory_max:
            parse_size("memory_max", self.memory_max)
        if parse_size("log_max", self.log_max) < 4096:
            raise ValueError("log_max must be at least 4 KiB")
        if not 1 <= self.log_files <= 100:
            raise ValueError("log_files must be from 1 to 100")


@dataclass(frozen=True)
class MetricsSection:
    """[metrics]: the loopback port for Prometheus; 0 means none."""

    port: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ValueError("port must be from 0 to 65535")


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
        _check_seconds("command_seconds", self.command_seconds)


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
            _check_pattern(f"match: {label}", pattern)
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


@dataclass(frozen=True)
class UserCommSection:
    """[user_comm]: the agents for people's messages, progress, reminders, and limits of open questions. Like
    [message_route.NAME] it applies when the file is saved.
    """

    default_agent: str = ""
    """Who gets what nothing else decides; none: user_comm answers what it can itself."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    fallback_agents: Mapping[str, str] = field(default_factory=dict)
    """Who is asked instead of an agent that is not there."""
    progress_seconds: float = 4.0
    remind_seconds: float = 300.0
    answer_timeout_seconds: float = 3600.0
    open_per_person: int = 50
    open_per_conversation: int = 20
    history_messages: int = 10
    """How many an agent is given that takes a conversation over."""
    decision_reminder_seconds: float = 1800.0

    def __post_init__(self) -> None:
        for name in (self.default_agent, *self.fallback_agents, *self.fallback_agents.values(), *self.aliases.values()):
            if name:
                normalize_agent_name(name)
        for alias in self.aliases:
            normalize_agent_name(alias)
        for key in ("progress_seconds", "remind_seconds", "answer_timeout_seconds", "decision_reminder_seconds"):
            if not 0 < getattr(self, key) <= 30 * 86400:
                raise ValueError(f"{key} must be above 0 and at most 2592000, which is 30 days")
        for key in ("open_per_person", "open_per_conversation"):
            if not 1 <= getattr(self, key) <= 100_000:
                raise ValueError(f"{key} must be from 1 to 100000")
        if not 0 <= self.history_messages <= 100:
            raise ValueError("history_messages must be from 0 to 100")


@dataclass(frozen=True)
class MessageRouteSection:
    """[message_route.NAME]: the agents for messages with these keywords or this pattern, or from these channels.
    Keywords and patterns come before channels; then the first route in the file applies.
    """

    agents: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    pattern: str = ""
    """A regular expression of Python's, found anywhere, in any case."""
    channels: tuple[int, ...] = ()
    """Discord's numbers; a channel with its threads."""

    def __post_init__(self) -> None:
        if not self.agents:
            raise ValueError("agents must name at least one agent")
        for agent in self.agents:
            normalize_agent_name(agent)
        if not (self.keywords or self.pattern or self.channels):
            raise ValueError("needs keywords, a pattern or channels")
        _check_pattern("pattern", self.pattern)


@dataclass(frozen=True)
class GatewaySection:
    """[gateway]: who on Discord may write to the team, by number. Paired users may write too. Other bots may write only
    if listed.
    """

    token_file: str = ""
    users: tuple[int, ...] = ()
    roles: tuple[int, ...] = ()
    channels: tuple[int, ...] = ()
    guilds: tuple[int, ...] = ()
    bots: tuple[int, ...] = ()
    deciders: tuple[int, ...] = ()
    """Who on Discord may decide what agents ask; empty: everybody who may write."""
    home_channel: int = 0
    """Where news for people go that answer nobody; 0: nowhere."""
    threads: bool = False
    """Whether a question in a channel is answered in a thread of its own."""
    messages_per_minute: int = 20
    """Of one person; more wait for the next minute, and are said to."""
    catch_up_hours: float = 24.0
    """Of what was written while the gateway was down nothing older is taken in."""
    catch_up_messages: int = 200
    """Nor more than these, the newest, of each channel."""
    file_mib: float = 8.0
    """Attachments up to this size are fetched into the team's folder."""
    files_from: tuple[str, ...] = ()
    """Folders whose files agents may send, besides files/ in the team's folder."""
    refused_seconds: float = 600.0
    """For so long an answer waits that Discord refuses for want of rights, or for another reason that may pass."""

    def __post_init__(self) -> None:
        for folder in self.files_from:
            if not folder.startswith(("/", "~", "$")) or not folder.strip("/"):
                raise ValueError(f"files_from: {folder!r} must be a folder's whole path, and not all of the disk")
        if not 0 <= self.refused_seconds <= 86_400:
            raise ValueError("refused_seconds must be from 0 to 86400, which is a day")
        if not 1 <= self.messages_per_minute <= 1000:
            raise ValueError("messages_per_minute must be from 1 to 1000")
        if not 0 <= self.catch_up_hours <= 24 * 365 or not 0 <= self.catch_up_messages <= 100_000:
            raise ValueError("catch_up_hours must be at most 8760, catch_up_messages at most 100000, and none below 0")
        if not 0 <= self.file_mib <= 500:
            raise ValueError("file_mib must be from 0 to 500")


_SIZE_PATTERN = re.compile(r"(\d+(?:\.\d+)?)\s*([KMG]?)(?:i?B)?", re.IGNORECASE)


def parse_size(name: str, text: str) -> int:
    """Bytes, of "500 MiB", "1G" or "4096"; units are powers of 1024. Raises ValueError."""
    if (match := _SIZE_PATTERN.fullmatch(text.strip())) is None:
        raise ValueError(f'{name} must be a size such as "500 MiB", not {text!r}')
    number = float(match[1]) * 1024 ** " KMG".index(match[2].upper() or " ")
    if not 1 <= number < 2**63:
        raise ValueError(f"{name} must be above 0 and less than 8 EiB, not {text!r}")
    return int(number)


def _check_pattern(name: str, pattern: str) -> None:
    if not pattern:
        return
    import regex  # with which the workers look for it; a team without patterns does not need it

    try:
        regex.compile(pattern)
    except (regex.error, RecursionError) as error:
        raise ValueError(f"{name} is not a regular expression: {error}") from error


def _check_seconds(name: str, seconds: float) -> None:
    if not 0 < seconds <= 3600:
        raise ValueError(f"{name} must be above 0 and at most 3600")
