"""What ``ps``, ``stop`` and a second ``start`` learn of a supervisor without asking it: who holds the team, and its
workers' states. It can be read while the supervisor hangs, and after its death."""

import fcntl
import json
import os
import signal
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from teamsup.hub import CallerError, StoreUnavailable, Team
from teamsup.hub.engines.sqlite.file_lock import try_lock
from teamsup.terminal.hints import command_hint

from .health.crashes import Crash
from .processes import orphans
from .processes.lifecycle import State
from .processes.process_identity import identity_of, send_signal

_LOCK_BYTES, _WORD_BYTES = 200, 800


class AlreadyRunning(CallerError):
    """Another supervisor runs this team."""

    exit_code = os.EX_TEMPFAIL


class ForeignSupervisor(CallerError):
    """The supervisor that runs this team is not a process of this system."""

    exit_code = os.EX_UNAVAILABLE


class NotRunning(CallerError):
    """No supervisor runs this team."""

    exit_code = 3


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
    deaths: tuple[Crash, ...]
    """The last ones, the newest last."""

    @property
    def next_try_at(self) -> float | None:
        """In Unix seconds, while it waits for that."""
        return self.deaths[-1].next_try_at if self.deaths and self.state == State.BACKOFF else None


@dataclass(frozen=True, slots=True)
class TeamState:
    """The supervisor and its workers."""

    pid: int
    started_at: float
    workers: tuple[WorkerState, ...]
    ended: bool = False
    """Whether it ended in order: False also while it runs."""
    trouble: str = ""
    """What the supervisor itself cannot do at the moment."""
    trouble_since: float | None = None
    """In Unix seconds."""


def acquire_lock(team: Team) -> None:
    """Take the right to run the team, until this process ends however it ends.

    Raises AlreadyRunning, saying who holds the team.
    """
    # Somebody who only asks, in holder(), has the lock for a moment too.
    while (file := try_lock(_lock_path(team))) is None:
        if (pid := owner_pid(team)) is not None:
            raise AlreadyRunning(
                f"Team {team.name!r} is run by pid {pid} already. "
                f"See it with '{command_hint(team, 'ps')}', end it with '{command_hint(team, 'stop')}'."
            )
    os.ftruncate(file, 0)
    # With room for a word that can be left also when the disk is full.
    os.write(file, f"{os.getpid()}\n{identity_of(os.getpid())}\n".encode().ljust(_LOCK_BYTES + _WORD_BYTES))


def reacquire_lock(team: Team) -> bool:
    """Take the lock again if somebody has removed its file; whether that was so. A folder that is away is not made.

    Raises AlreadyRunning when another supervisor runs the team by now.
    """
    if owner_pid(team) == os.getpid() or not team.folder.is_dir():
        return False
    team.create()
    acquire_lock(team)
    return True


def owner_pid(team: Team) -> int | None:
    """The pid of the supervisor that runs the team now."""
    held = _read_owner(team)
    return None if held is None else held[0]


def signal_owner(team: Team, number: signal.Signals) -> None:
    """Send a signal to the supervisor that runs the team; nothing when it has ended meanwhile.

    Raises NotHere when that is not a process of this system: a lock may come from another container or machine.
    """
    held = _read_owner(team)
    if held is not None and not send_signal(*held, number) and _read_owner(team) == held:
        raise ForeignSupervisor(
            f"Team {team.name!r} is run by pid {held[0]} of another container or machine. Stop it where it was started."
        )


def _read_owner(team: Team) -> tuple[int, str] | None:
    """The pid and the identity of the supervisor that runs the team now."""
    try:
        file = os.open(_lock_path(team), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        pid, _, identity = os.read(file, _LOCK_BYTES).decode("ascii", "replace").partition("\n")
        return (int(pid), identity.strip()) if pid.isdecimal() and int(pid) else None
    finally:
        os.close(file)
    return None


def holder_without_folder(team: Team) -> int | None:
    """The pid of a supervisor that goes on while the team's folder, with the lock, is away."""
    return None if team.folder.is_dir() else orphans.supervisor_of(team)


def require_folder(team: Team) -> None:
    """Raises StoreAway when the team's folder is away and a supervisor waits for it: nobody may make another one."""
    if (pid := holder_without_folder(team)) is not None:
        raise StoreUnavailable(without_folder(team, pid))


def without_folder(team: Team, pid: int) -> str:
    return f"{team.folder} is not there at present, but pid {pid} runs team {team.name!r}. Move or mount it back."


def require_running(team: Team) -> None:
    """Raises NotRunning, saying how to start it, unless a supervisor runs the team."""
    if owner_pid(team) is None:
        raise NotRunning(describe_not_running(team))


def describe_not_running(team: Team) -> str:
    return f"Team {team.name!r} is not running. Start it with: {command_hint(team, 'start')}"


def write_state(team: Team, state: TeamState) -> None:
    """Replace the file at once, so that a reader never sees half of it."""
    path = _state_path(team)
    new = path.with_suffix(".new")
    new.write_text(json.dumps(state, default=_to_dict), "utf-8")
    new.replace(path)


def _to_dict(value: object) -> dict[str, object]:
    """As asdict() does, which copies each value and takes ten times as long."""
    return {name: getattr(value, name) for name in type(value).__dataclass_fields__}  # type: ignore[attr-defined]


def leave_word(team: Team, trouble: str) -> None:
    """Say in the lock's file what is wrong while the state cannot be written; empty: nothing.

    That file has its place on the disk already. Where even this fails, old heartbeats tell.
    """
    # Not try_lock(): closing this descriptor must not end what another one holds, and with flock it does not.
    with suppress(OSError), open(_lock_path(team), "r+b", buffering=0) as file:
        os.pwrite(file.fileno(), trouble.encode()[:_WORD_BYTES].ljust(_WORD_BYTES), _LOCK_BYTES)


def read_state(team: Team) -> TeamState | None:
    """What the last supervisor wrote; None when it never did, or the one that runs now has not yet."""
    state, pid = read_last_state(team), owner_pid(team)
    if state is None or pid not in (None, state.pid):
        return None
    word = "" if pid is None else _word(team)
    return replace(state, trouble=word) if word else state


def _word(team: Team) -> str:
    """What the supervisor that runs the team has left in the lock's file."""
    with suppress(OSError), open(_lock_path(team), "rb", buffering=0) as file:
        return os.pread(file.fileno(), _WORD_BYTES, _LOCK_BYTES).decode("utf-8", "ignore").strip()
    return ""


def read_last_state(team: Team) -> TeamState | None:
    """What was written last, whoever runs the team now; None when nothing ever was.

    Of a file that cannot be understood nothing is known but that its writer did not end in order.
    """
    try:
        data = json.loads(_state_path(team).read_text("utf-8"))
        workers = tuple(_worker_from(worker) for worker in data.pop("workers"))
        return TeamState(workers=workers, **data)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return TeamState(0, 0.0, ())


def _worker_from(data: dict[str, Any]) -> WorkerState:
    deaths = tuple(Crash(lines=tuple(crash.pop("lines")), **crash) for crash in data.pop("deaths"))
    return WorkerState(deaths=deaths, **data)


def _lock_path(team: Team) -> Path:
    return team.folder / "supervisor.lock"


def _state_path(team: Team) -> Path:
    return team.folder / "supervisor.json"
