"""Find and kill processes by a mark: a variable in their environment, which every process that they start inherits.

Sessions and process groups do not identify them, because a program can give its children new groups.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from .process_identity import pid_namespace

if TYPE_CHECKING:
    import psutil

TAG_VARIABLE = "TEAMSUP_WORKER"
"""The mark of a worker's processes: its process tag."""
RUN_VARIABLE = "TEAMSUP_RUN"
"""The mark of the processes of one agent's run. They have no mark of a worker, because a run outlives its worker."""
_NAMESPACE_SEPARATOR = "#"
_MAX_ROUNDS = 20
_MAX_EXEC_SECONDS = 2.0
"""Seconds to wait for a process without arguments. It is in the middle of exec(), which may take long on a busy
machine.
"""
_EXEC_POLL_SECONDS = 0.001
_EMPTY_READS = 3
"""A process counts as one without variables after this many consecutive reads with arguments and without variables."""


def make_mark(folder: Path, words: str) -> str:
    """Return a mark of the team in this folder. It names the pid namespace, because a container may have the same
    folder.
    """
    return f"{folder}:{words}{_NAMESPACE_SEPARATOR}{pid_namespace()}"


def is_mark_of(folder: Path, mark: str) -> bool:
    """Return whether the mark is of the team in this folder, and of this pid namespace."""
    return mark.startswith(f"{folder}:") and mark.rpartition(_NAMESPACE_SEPARATOR)[2] == str(pid_namespace())


def words_of(mark: str) -> str:
    """Return the words from which make_mark() made the mark."""
    return mark.rpartition(_NAMESPACE_SEPARATOR)[0].rpartition(":")[2]


def marked_processes(variable: str) -> "Iterator[tuple[psutil.Process, str]]":
    """Yield all other processes with this variable, and its value."""
    import psutil  # imported only by callers that look

    for pid in psutil.pids():
        if pid == os.getpid() or _surely_lacks(pid, variable):
            continue
        with suppress(psutil.Error, OSError):
            process = psutil.Process(pid)
            if value := read_variable(process, variable):
                yield process, value


def _surely_lacks(pid: int, variable: str) -> bool:
    """Return whether one look at /proc is enough to know that the process has no such variable.

    psutil takes ten times as long for the answer, and nearly all processes of a machine belong to others.
    """
    folder = Path("/proc", str(pid))
    try:
        if variables := (folder / "environ").read_bytes():
            return f"{variable}=".encode() not in variables
        return (folder / "statm").read_bytes().startswith(b"0 ")  # a thread of the kernel, or it has ended
    except PermissionError:
        return True  # of another user: psutil may not read it either
    except OSError:
        return False


def read_variable(process: "psutil.Process", variable: str) -> str:
    """Return the variable in the environment of a process, or an empty text. Raise psutil.Error.

    During exec(), a process has neither variables nor arguments for a moment. It must not look unmarked in that moment.
    """
    empty_reads, deadline = 0, time.monotonic() + _MAX_EXEC_SECONDS
    while not (variables := process.environ()):
        if process.memory_info().vms == 0 or time.monotonic() > deadline:
            break  # a thread of the kernel, or a process that has ended
        empty_reads = empty_reads + 1 if process.cmdline() else 0
        if empty_reads == _EMPTY_READS:
            break
        time.sleep(_EXEC_POLL_SECONDS)
    return variables.get(variable, "")


def is_running(process: "psutil.Process") -> bool:
    """Return whether the process runs. A process that its parent has not reaped yet does not run."""
    import psutil

    with suppress(psutil.Error):
        return process.status() != psutil.STATUS_ZOMBIE
    return False


def kill_all(find: "Callable[[], Iterable[psutil.Process]]") -> list[int]:
    """Kill repeatedly, because a process may start another before it is killed; return the pids.

    One look is not enough: a process may start another and end by itself between the listing and the look at it.
    """
    import psutil

    killed: set[int] = set()
    was_empty = False
    for _ in range(_MAX_ROUNDS):
        left = [process for process in find() if is_running(process)]
        if was_empty and not left:
            break
        was_empty = not left
        for process in left:
            # psutil compares the start time, so a process that has reused the pid is safe.
            with suppress(psutil.Error):
                process.kill()
                killed.add(process.pid)
        psutil.wait_procs(left, timeout=0.2)
    return sorted(killed)


def kill_marked(variable: str, is_wanted: Callable[[str], bool]) -> list[int]:
    """Kill the processes whose mark is wanted; return the pids."""
    return kill_all(lambda: [process for process, value in marked_processes(variable) if is_wanted(value)])


def end_marked(variable: str, is_wanted: Callable[[str], bool], seconds: float) -> list[int]:
    """Send SIGTERM to the processes whose mark is wanted, and SIGKILL to the remaining processes after ``seconds``.
    Return all pids.
    """
    import psutil

    asked = [process for process, value in marked_processes(variable) if is_wanted(value) and is_running(process)]
    for process in asked:
        with suppress(psutil.Error):
            process.terminate()
    if asked:
        psutil.wait_procs(asked, timeout=seconds)
    return sorted({process.pid for process in asked} | set(kill_marked(variable, is_wanted)))
