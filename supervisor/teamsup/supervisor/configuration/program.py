"""The program of one worker: its command, and the rules for it."""

import signal
from dataclasses import dataclass, field
from pathlib import Path

from teamsup.config.env_file import Variables
from teamsup.config.sections import CheckSection

from .process_policy import ProcessPolicy

FIRST_HEARTBEAT_SECONDS = 60.0


@dataclass(frozen=True)
class SpawnLimits:
    """Settings of the operating system for a new process. For None it inherits the supervisor's value."""

    nofile: int | None = None
    """The maximum number of open files."""
    umask: int | None = None
    """The rights that its new files do not get."""
    nice: int | None = None
    """Its niceness, from -20 to 19."""


@dataclass(frozen=True)
class JobSchedule:
    """The times when a worker starts: a cron expression, and its time zone, which is empty for the host's."""

    expression: str
    timezone: str = ""

    def __str__(self) -> str:
        return f"{self.expression} {self.timezone}".strip()


@dataclass(frozen=True)
class Program:
    """The configuration of one worker: its command, and the rules for it."""

    name: str
    command: tuple[str, ...]
    directory: Path = Path()
    environment: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    env_file: Path | None = None
    env_file_values: Variables | None = field(default=(), repr=False)
    """The content of the file when the configuration was read; None if it was unreadable; it may be readable at the
    start.
    """
    withheld_variables: tuple[str, ...] = ()
    """Variables in the supervisor's environment that contain secrets of other workers."""
    autostart: bool = True
    schedule: JobSchedule | None = None
    essential: bool = False
    ready: CheckSection | None = None
    alive: CheckSection | None = None
    policy: ProcessPolicy = field(default_factory=ProcessPolicy)
    limits: SpawnLimits = SpawnLimits()
    start_seconds: float = FIRST_HEARTBEAT_SECONDS
    heartbeat_seconds: float | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    depends_on: tuple[str, ...] = ()
    memory_max: int | None = None
    log_bytes: int = 10 * 2**20
    log_files: int = 3
    worker_settings: tuple[object, ...] = ()
    """All settings that a component reads from teamsup.toml at its start."""
    watched_files: tuple[Path, ...] = ()
    """Files that it reads at its start besides the configuration. If such a file changes, the worker is tried again."""
    fault: str = ""
    """The fault in its sections that prevents its start; empty if there is none."""
    is_component: bool = False
    """Whether it is one of the installed components."""
    has_guests: bool = False
    """Whether the processes that it starts belong to others and outlive it."""

    @property
    def starts_with_team(self) -> bool:
        """Return whether it starts with the team. A job waits for its schedule."""
        return self.autostart and self.schedule is None

    @property
    def spawn_settings(self) -> tuple[object, ...]:
        """Return the settings that a process gets at its start. If they differ, a new process is needed. All other
        settings apply at once.
        """
        return (
            self.command,
            self.directory,
            self.environment,
            self.env_file,
            self.heartbeat_seconds,
            self.limits,
            # The checks run in the environment that the process had at its start.
            self.ready,
            self.alive,
            self.worker_settings,
        )

    def needs_new_process(self, old: "Program") -> bool:
        """Return whether a process of ``old`` has other spawn settings. A missing env_file changes nothing."""
        values = self.env_file_values
        return self.spawn_settings != old.spawn_settings or (values is not None and values != old.env_file_values)
