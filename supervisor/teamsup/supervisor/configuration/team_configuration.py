"""Read the configuration of all workers: installed components, and the programs of [worker.NAME] in teamsup.toml."""

import graphlib
import os
import platform
import signal
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from teamsup.config.components import CommandHook, Component, installed_components
from teamsup.config.env_file import UnusableEnvFile, Variables, read_env_file
from teamsup.config.loader import Config, load_file
from teamsup.config.sections import CheckSection, MetricsSection, TeamSection, WorkerSection, parse_size
from teamsup.hub import CallerError, NotConfigured, Team
from teamsup.hub.models import PRESENCE_TIMEOUT_SECONDS, SUPERVISOR
from teamsup.hub.team import normalize_agent_name

from .process_policy import ProcessPolicy, RestartPolicy
from .program import FIRST_HEARTBEAT_SECONDS, JobSchedule, Program, SpawnLimits
from .section_owners import check_section_names, section_owners
from .spawn_command import expand_command

_HEALTHY_SECONDS = 60.0
_READY_AFTER_SECONDS = 1.0


@dataclass(frozen=True)
class TeamConfiguration:
    agents: tuple[str, ...]
    operators: tuple[str, ...]
    notify_on_crash: tuple[str, ...]
    keep_seconds: float
    metrics_port: int
    command_hook: CommandHook | None
    """The command to run when the team cannot notify people. None if no worker watches the team."""
    host: str
    is_standby: bool
    programs: Mapping[str, Program]
    """Programs by name, each after its dependencies."""
    tables: Mapping[str, Any] = field(repr=False)
    """The tables from which it was read."""
    sound_tables: Mapping[str, Any] = field(repr=False)
    """The tables without the sections that have mistakes, for workers that read a section of another worker."""

    @property
    def fault(self) -> str:
        """The first mistake in a worker's sections; empty if there is none."""
        return next((program.fault for program in self.programs.values() if program.fault), "")


def load_configuration(team: Team) -> TeamConfiguration:
    """Return the configuration of teamsup.toml, which must exist and be valid. Raise NotConfigured with the place of a
    mistake.
    """
    return require_sound(parse_configuration(team, load_file(team)))


def require_sound(found: TeamConfiguration) -> TeamConfiguration:
    """Return a configuration without a fault. Raise NotConfigured with the place of a mistake."""
    if found.fault:
        raise NotConfigured(found.fault)
    return found


def parse_configuration(team: Team, tables: Mapping[str, Any]) -> TeamConfiguration:
    """Return the configuration of these tables. A mistake in the sections of one worker is the fault of its program.

    Raise NotConfigured, with its place, for a mistake that concerns all.
    """
    config = Config(team, tables)
    components = installed_components()
    if not components:
        # This happens after an update of a checkout. It must not look like a team that needs no workers.
        raise NotConfigured("This installation names none of its workers, so none can start. Install teamsup again.")
    owners = section_owners()
    check_section_names(config, owners)
    section = config.section("team", TeamSection)
    port = config.section("metrics", MetricsSection).port
    try:
        written = {normalize_agent_name(name): name for name in config.names_of("worker")}
        if len(written) < len(config.names_of("worker")):
            raise ValueError("two [worker.NAME] sections have the same name")
        if SUPERVISOR in written:
            raise ValueError(f"[worker.{SUPERVISOR}]: that name is the supervisor's own")
        for agent in section.agents:
            if normalize_agent_name(agent) in (*written, *components):
                raise ValueError(f"[team] agents: {agent!r} is a worker's name")
    except (ValueError, CallerError) as error:
        raise NotConfigured(f"{config.path}: {str(error).rstrip('.')}.") from error
    faults = _faults_of_components(config)
    sound = Config(team, {key: table for key, table in config.tables.items() if owners.get(key) not in faults})
    secrets = secrets_of(tables)
    programs = []
    for name in dict.fromkeys((*components, *written)):
        try:
            _check_environment(name, tables.get("worker", {}).get(written.get(name)))
            worker = sound.subsection("worker", written[name], WorkerSection) if name in written else WorkerSection()
            program = _program(name, components.get(name), worker, sound, section, team)
        except (ValueError, CallerError) as error:
            program = Program(name, (), fault=_describe_fault(config, error), is_component=name in components)
        withheld = secrets_withheld_from(name, secrets)
        programs.append(replace(program, withheld_variables=withheld, fault=faults.get(name) or program.fault))
    return TeamConfiguration(
        agents=tuple(normalize_agent_name(agent) for agent in section.agents),
        operators=tuple(normalize_agent_name(agent) for agent in section.operators),
        notify_on_crash=tuple(normalize_agent_name(agent) for agent in section.notify_on_crash),
        keep_seconds=section.keep_days * 86400,
        metrics_port=port,
        command_hook=_find_command_hook(config),
        host=section.host or platform.node() or "this host",
        is_standby=section.standby,
        programs=_in_start_order(programs, config),
        tables=tables,
        sound_tables=sound.tables,
    )


