"""A run: one cause for which an agent is started, and its result."""

import os
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from teamsup.hub import Team

CauseKind = Literal["message", "schedule", "person"]
RunState = Literal["planned", "running", "parked", "done", "failed", "unknown", "stopped"]

LONGEST_RETRY_SECONDS = 600.0
"""The longest time until a run is tried again."""
OPEN_STATES: tuple[RunState, ...] = ("planned", "running", "parked", "unknown")
"""States of a run whose cause has not ended."""


@dataclass(frozen=True, slots=True)
class Cause:
    """The reason why an agent is started. There is one run for each agent and cause."""

    kind: CauseKind
    key: str
    """The message_id, or the tick of a schedule, in UTC."""
    message_number: int | None = None
    """``messages.id`` of the text; None for a schedule."""
    conversation: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """A row of ``runs``. Times are Unix seconds. One run may start several processes, one after another."""

    id: int
    agent: str
    cause: Cause
    session_id: str
    """The id of the program's conversation: a UUID that the runner chooses before the first start."""
    state: RunState = "planned"
    reason: str = ""
    """The reason of its state, for people."""
    mark: str = ""
    """The value of TEAMSUP_RUN in the environment of its processes."""
    pid: int = 0
    process_identity: str = ""
    """The boot and start of its latest process. They distinguish it from other processes with the same pid."""
    lease_token: str = ""
    starts: int = 0
    """The number of processes that were started for it."""
    program: str = ""
    """The kind of its program, "command" or "claude", since its first start."""
    program_version: str = ""
    """The version of its program, if it is known."""
    has_login: bool = False
    """Whether its program worked with a login instead of an API key."""
    model: str = ""
    created_at: float = 0.0
    started_at: float | None = None
    """The start of its latest process."""
    ended_at: float | None = None
    turns: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    usd: float | None = None
    """The cost of this run; None if it is unknown."""
    session_usd_before: float = 0.0
    """The cost of its session before this run."""
    tools: tuple[str, ...] = ()
    answer: str = ""
    decision: str = ""
    """The message_id of the last question to people."""
    transcript: str = ""
    next_try_at: float | None = None
    """The time when a planned run starts again after a temporary trouble."""
    tries: int = 0
    """Processes since its last progress."""
    is_decided: bool = False
    """Whether it continues with a decision of people."""
    stop: str = ""
    """The reason why its process is being ended; empty if it is not being ended."""
    directory: str = ""
    """Its working folder."""
    is_resumed: bool = False
    """Whether it continues in the session of an earlier run of its conversation."""

    folder_id: str = ""
    """The id of the folder that contains its files; empty if it is unknown."""

    def is_elsewhere(self, folder_id: str) -> bool:
        """Return whether a run belongs to another host: its files, and its process if it lives."""
        return self.starts > 0 and self.folder_id not in ("", folder_id)

    @property
    def is_open(self) -> bool:
        return self.state in OPEN_STATES


def folder_id(team: Team) -> str:
    """Return the id of this team's folder of runs. The first call creates the id. Raise OSError."""
    path = team.folder / "runs" / "id"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        draft = path.with_name(f"id.{os.getpid()}")
        draft.write_text(uuid.uuid4().hex)
        draft.rename(path)
    return path.read_text()


def run_folder(team: Team, number: int) -> Path:
    """Return the folder of a run's files."""
    return team.folder / "runs" / str(number)
