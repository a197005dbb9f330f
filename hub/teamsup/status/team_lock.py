"""The lock on a team, which one supervisor holds: a file in the team's folder that names its owner.

When the disk is full, the supervisor can still write a sentence into the file.
"""

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from teamsup.hub import CallerError, StoreUnavailable, Team
from teamsup.hub.engines.marked_processes import TAG_VARIABLE, is_mark_of, marked_processes, words_of
from teamsup.hub.engines.process_identity import identity_of, send_signal
from teamsup.hub.errors import ExitCode
from teamsup.hub.wakeup.file_lock import try_lock
from teamsup.terminal.hints import command_hint, suggest_team

if TYPE_CHECKING:
    import signal

_LOCK_BYTES, _WORD_BYTES = 200, 800


_HELD: dict[Path, int] = {}
"""The descriptors of the locks that this process holds."""


class AlreadyRunning(CallerError):
    """Another supervisor runs this team."""

    exit_code = ExitCode.NOT_NOW


class ForeignSupervisor(CallerError):
    """The supervisor that runs this team is not a process of this system."""

    exit_code = ExitCode.UNAVAILABLE


class NotRunning(CallerError):
    """No supervisor runs this team."""

    exit_code = ExitCode.NOT_RUNNING


def acquire_lock(team: Team) -> None:
    """Acquire the right to run the team until this process ends. Raise AlreadyRunning with the owner's pid."""
    # A caller of owner_pid() holds the lock for a moment too.
    while (file := try_lock(_lock_path(team))) is None:
        if (pid := owner_pid(team)) is not None:
            raise AlreadyRunning(
                f"Team {team.name!r} is run by pid {pid} already. "
                f"See it with '{command_hint(team, 'ps')}', end it with '{command_hint(team, 'stop')}'."
            )
    _HELD[_lock_path(team)] = file
    os.ftruncate(file, 0)
    # Reserve room for the trouble, so that it can be written on a full disk.
    os.write(file, f"{os.getpid()}\n{identity_of(os.getpid())}\n".encode().ljust(_LOCK_BYTES + _WORD_BYTES))


def held_lock(team: Team) -> int:
    """Return the descriptor of the lock that this process holds."""
    return _HELD[_lock_path(team)]


def keep_lock(team: Team, descriptor: int) -> None:
    """Note the lock that the earlier program of this process has acquired."""
    _HELD[_lock_path(team)] = descriptor


def reacquire_lock(team: Team) -> bool:
    """Acquire the lock again if its file was removed. Return whether it was removed.

    Do not create a missing folder. Raise AlreadyRunning if another supervisor has started the team meanwhile.
    """
    if owner_pid(team) == os.getpid() or not team.folder.is_dir():
        return False
    team.create()
    acquire_lock(team)
    return True


def owner_pid(team: Team) -> int | None:
    """Return the pid of the supervisor that runs the team now."""
    held = _read_owner(team)
    return None if held is None else held[0]


def signal_owner(team: Team, number: "signal.Signals") -> None:
    """Send a signal to the supervisor that runs the team; do nothing if it has ended. Raise ForeignSupervisor if it is
    not a process of this system: a lock may come from another container or machine.
    """
    held = _read_owner(team)
    if held is not None and not send_signal(*held, number) and _read_owner(team) == held:
        raise ForeignSupervisor(
            f"Team {team.name!r} is run by pid {held[0]} of another container or machine. Stop it where it was started."
        )


def _read_owner(team: Team) -> tuple[int, str] | None:
    """Return the pid and the identity of the supervisor that runs the team now."""
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


def owner_without_folder(team: Team) -> int | None:
    """Return the pid of a supervisor that continues while the team's folder, with the lock, is missing."""
    return None if team.folder.is_dir() else supervisor_of(team)


def supervisor_of(team: Team) -> int | None:
    """Return the pid of the supervisor that runs the team, if at least one of its workers is alive and readable."""
    import psutil

    for _, value in marked_processes(TAG_VARIABLE):
        if is_mark_of(team.folder, value):
            pid = words_of(value).rpartition("@")[2].partition(".")[0]
            if pid.isdecimal() and psutil.pid_exists(int(pid)):
                return int(pid)
    return None


def require_folder(team: Team) -> None:
    """Raise StoreUnavailable if the team's folder is missing and a supervisor waits for its return. A new folder must
    not be created then.
    """
    if (pid := owner_without_folder(team)) is not None:
        raise StoreUnavailable(describe_without_folder(team, pid))


def describe_without_folder(team: Team, pid: int) -> str:
    return f"{team.folder} is not there at present, but pid {pid} runs team {team.name!r}. Move or mount it back."


def require_running(team: Team) -> None:
    """Raise NotRunning if no supervisor runs the team. The error says how to start it."""
    if owner_pid(team) is None:
        raise NotRunning(describe_not_running(team))


def describe_not_running(team: Team) -> str:
    return f"Team {team.name!r} is not running.{suggest_team(team)} Start it with: {command_hint(team, 'start')}"


def leave_word(team: Team, trouble: str) -> None:
    """Write the trouble into the lock's file while the state file cannot be written. Without a trouble, write an empty
    text.

    The lock's file already has its place on the disk. If even this fails, old heartbeats show the trouble.
    """
    # Do not lock the file here. Closing this descriptor does not release the flock of another descriptor.
    with suppress(OSError), open(_lock_path(team), "r+b", buffering=0) as file:
        os.pwrite(file.fileno(), trouble.encode()[:_WORD_BYTES].ljust(_WORD_BYTES), _LOCK_BYTES)


def read_word(team: Team) -> str:
    """Return the trouble that the running supervisor has written into the lock's file."""
    with suppress(OSError), open(_lock_path(team), "rb", buffering=0) as file:
        return os.pread(file.fileno(), _WORD_BYTES, _LOCK_BYTES).decode("utf-8", "ignore").strip()
    return ""


def _lock_path(team: Team) -> Path:
    return team.folder / "supervisor.lock"
