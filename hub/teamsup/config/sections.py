"""The sections of teamsup.toml. Each is a dataclass: its fields are the keys, with their defaults."""

import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from teamsup.hub.engines.choice import check_address
from teamsup.hub.models import SUPERVISOR
from teamsup.hub.team import normalize_agent_name

from .people_protocol import USER_COMM


@dataclass(frozen=True)
class TeamSection:
    """[team]: agents that are known from the start, operators, the agents notified of a crash, and time limits of the
    team.
    """

    agents: tuple[str, ...] = ()
    operators: tuple[str, ...] = ()
    notify_on_crash: tuple[str, ...] = (USER_COMM,)
    stop_seconds: float = 10.0
    unread_seconds: float = 60.0
    keep_days: float = 30.0
    hub: str = ""
    """The address of the server that stores the team; empty: messages.db in its folder does."""
    host: str = ""
    """The name of this host for people; empty: the system's. Only for a team on a server."""
    standby: bool = False
    """Whether this host takes over the workers of another host of the team that has gone."""

    def __post_init__(self) -> None:
        for agent in self.agents:
            if normalize_agent_name(agent) == SUPERVISOR:
                raise ValueError(f"agents: {agent!r} is a worker's name")
        for agent in (*self.operators, *self.notify_on_crash):
            normalize_agent_name(agent)
        check_seconds("stop_seconds", self.stop_seconds)
        check_range(self, 1, 86400, "unread_seconds")
        if not 0 < self.keep_days <= 3650:
            raise ValueError("keep_days must be above 0 and at most 3650")
        if self.hub:
            check_address(self.hub)


@dataclass(frozen=True)
class CheckSection:
    """``ready`` or ``alive`` of a worker that knows no hub: one way to find out whether it works."""

    http: str = ""
    """An address such as "http://127.0.0.1:8080/health"; a status from 200 to 399 is well."""
    tcp: str = ""
    """A port of this machine, or "HOST:PORT", that takes a connection."""
    exec: tuple[str, ...] | str = ()
    """A command that ends with 0."""
    log: str = ""
    """A text in a line of its output."""
    every_seconds: float | None = None
    timeout_seconds: float = 5.0
    failures: int = 3
    """Failures in a row after which it is replaced."""

    def __post_init__(self) -> None:
        if sum(map(bool, (self.http, self.tcp, self.exec, self.log))) != 1:
            raise ValueError("write one of http, tcp, exec and log")
        if self.http:
            _check_http(self.http)
        if self.tcp:
            split_port(self.tcp)
        for name in ("every_seconds", "timeout_seconds"):
            if (seconds := getattr(self, name)) is not None:
                check_seconds(name, seconds)
        check_range(self, 1, 1000, "failures")


@dataclass(frozen=True)
class WorkerSection:
    """[worker.NAME]: a program that the supervisor runs, and the rules of its starts and restarts."""

    command: tuple[str, ...] | str = ()
    """A program and its arguments; or one text for a shell."""
    directory: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    env_file: str = ""
    autostart: bool = True
    restart: Literal["always", "on-failure", "never"] | None = None
    """None: "always", or "never" with a schedule."""
    essential: bool = False
    """Whether the team ends when this worker has ended and is not started again."""
    schedule: str = ""
    """A cron expression of five fields: the times when it starts."""
    timezone: str = ""
    """The time zone of the schedule, such as "Europe/Berlin"; empty: the host's."""
    ready: CheckSection | None = None
    alive: CheckSection | None = None
    depends_on: tuple[str, ...] = ()
    heartbeat_seconds: float | None = None
    """Seconds without a heartbeat after which it counts as hung; None: it sends none."""
    start_seconds: float | None = None
    """With heartbeats: the time limit of the first one. Without: the time after which it counts as running."""
    stop_signal: str = "TERM"
    stop_seconds: float | None = None
    memory_max: str = ""
    nofile: int | None = None
    """The most open files; None: as for the supervisor."""
    umask: str = ""
    """The rights that its new files do not get, in octal, such as "027"; empty: as for the supervisor, "077"."""
    nice: int | None = None
    log_max: str = "10 MiB"
    log_files: int = 3

    def __post_init__(self) -> None:
        for name in ("heartbeat_seconds", "start_seconds", "stop_seconds"):
            if (seconds := getattr(self, name)) is not None:
                check_seconds(name, seconds)
        words = (self.command,) if isinstance(self.command, str) else self.command
        if any("\0" in text for text in (*words, *self.environment, *self.environment.values())):
            raise ValueError("neither command nor environment may have a NUL in it")
        if any(not name or "=" in name for name in self.environment):
            raise ValueError("environment: a name must not be empty or have '=' in it")
        if f"SIG{self.stop_signal}" not in signal.Signals.__members__:
            raise ValueError(f"stop_signal: there is no signal {self.stop_signal!r}; write TERM, INT, QUIT …")
        if self.memory_max:
            parse_size("memory_max", self.memory_max)
        if self.heartbeat_seconds and (self.ready or self.alive):
            raise ValueError("heartbeat_seconds excludes ready and alive: its heartbeats show both")
        if self.alive and self.alive.log:
            raise ValueError("alive: a line of output does not show that it still works; use http, tcp or exec")
        if self.timezone:
            check_timezone(self.timezone)
        if self.schedule:
            from .schedule import check_schedule  # only a schedule needs cronsim

            check_schedule(self.schedule)
            if self.essential or self.restart == "always":
                raise ValueError('schedule excludes essential and restart = "always"')
        if self.umask and not re.fullmatch("0?[0-7]{3}", self.umask):
            raise ValueError(f'umask must be three octal digits, such as "027", not {self.umask!r}')
        if self.nofile is not None:
            check_range(self, 16, 1 << 20, "nofile")
        if self.nice is not None:
            check_range(self, -20, 19, "nice")
        if parse_size("log_max", self.log_max) < 4096:
            raise ValueError("log_max must be at least 4 KiB")
        check_range(self, 1, 100, "log_files")