def _check_environment(name: str, worker: object) -> None:
    """Raise ValueError if values of this environment are unknown: the accepted configuration does not contain them."""
    environment = worker.get("environment") if isinstance(worker, dict) else None
    if isinstance(environment, dict) and None in environment.values():
        raise ValueError(f"[worker.{name}] environment cannot be read. Correct the file")


def _find_command_hook(config: Config) -> CommandHook | None:
    """Return the command hook, even if another section of its component has a mistake."""
    for component in installed_components().values():
        if component.command_hook is not None:
            try:
                return component.command_hook(config)
            except NotConfigured:
                return CommandHook(component.name)
    return None


def secrets_of(tables: Mapping[str, Any]) -> dict[str, set[str]]:
    """Return the variables in the supervisor's environment that contain a secret, with the workers that need it.
    Include secrets that a section with a mistake names.
    """
    owners: dict[str, set[str]] = {}
    for component in installed_components().values():
        for variable in (*component.secret_variables, *component.read_keys(tables, component.secret_keys)):
            owners.setdefault(variable, set()).add(component.name)
    return owners


def secrets_withheld_from(name: str, secrets: Mapping[str, Collection[str]]) -> tuple[str, ...]:
    """Return the variables that are secrets of other workers."""
    return tuple(secret for secret, owners in secrets.items() if name not in owners)


def _faults_of_components(config: Config) -> dict[str, str]:
    """Return the faults of components and their sections, by component."""
    faults: dict[str, str] = {}
    for component in installed_components().values():
        if component.fault:
            faults[component.name] = component.fault
            continue
        try:
            component.check_sections(config)
        except (ValueError, CallerError) as error:
            faults[component.name] = _describe_fault(config, error)
        except Exception as error:
            # A mistake in one component's own checks must not keep the others from running.
            faults[component.name] = f"{component.name} cannot check its sections: {type(error).__name__}: {error}."
    return faults


def _describe_fault(config: Config, error: Exception) -> str:
    return str(error) if isinstance(error, NotConfigured) else f"{config.path}: {str(error).rstrip('.')}."


