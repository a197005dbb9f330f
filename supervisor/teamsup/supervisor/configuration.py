"""What the supervisor runs, from teamsup.toml and the workers that come with teamsup."""

import graphlib
import signal
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from teamsup.hub import CallerError, NotConfigured, Team
from teamsup.hub.messages import PRESENT_SECONDS, SUPERVISOR
from teamsup.hub.presence import agent_name
from teamsup.hub.sections import (
    GROUPS,
    SECTIONS,
    WORKERS,
    GatewaySection,
    MetricsSection,
    MonitorSection,
    TeamSection,
    WorkerSection,
    size,
)
from teamsup.hub.settings import Settings
from teamsup.hub.source_section import SourceSection, check_sources

from .lifecycle import Policy, Restart

_MODULES = {
    "user_comm": "teamsup.workers.user_comm.user_comm_daemon",
    "monitor-bridge": "teamsup.workers.monitor_bridge.bridge",
    "gateway": "teamsup.workers.gateway.discord_gateway",
}
_PATIENT_SECONDS = 60.0
# Discord allows a bot a thousand logins a day and then takes its token away.
_PATIENT_SECONDS_OF = {"gateway": 300.0}
_FIRST_HEARTBEAT_SECONDS = 60.0
_STAYS_UP_SECONDS = 1.0


@dataclass(frozen=True)
class Program:
    """A worker as the supervisor knows it: a command to run, and the rules for that."""

    name: str
    command: tuple[str, ...]
    directory: Path = Path()
    environment: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    autostart: bool = True
    policy: Policy = field(default_factory=Policy)
    start_seconds: float = _FIRST_HEARTBEAT_SECONDS
    heartbeat_seconds: float | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    depends_on: tuple[str, ...] = ()
    memory_max: int | None = None
    log_bytes: int = 10 * 2**20
    log_files: int = 3
    settings: tuple[object, ...] = ()
    """All that teamsup's own worker reads in teamsup.toml at its start."""

    @property
    def given(self) -> tuple[object, ...]:
        """What a process is given at its start: what differs here needs another one; all else counts at once."""
        return (self.command, self.directory, self.environment, self.heartbeat_seconds, self.settings)

    @property
    def is_ours(self) -> bool:
        return self.name in WORKERS


@dataclass(frozen=True)
class Configuration:
    agents: tuple[str, ...]
    operators: tuple[str, ...]
    told_of_deaths: tuple[str, ...]
    keep_seconds: float
    metrics_port: int
    programs: Mapping[str, Program]
    """By name, each behind those it depends on."""


def load(team: Team) -> Configuration:
    """Read and check the team's configuration. Raises NotConfigured with the sentence that says what is wrong where."""
    settings = Settings(team)
    settings.check(SECTIONS, GROUPS)
    section = settings.section("team", TeamSection)
    workers = settings.group("worker", WorkerSection)
    try:
        named = {agent_name(name): worker for name, worker in workers.items()}
        if len(named) < len(workers):
            raise ValueError("two [worker.NAME] sections have the same name")
        programs = [
            _program(name, named.get(name), settings, section, team) for name in dict.fromkeys((*WORKERS, *named))
        ]
        ordered = _ordered(programs)
        check_sources(
            settings.section("monitor-bridge", MonitorSection).listen, settings.group("source", SourceSection)
        )
        for agent in section.agents:
            if agent_name(agent) in ordered:
                raise ValueError(f"[team] agents: {agent!r} is a worker's name")
    except (ValueError, CallerError) as error:
        raise NotConfigured(f"{settings.path}: {str(error).rstrip('.')}.") from error
    return Configuration(
        agents=tuple(agent_name(agent) for agent in section.agents),
        operators=tuple(agent_name(agent) for agent in section.operators),
        told_of_deaths=tuple(agent_name(agent) for agent in section.told_of_deaths),
        keep_seconds=section.keep_days * 86400,
        metrics_port=settings.section("metrics", MetricsSection).port,
        programs=ordered,
    )


