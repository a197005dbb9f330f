"""One worker: its configuration, its process, and its output."""

import asyncio
from collections import deque
from dataclasses import dataclass, field, replace

from ..configuration.team_configuration import Program
from ..health import crashes
from ..health.crashes import Crash
from .child import Child
from .lifecycle import ALIVE, Process, State


@dataclass
class ManagedProcess:
    program: Program
    crashes: tuple[Crash, ...] = ()
    wanted: bool = False
    restart_pending: bool = False
    """To be stopped, and as it is wanted started again."""
    process: Process = field(default_factory=Process)
    child: Child | None = None
    tag: str = ""
    """By which everything that comes from its process is known."""
    last_lines: deque[str] = field(default_factory=lambda: deque(maxlen=crashes.KEPT_LINES))
    started_at: float | None = None
    """When its process was started, in Unix seconds; ``spawned_at`` in monotonic ones."""
    spawned_at: float = 0.0
    timer: asyncio.TimerHandle | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def name(self) -> str:
        return self.program.name

    @property
    def spawned_program(self) -> Program:
        """Its program, with the env_file's values at its start, which may have changed since."""
        if self.child is None:
            return self.program
        return replace(self.program, env_file_values=self.child.env_file_values)

    @property
    def is_active(self) -> bool:
        return self.process.state in (*ALIVE, State.STOPPING)
