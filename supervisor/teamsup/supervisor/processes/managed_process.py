"""One worker: its configuration, its process, and its output."""

import asyncio
from collections import deque
from dataclasses import dataclass, field, replace

from teamsup.hub.errors import ExitCode
from teamsup.status.crash import KEPT_LINES, Crash
from teamsup.status.process_state import ALIVE, State
from teamsup.status.state_file import JobTicks

from ..configuration.program import Program
from .child import Child, HandedChild
from .lifecycle import Process
from .line_reader import LineReader


@dataclass(frozen=True, slots=True)
class HandedWorker:
    """The state of a worker that outlives the supervisor's program."""

    name: str
    wanted: bool
    restart_pending: bool
    exit_code: int | None
    tag: str
    started_at: float | None
    spawned_at: float
    last_lines: tuple[str, ...]
    process: Process
    child: HandedChild | None


@dataclass
class ManagedProcess:
    program: Program
    crashes: tuple[Crash, ...] = ()
    wanted: bool = False
    ticks: JobTicks | None = None
    """The ticks of its schedule that are done; None without a schedule."""
    exit_code: int | None = None
    """The exit code of its last process, negative for a signal."""
    restart_pending: bool = False
    """Whether it stops only to start again."""
    process: Process = field(default_factory=Process)
    child: Child | None = None
    output: LineReader | None = None
    tag: str = ""
    """The process tag, by which all descendants of its process are found."""
    last_lines: deque[str] = field(default_factory=lambda: deque(maxlen=KEPT_LINES))
    started_at: float | None = None
    """Start time of its process in Unix seconds; ``spawned_at`` is in monotonic seconds."""
    spawned_at: float = 0.0
    timer: asyncio.TimerHandle | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def hand_over(self) -> HandedWorker:
        """Return the state for a successor."""
        return HandedWorker(
            self.name,
            self.wanted,
            self.restart_pending,
            self.exit_code,
            self.tag,
            self.started_at,
            self.spawned_at,
            tuple(self.last_lines),
            self.process,
            None if self.child is None else self.child.hand_over(),
        )

    def resume(self, handed: HandedWorker) -> None:
        """Continue with the state of a predecessor."""
        self.wanted, self.restart_pending = handed.wanted, handed.restart_pending
        self.exit_code, self.tag, self.process = handed.exit_code, handed.tag, handed.process
        self.started_at, self.spawned_at = handed.started_at, handed.spawned_at
        self.last_lines.extend(handed.last_lines)

    def set_ticks(self, ticks: JobTicks | None) -> None:
        """Note which ticks of its schedule are done."""
        self.ticks = ticks

    @property
    def name(self) -> str:
        return self.program.name

    @property
    def spawned_program(self) -> Program:
        """The program of the running process, with the values that the env_file had at its start."""
        if self.child is None:
            return self.program
        return replace(self.program, env_file_values=self.child.env_file_values)

    @property
    def is_active(self) -> bool:
        return self.process.state in (*ALIVE, State.STOPPING)


def exit_code_of(worker: ManagedProcess) -> int:
    """Return the exit code of an ended worker, in the form of a shell. For a worker that never ran, return
    NOT_CONFIGURED.
    """
    if worker.process.state is State.FATAL or worker.exit_code is None:
        return ExitCode.NOT_CONFIGURED
    return worker.exit_code if worker.exit_code >= 0 else 128 - worker.exit_code
