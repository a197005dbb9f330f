"""One worker: what it should be, what it is, and what is known of it."""

import asyncio
from collections import deque
from dataclasses import dataclass, field, replace
from datetime import datetime

from . import deaths
from .child import Child
from .configuration import Program
from .deaths import Death
from .lifecycle import ALIVE, Process, State
from .pulse import Pulse


@dataclass
class Member:
    program: Program
    deaths: tuple[Death, ...] = ()
    wanted: bool = False
    renew: bool = False
    """To be stopped, and as it is wanted started again."""
    process: Process = field(default_factory=Process)
    child: Child | None = None
    mark: str = ""
    """By which everything that comes from its process is known."""
    beat: datetime | None = None
    """The last heartbeat that was seen, and that of an earlier process."""
    stale_beat: datetime | None = None
    pulse: Pulse = field(default_factory=lambda: Pulse(0.0))
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=deaths.KEPT_LINES))
    started_at: float | None = None
    timer: asyncio.TimerHandle | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def name(self) -> str:
        return self.program.name

    @property
    def given_program(self) -> Program:
        """Its program, with what its process was given of the env_file, which may have changed since."""
        if self.child is None:
            return self.program
        return replace(self.program, env_file_values=self.child.env_file_values)

    @property
    def is_busy(self) -> bool:
        return self.process.state in (*ALIVE, State.STOPPING)
