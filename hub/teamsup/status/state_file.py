"""The states of a team's workers, as its supervisor last wrote them.

They can be read while the supervisor hangs, and after its death.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from teamsup.hub import Team

from .crash import Crash
from .process_state import State
from .team_lock import owner_pid, read_word


@dataclass(frozen=True, slots=True)
class JobTicks:
    """The ticks of a job's schedule: done up to ``done``, and the next tick. Times are in Unix seconds."""

    rule: str
    """The schedule of these ticks."""
    done: float
    next: float


@dataclass(frozen=True, slots=True)
class WorkerState:
    """One worker as the supervisor last saw it. ``started_at`` is in Unix seconds."""

    name: str
    state: str
    pid: int | None
    started_at: float | None
    restarts: int
    reason: str
    heartbeat_seconds: float | None
    crashes: tuple[Crash, ...]
    """The last crashes, the newest last."""
    ticks: JobTicks | None = None

    @property
    def next_try_at(self) -> float | None:
        """The time of the next try in Unix seconds, while the worker waits for it."""
        return self.crashes[-1].next_try_at if self.crashes and self.state == State.BACKOFF else None


@dataclass(frozen=True, slots=True)
class TeamState:
    """The supervisor and its workers."""

    pid: int
    started_at: float
    workers: tuple[WorkerState, ...]
    ended: bool = False
    """Whether the supervisor has shut down cleanly; False while it runs."""
    trouble: str = ""
    """The supervisor's own troubles, in sentences."""
    trouble_since: float | None = None
    """The time when these troubles began, in Unix seconds."""


def write_state(team: Team, state: TeamState) -> None:
    """Replace the file atomically, so that a reader never sees half of it."""
    path = _state_path(team)
    new = path.with_suffix(".new")
    new.write_text(format_state(state), "utf-8")
    new.replace(path)


def format_state(state: TeamState) -> str:
    """Return the state as JSON."""
    return json.dumps(state, default=_to_dict)


def _to_dict(value: object) -> dict[str, object]:
    """Return the same dict as asdict(). That function copies each value, and is ten times slower."""
    return {name: getattr(value, name) for name in type(value).__dataclass_fields__}  # type: ignore[attr-defined]


def read_state(team: Team) -> TeamState | None:
    """Return the state that this team's supervisor has written. Return None if there is none, or if the current
    supervisor has not written yet.
    """
    state, pid = read_last_state(team), owner_pid(team)
    if state is None or pid not in (None, state.pid):
        return None
    word = "" if pid is None else read_word(team)
    return replace(state, trouble=word) if word else state


def read_last_state(team: Team) -> TeamState | None:
    """Return the last written state of any supervisor, or None. An unreadable file only shows that its writer did not
    shut down cleanly.
    """
    try:
        return parse_state(json.loads(_state_path(team).read_text("utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return TeamState(0, 0.0, ())


def parse_state(data: Any) -> TeamState:  # noqa: ANN401 - any JSON
    """Parse the text that format_state() has written. Return an empty state for any other text."""
    try:
        rest = {key: value for key, value in data.items() if key != "workers"}
        return TeamState(workers=tuple(_worker_from(dict(worker)) for worker in data["workers"]), **rest)
    except (TypeError, KeyError, AttributeError, ValueError):
        return TeamState(0, 0.0, ())


def _worker_from(data: dict[str, Any]) -> WorkerState:
    crashes = tuple(Crash(**{**crash, "lines": tuple(crash["lines"])}) for crash in data.pop("crashes"))
    ticks = data.pop("ticks", None)
    return WorkerState(crashes=crashes, ticks=ticks and JobTicks(**ticks), **data)


def _state_path(team: Team) -> Path:
    return team.folder / "supervisor.json"