def _program(
    name: str,
    component: Component | None,
    section: WorkerSection,
    config: Config,
    team_section: TeamSection,
    team: Team,
) -> Program:
    """Return the program of one worker. Raise ValueError, which names the section, for a wrong key."""
    label = f"[worker.{name}]"
    if component is not None and section.command:
        raise ValueError(f"{label} command: this worker is installed with its own; give yours another name")
    if component is None and not section.command:
        raise ValueError(f'{label} needs a command, such as command = ["python", "bot.py"]')
    if component is not None and (section.ready or section.alive or section.schedule):
        raise ValueError(f"{label} ready, alive and schedule are for workers of your own")
    is_silent = component is not None and not component.sends_heartbeats
    if is_silent and section.heartbeat_seconds:
        raise ValueError(f"{label} heartbeat_seconds: this worker sends no heartbeats")
    heartbeat = section.heartbeat_seconds or (None if component is None or is_silent else PRESENCE_TIMEOUT_SECONDS)
    healthy = _HEALTHY_SECONDS if component is None else component.healthy_seconds
    stays_up = section.start_seconds or _READY_AFTER_SECONDS
    env_file = _path(label, "env_file", section.env_file, team) if section.env_file else None
    variables = os.environ | {"TEAMSUP_TEAM": team.name, "TEAMSUP_HOME": str(team.folder.parent)}
    try:
        command = expand_command(section.command, variables) if component is None else _command_of(component, team)
        ready, alive = _expand_check(section.ready, variables), _expand_check(section.alive, variables)
    except ValueError as error:
        raise ValueError(f"{label} {error}") from error
    return Program(
        name=name,
        command=command,
        directory=_path(label, "directory", section.directory, team),
        environment=tuple(section.environment.items()),
        env_file=env_file,
        env_file_values=_read_env_values(env_file),
        autostart=section.autostart,
        schedule=JobSchedule(section.schedule, section.timezone) if section.schedule else None,
        essential=section.essential,
        ready=ready,
        alive=alive,
        policy=ProcessPolicy(
            restart=RestartPolicy(section.restart or ("never" if section.schedule else "always")),
            ready_after=stays_up if heartbeat is None and section.ready is None else None,
            stop_seconds=section.stop_seconds or team_section.stop_seconds,
            healthy_seconds=healthy,
            backoff_max=healthy,
        ),
        limits=SpawnLimits(section.nofile, int(section.umask, 8) if section.umask else None, section.nice),
        start_seconds=section.start_seconds or FIRST_HEARTBEAT_SECONDS,
        heartbeat_seconds=heartbeat,
        stop_signal=signal.Signals[f"SIG{section.stop_signal}"],
        depends_on=tuple(normalize_agent_name(other) for other in section.depends_on),
        memory_max=parse_size("memory_max", section.memory_max) if section.memory_max else None,
        log_bytes=parse_size("log_max", section.log_max),
        log_files=section.log_files,
        watched_files=tuple(_watched_files(component, env_file, config, team)),
        worker_settings=() if component is None else _settings_of(component, config, team_section),
        is_component=component is not None,
        has_guests=component is not None and component.has_guests,
    )


def _expand_check(check: CheckSection | None, variables: Mapping[str, str]) -> CheckSection | None:
    return check and replace(check, exec=expand_command(check.exec, variables))


def _command_of(component: Component, team: Team) -> tuple[str, ...]:
    if isinstance(component.command, str):
        return sys.executable, "-m", component.command, "--team", team.name
    return component.command


def _settings_of(component: Component, config: Config, team_section: TeamSection) -> tuple[object, ...]:
    own = () if component.follows_sections else component.read_sections(config)
    return team_section.unread_seconds, *own


def _watched_files(component: Component | None, env_file: Path | None, config: Config, team: Team) -> Iterator[Path]:
    if env_file is not None:
        yield env_file
    if component is not None:
        for text in component.read_keys(config.tables, component.file_keys):
            if not text.startswith("$"):
                yield _path(f"[{component.name}]", "file", text, team)


def _path(label: str, key: str, name: str, team: Team) -> Path:
    """Return the path, relative to the team's folder and not to the current folder. It may not exist yet."""
    try:
        return team.folder / Path(name).expanduser()
    except RuntimeError as error:
        raise ValueError(f"{label} {key}: {error}") from error


def _read_env_values(env_file: Path | None) -> Variables | None:
    try:
        return read_env_file(env_file) if env_file is not None else ()
    except UnusableEnvFile:
        return None


def _in_start_order(programs: Iterable[Program], config: Config) -> dict[str, Program]:
    """Return the programs in the order of the file, but each after its dependencies. An impossible dependency is a
    fault.
    """
    by_name = {program.name: program for program in programs}
    for program in list(by_name.values()):
        if unknown := [other for other in program.depends_on if other not in by_name]:
            reason = f"[worker.{program.name}] depends_on: there is no worker {unknown[0]!r}"
            by_name[program.name] = _without_dependencies(program, f"{config.path}: {reason}.")
    while True:
        sorter = graphlib.TopologicalSorter({name: program.depends_on for name, program in by_name.items()})
        try:
            return {name: by_name[name] for name in sorter.static_order()}
        except graphlib.CycleError as error:
            circle = error.args[1]
            reason = f"{config.path}: depends_on is circular: {' on '.join(circle)}."
            by_name |= {name: _without_dependencies(by_name[name], reason) for name in circle}


def _without_dependencies(program: Program, fault: str) -> Program:
    """Return the program without dependencies, because one of them has a fault."""
    return replace(program, depends_on=(), fault=program.fault or fault)
