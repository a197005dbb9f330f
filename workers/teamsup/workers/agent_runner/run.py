"""A run: one cause for which an agent is started, and what came of it."""

from dataclasses import dataclass
from typing import Literal

CauseKind = Literal["message", "schedule", "person"]
RunState = Literal["planned", "running", "parked", "done", "failed", "unknown", "stopped"]

OPEN_STATES: tuple[RunState, ...] = ("planned", "running", "parked", "unknown")
"""States of a run whose cause is still to be ended."""


@dataclass(frozen=True, slots=True)
class Cause:
    """Why an agent is started. There is one run for each agent and cause."""

    kind: CauseKind
    key: str
    """The message_id; for a schedule its tick, in UTC."""
    message_number: int | None = None
    """``messages.id`` of the words; None for a schedule."""
    conversation: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """A row of ``runs``. Times are Unix seconds. One run may start several processes, one after another."""

    id: int
    agent: str
    cause: Cause
    session_id: str
    """Of the program's conversation: a UUID that we choose before the first start."""
    state: RunState = "planned"
    reason: str = ""
    """Why it is in that state, for people."""
    mark: str = ""
    """The value of TEAMSUP_RUN in the environment of its processes."""
    pid: int = 0
    process_identity: str = ""
    """What tells that process from others with its pid: its boot and its start."""
    lease_token: str = ""
    starts: int = 0
    """Processes that were started for it."""
    program: str = ""
    """The program and its version."""
    model: str = ""
    created_at: float = 0.0
    started_at: float | None = None
    """The start of its latest process."""
    ended_at: float | None = None
    turns: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    usd: float | None = None
    """Its own cost; None: unknown."""
    session_usd_before: float = 0.0
    """What its session had cost before this run."""
    tools: tuple[str, ...] = ()
    answer: str = ""
    decision: str = ""
    """The message_id with which people were asked last."""
    transcript: str = ""
    next_try_at: float | None = None
    """When a planned run starts again after a trouble that passes."""
    tries: int = 0
    """Processes since it last got further."""
    is_decided: bool = False
    """Whether it goes on with what people have decided."""
    stop: str = ""
    """Why its process is being ended; empty: it is not."""
    directory: str = ""
    """The folder that it works in."""
    is_resumed: bool = False
    """Whether it goes on in the session of an earlier run of its conversation."""

    @property
    def is_open(self) -> bool:
        return self.state in OPEN_STATES