@dataclass(frozen=True)
class MetricsSection:
    """[metrics]: the loopback port for Prometheus; 0 means none."""

    port: int = 0

    def __post_init__(self) -> None:
        check_range(self, 0, 65535, "port")


def split_port(text: str) -> tuple[str, int]:
    """Return the host and the port of "8080", "db:5432" or "[::1]:5432". Raise ValueError."""
    host, _, port = text.rpartition(":")
    if not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(f'tcp must be a port or "HOST:PORT", not {text!r}')
    return host.strip("[]") or "localhost", int(port)


def check_timezone(name: str) -> None:
    """Raise ValueError unless there is a time zone of that name."""
    import zoneinfo  # every worker reads these sections, and few have a time zone

    try:
        zoneinfo.ZoneInfo(name)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        raise ValueError(f"timezone: there is no {name!r}; write it as Europe/Berlin") from None


def _check_http(address: str) -> None:
    """Raise ValueError unless the supervisor can ask there."""
    if address.startswith("https://"):
        raise ValueError('http cannot ask https; write exec = ["curl", "-fsS", "https://…"]')
    parts = urlsplit(address)
    if parts.scheme != "http" or not parts.hostname or any(character <= " " for character in address):
        raise ValueError(f'http must be an address such as "http://127.0.0.1:8080/health", not {address!r}')
    _ = parts.port  # a wrong one is a ValueError


_SIZE_PATTERN = re.compile(r"(\d+(?:\.\d+)?)\s*([KMG]?)(?:i?B)?", re.IGNORECASE)


def parse_size(name: str, text: str) -> int:
    """Return the bytes of "500 MiB", "1G" or "4096"; units are powers of 1024. Raise ValueError."""
    if (match := _SIZE_PATTERN.fullmatch(text.strip())) is None:
        raise ValueError(f'{name} must be a size such as "500 MiB", not {text!r}')
    number = float(match[1]) * 1024 ** " KMG".index(match[2].upper() or " ")
    if not 1 <= number < 2**63:
        raise ValueError(f"{name} must be above 0 and less than 8 EiB, not {text!r}")
    return int(number)


def check_pattern(name: str, pattern: str) -> None:
    """Raise ValueError unless the text is a regular expression."""
    if not pattern:
        return
    import regex  # the workers search with it; a team without patterns does not need it

    try:
        regex.compile(pattern)
    except (regex.error, RecursionError) as error:
        raise ValueError(f"{name} is not a regular expression: {error}") from error


def check_range(section: object, least: int, most: int, *keys: str, note: str = "") -> None:
    """Raise ValueError unless the value of each key is from ``least`` to ``most``."""
    for key in keys:
        if not least <= getattr(section, key) <= most:
            raise ValueError(f"{key} must be from {least} to {most}{note}")


def check_seconds(name: str, seconds: float) -> None:
    """Raise ValueError unless the time is up to an hour."""
    if not 0 < seconds <= 3600:
        raise ValueError(f"{name} must be above 0 and at most 3600")