def _program(
    name: str, given: WorkerSection | None, settings: Settings, team_section: TeamSection, team: Team
) -> Program:
    """Raises ValueError, naming the section."""
    section = given or WorkerSection()
    label = f"[worker.{name}]"
    ours = name in WORKERS
    if name == SUPERVISOR:
        raise ValueError(f"{label}: that name is the supervisor's own")
    if ours and section.command:
        raise ValueError(f"{label} command: this worker comes with teamsup; give yours another name")
    if not ours and not section.command:
        raise ValueError(f'{label} needs a command, such as command = ["python", "bot.py"]')
    heartbeat = section.heartbeat_seconds or (PRESENT_SECONDS if ours else None)
    stays_up = section.start_seconds or _STAYS_UP_SECONDS
    return Program(
        name=name,
        command=(sys.executable, "-m", _MODULES[name], "--team", team.name) if ours else section.command,
        directory=_directory(label, section.directory, team),
        environment=(*_from_file(label, section.env_file, team), *section.environment.items()),
        autostart=section.autostart,
        policy=Policy(
            restart=Restart(section.restart),
            ready_after=stays_up if heartbeat is None else None,
            stop_seconds=section.stop_seconds or team_section.stop_seconds,
            healthy_seconds=_PATIENT_SECONDS_OF.get(name, _PATIENT_SECONDS),
            backoff_max=_PATIENT_SECONDS_OF.get(name, _PATIENT_SECONDS),
        ),
        start_seconds=section.start_seconds or _FIRST_HEARTBEAT_SECONDS,
        heartbeat_seconds=heartbeat,
        stop_signal=signal.Signals[f"SIG{section.stop_signal}"],
        depends_on=tuple(agent_name(other) for other in section.depends_on),
        memory_max=size("memory_max", section.memory_max) if section.memory_max else None,
        log_bytes=size("log_max", section.log_max),
        log_files=section.log_files,
        settings=_own_settings(name, settings, team_section) if ours else (),
    )


def _own_settings(name: str, settings: Settings, team_section: TeamSection) -> tuple[object, ...]:
    # user_comm follows its own section by itself; it passes news on to where people on Discord read them.
    own = settings.section(name, SECTIONS[name]) if name in SECTIONS and name != "user_comm" else None
    home = settings.section("gateway", GatewaySection).home_channel if name == "user_comm" else 0
    groups = ("source", "alert", "watchdog") if name == "monitor-bridge" else ()
    several = [tuple(settings.group(group, GROUPS[group]).items()) for group in groups]
    return own, home, team_section.unread_seconds, *several


def _directory(label: str, name: str, team: Team) -> Path:
    """Relative to the team's folder, which it is by default: the same whoever has started the supervisor, and where."""
    path = _path(label, "directory", name, team)
    if not path.is_dir():
        raise ValueError(f"{label} directory: {path} is no folder")
    return path


def _path(label: str, key: str, name: str, team: Team) -> Path:
    try:
        return team.folder / Path(name).expanduser()
    except RuntimeError as error:
        raise ValueError(f"{label} {key}: {error}") from error


def _from_file(label: str, name: str, team: Team) -> Iterable[tuple[str, str]]:
    if not name:
        return ()
    from dotenv import dotenv_values  # only for those who have such a file

    path = _path(label, "env_file", name, team)
    try:
        if path.stat().st_mode & 0o077:
            raise ValueError(f"{label} env_file: others can read {path}; run chmod 600 on it")
        with path.open(encoding="utf-8") as file:
            values = dotenv_values(stream=file, interpolate=False)
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{label} env_file: {path} cannot be read: {error}") from error
    return tuple((key, value) for key, value in values.items() if value is not None)


def _ordered(programs: Iterable[Program]) -> dict[str, Program]:
    """Each behind those it depends on, else as they stand in the file."""
    by_name = {program.name: program for program in programs}
    sorter: graphlib.TopologicalSorter[str] = graphlib.TopologicalSorter()
    for program in by_name.values():
        for other in program.depends_on:
            if other not in by_name:
                raise ValueError(f"[worker.{program.name}] depends_on: there is no worker {other!r}")
        sorter.add(program.name, *program.depends_on)
    try:
        return {name: by_name[name] for name in sorter.static_order()}
    except graphlib.CycleError as error:
        circle = " on ".join(error.args[1])
        raise ValueError(f"depends_on goes in a circle: {circle}") from error
