"""The sections of teamsup.toml. Each is a dataclass: its fields are the keys, with their defaults."""

import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal
from urllib.parse import urlsplit

from teamsup.hub.engines.choice import check_address
from teamsup.hub.models import SUPERVISOR
from teamsup.hub.team import normalize_agent_name

from .keys import SIZE, UP_TO_A_DAY, UP_TO_AN_HOUR, Example, Number, SecretValues, TextPattern
from .people_protocol import USER_COMM


@dataclass(frozen=True)
class TeamSection:
    """[team]: the agents and time limits of the whole team, and its store."""

    agents: Annotated[tuple[str, ...], Example('["lead", "gcp-monitor"]')] = ()
    """Agents that are known from the start: others can write to them before their first session."""
    operators: Annotated[tuple[str, ...], Example('["lead"]')] = ()
    """Agents that may start, stop and restart workers by messages to 'supervisor'."""
    notify_on_crash: tuple[str, ...] = (USER_COMM,)
    """Agents that are notified of a crash. user_comm notifies people."""
    stop_seconds: Annotated[float, UP_TO_AN_HOUR] = 10.0
    """Time between the signal that stops a worker and SIGKILL."""
    unread_seconds: Annotated[float, UP_TO_A_DAY] = 60.0
    """After this time the sender gets a notice that its message is unread."""
    keep_days: Annotated[float, Number("days", 0, 3650, is_above=True)] = 30.0
    """Messages are removed after this time, even if they are unread."""
    hub: Annotated[str, Example('"postgresql://USER@HOST/DB"')] = ""
    """The address of the server that stores the team, without a password; empty: messages.db in the team's folder. The
    variable TEAMSUP_HUB takes precedence."""
    host: Annotated[str, Example('"NAME"')] = ""
    """The name under which people see this host; empty: its hostname. Only for a team on a server."""
    standby: bool = False
    """Whether this host takes over the workers of another host that fails. Only for a team on a server."""
    native_inbox: bool = False
    """Whether messages for an idle teammate also go into the inbox file that Claude Code reads for it. A teammate is a
    member of an agent team of Claude Code.
    """

    def __post_init__(self) -> None:
        for agent in self.agents:
            if normalize_agent_name(agent) == SUPERVISOR:
                raise ValueError(f"agents: {agent!r} is a worker's name")
        for agent in (*self.operators, *self.notify_on_crash):
            normalize_agent_name(agent)
        if self.hub:
            check_address(self.hub)


@dataclass(frozen=True)
class CheckSection:
    """[worker.NAME] ready and alive: one way to check a program that does not send heartbeats. Write one of http, tcp,
    exec and log.
    """

    http: Annotated[str, Example('"http://127.0.0.1:8080/health"')] = ""
    """An address of this or another machine. The worker works if the status is from 200 to 399."""
    tcp: Annotated[str, Example('"8080"')] = ""
    """A port of this machine, or "HOST:PORT". The worker works if the port accepts a connection."""
    exec: Annotated[tuple[str, ...] | str, Example('["pg_isready"]')] = ()
    """A command. The worker works if the command exits with 0."""
    log: Annotated[str, Example('"listening on"')] = ""
    """A text. The worker works once a line of its output contains the text. Only for ready."""
    every_seconds: Annotated[float | None, UP_TO_AN_HOUR, Example("10")] = None
    """Time between two checks. By default 0.5 s until it is ready, then 10 s."""
    timeout_seconds: Annotated[float, UP_TO_AN_HOUR] = 5.0
    """Time that one check may take."""
    failures: Annotated[int, Number("failures", 1, 1000)] = 3
    """After this many consecutive failures the worker is replaced. Only for alive."""

    def __post_init__(self) -> None:
        if sum(map(bool, (self.http, self.tcp, self.exec, self.log))) != 1:
            raise ValueError("write one of http, tcp, exec and log")
        if self.http:
            _check_http(self.http)
        if self.tcp:
            split_port(self.tcp)


