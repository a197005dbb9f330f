"""The interface of a program that runs an agent: its start, and the result of its output."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from ..run import Run
from ..sections import AgentSection

Ending = Literal[
    "none",
    "completed",
    "deferred",
    "limit",
    "retry_later",
    "login",
    "billing",
    "configuration",
    "session_lost",
    "max_turns",
    "max_usd",
    "gave_up",
    "failed",
]
"""The end of a run according to its output. "none" means that the output does not show an end."""

WHOLE_PROGRAM = "program"
"""The id of the one call that stands for a program with unknown calls."""

CallEvent = Literal["began", "done", "parked", "denied"]


@dataclass(frozen=True, slots=True)
class Launch:
    """A process to start. ``environment`` is its whole environment."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    stdin: bytes
    directory: Path


@dataclass(frozen=True, slots=True)
class Call:
    """The latest event of one tool call, as the hooks of the run recorded it."""

    id: str
    tool: str
    event: CallEvent
    input: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DeferredCall:
    """A tool call that waits for a decision of people."""

    id: str
    tool: str
    input: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RunOutput:
    """The result of a run's output so far. Turns and tokens are those of all its processes."""

    ending: Ending = "none"
    text: str = ""
    """The answer."""
    detail: str = ""
    """The reason of the end, for people."""
    resets_at: float | None = None
    """With "limit": the end of the limit in Unix seconds, if the program reports it."""
    deferred: DeferredCall | None = None
    turns: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    usd: float | None = None
    """The cost of the whole session. For a program without sessions, the cost of the run."""
    tools: tuple[str, ...] = ()
    progress: str = ""
    """Its current work, for people."""
    session_id: str = ""
    version: str = ""
    """The version of the program, if its output contains it."""
    has_login: bool = False
    """Whether it works with a login instead of an API key. With a login the prompt cache lasts longer."""
    has_transcript: bool = False
    """Whether the session can be resumed."""
    lacks_tools: bool = False
    """Whether its process continues without some of its tools, so that it must be ended."""
    decision: Mapping[str, Any] = field(default_factory=dict)
    """The question of another program to people (text, options). It comes with "deferred", instead of a call."""


class AgentProgram(Protocol):
    """One kind of program. ``folder`` is the folder of the run, with ``stdout.jsonl``, ``stderr.log`` and
    ``calls.jsonl``.
    """

    def plan(self, run: Run, agent: AgentSection, prompt: str, *, resume: bool, folder: Path) -> Launch:
        """Return the process to start, and set the output of the earlier process aside. An empty ``prompt`` with
        ``resume`` continues with the deferred call.

        Raise NotConfigured, with the remedy, if the program is missing or has no login.
        """
        ...

    def read(self, folder: Path, run: Run) -> RunOutput:
        """Return the result of the output so far. It is cheap to call again."""
        ...

    def read_calls(self, folder: Path) -> Sequence[Call]:
        """Return the latest event of each tool call."""
        ...