@dataclass(frozen=True)
class WorkerSection:
    """[worker.NAME]: a worker of your own. The workers of teamsup have the same keys, such as autostart in
    [worker.gateway]; only their command is fixed.
    """

    command: Annotated[tuple[str, ...] | str, Example('["/usr/bin/python3", "watch.py"]')] = ()
    """Required: a program and its arguments. A text instead of a list, such as "watch.sh | tee out",
    is run by a shell.
    """
    directory: Annotated[str, Example('"~/watch"')] = ""
    """Its working folder, relative to the team's folder; empty: that folder."""
    environment: Annotated[Mapping[str, str], SecretValues(), Example('{ LEVEL = "info" }')] = field(
        default_factory=dict
    )
    """Variables for its process."""
    env_file: Annotated[str, Example('"watch.env"')] = ""
    """A file of variables, with lines NAME=value. Only you may have access to it (chmod 600)."""
    autostart: bool = True
    """Whether it starts with the team."""
    restart: Annotated[Literal["always", "on-failure", "never"] | None, Example('"always"')] = None
    """When it is restarted after its end. By default always; with a schedule, never."""
    essential: bool = False
    """Whether the team shuts down when this worker ends and is not restarted."""
    schedule: Annotated[str, Example('"0 3 * * *"')] = ""
    """The times at which it starts, as a cron expression: minute hour day month weekday."""
    timezone: Annotated[str, Example('"Europe/Berlin"')] = ""
    """The time zone of the schedule; empty: this machine's."""
    ready: Annotated[CheckSection | None, Example('{ http = "http://127.0.0.1:8080/health" }')] = None
    """The check that shows that it is ready: http, tcp, exec or log."""
    alive: Annotated[CheckSection | None, Example('{ tcp = "8080", every_seconds = 10, failures = 3 }')] = None
    """The check that shows that it still works: http, tcp or exec. The worker is replaced after several failures."""
    depends_on: Annotated[tuple[str, ...], Example('["database"]')] = ()
    """Workers that start before it and stop after it."""
    heartbeat_seconds: Annotated[float | None, UP_TO_AN_HOUR, Example("30")] = None
    """For a worker that sends heartbeats. It is replaced if it does not send one for this time."""
    start_seconds: Annotated[float | None, UP_TO_AN_HOUR, Example("60")] = None
    """It must send its first heartbeat, or pass its check "ready", within this time, by default 60 s. A worker that
    has neither counts as ready after this time; for such a worker the default is 1 s.
    """
    stop_signal: str = "TERM"
    """The signal that stops it, such as TERM, INT or QUIT."""
    stop_seconds: Annotated[float | None, UP_TO_AN_HOUR, Example("10")] = None
    """Time between that signal and SIGKILL. By default that of [team]."""
    memory_max: Annotated[str, TextPattern(f"|{SIZE.pattern}", SIZE.words), Example('"500 MiB"')] = ""
    """A worker that uses more memory is replaced; its child processes count too. Empty: no limit."""
    nofile: Annotated[int | None, Number("files", 16, 1 << 20), Example("1024")] = None
    """The maximum number of open files. By default the same as for the supervisor."""
    umask: Annotated[str, TextPattern("|0?[0-7]{3}", 'three octal digits, such as "027"'), Example('"077"')] = ""
    """Permissions that its new files do not get, in octal; empty: the same as for the supervisor, "077"."""
    nice: Annotated[int | None, Number("steps", -20, 19), Example("10")] = None
    """Its CPU priority, from -20 (urgent; needs root) to 19. By default the same as for the supervisor."""
    log_max: Annotated[str, SIZE] = "10 MiB"
    """The size at which a new log begins; at least 4 KiB."""
    log_files: Annotated[int, Number("files", 1, 100)] = 3
    """The number of older logs to keep."""

    def __post_init__(self) -> None:
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
            raise ValueError("heartbeat_seconds cannot be used with ready or alive: its heartbeats show both")
        if self.alive and self.alive.log:
            raise ValueError("alive: a line of output does not show that it still works; use http, tcp or exec")
        if self.timezone:
            check_timezone(self.timezone)
        if self.schedule:
            from .schedule import check_schedule  # only a schedule needs cronsim

            check_schedule(self.schedule)
            if self.essential or self.restart == "always":
                raise ValueError('schedule cannot be used with essential or restart = "always"')
        if parse_size("log_max", self.log_max) < 4096:
            raise ValueError("log_max must be at least 4 KiB")


@dataclass(frozen=True)
class MetricsSection:
    """[metrics]: the metrics for Prometheus, at http://127.0.0.1:PORT/metrics."""

    port: Annotated[int, Number("a port", 0, 65535), Example("9464")] = 0
    """The port on this machine; 0: none."""


def split_port(text: str) -> tuple[str, int]:
    """Return the host and the port of "8080", "db:5432" or "[::1]:5432". Raise ValueError."""
    host, _, port = text.rpartition(":")
    if not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(f'tcp must be a port or "HOST:PORT", not {text!r}')
    return host.strip("[]") or "localhost", int(port)


def check_timezone(name: str) -> None:
    """Raise ValueError unless there is a time zone of this name."""
    import zoneinfo  # every worker reads these sections, and few have a time zone

    try:
        zoneinfo.ZoneInfo(name)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        raise ValueError(f"timezone: {name!r} is not known; write a name such as Europe/Berlin") from None


def _check_http(address: str) -> None:
    """Raise ValueError unless this is an address that the supervisor can check."""
    if address.startswith("https://"):
        raise ValueError('http cannot ask https; write exec = ["curl", "-fsS", "https://…"]')
    parts = urlsplit(address)
    if parts.scheme != "http" or not parts.hostname or any(character <= " " for character in address):
        raise ValueError(f'http must be an address such as "http://127.0.0.1:8080/health", not {address!r}')
    _ = parts.port  # a wrong name is a ValueError


def parse_size(name: str, text: str) -> int:
    """Return the bytes of "500 MiB", "1G" or "4096"; units are powers of 1024. Raise ValueError."""
    if (match := re.fullmatch(SIZE.pattern, text)) is None:
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
