"""What a worker leaves behind when it ends: processes it has started, also those in a session of their own.

They are known by a variable in their environment, which a process inherits. On Linux the supervisor also adopts them
(it is their subreaper), so that at the end of the team it finds those too that have cleaned their environment.
"""

import ctypes
import os
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from teamsup.hub import Team

if TYPE_CHECKING:
    import psutil

MARK = "TEAMSUP_WORKER"
_PR_SET_CHILD_SUBREAPER = 36
_LOOKS = 20


def adopt() -> None:
    """Become the parent of every descendant whose own parent dies."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)


def reap_adopted(workers: Collection[int]) -> None:
    """Forget those of our dead children that are no workers."""
    with suppress(ChildProcessError):
        while (dead := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is not None:
            if dead.si_pid in workers:
                # It comes first until it is reaped by its own Popen.
                return
            os.waitpid(dead.si_pid, 0)


def mark(team: Team, name: str, run: int) -> str:
    """The value of MARK for one process of a worker, and for all that come from it."""
    return f"{_team_mark(team)}{name}@{os.getpid()}.{run}"


def end_of_worker(worker: str) -> list[int]:
    """Kill what one process of a worker has left; the pids."""
    return _kill_all(lambda: _marked(lambda value: value == worker))


def end_of_team() -> list[int]:
    """Kill what we have adopted, once the workers are gone; the pids."""
    import psutil  # not for a supervisor whose workers live

    return _kill_all(lambda: psutil.Process().children(recursive=True))


def end_of_predecessor(team: Team) -> list[int]:
    """Kill what a supervisor of this team that was killed itself has left; the pids."""
    return _kill_all(lambda: _marked(lambda value: value.startswith(_team_mark(team))))


def _team_mark(team: Team) -> str:
    return f"{team.folder}:"


def _marked(wanted: Callable[[str], bool]) -> "Iterator[psutil.Process]":
    import psutil

    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and wanted(process.environ().get(MARK, "")):
                yield process


def _lives(process: "psutil.Process") -> bool:
    import psutil

    with suppress(psutil.Error):
        return process.status() != psutil.STATUS_ZOMBIE
    return False


def _kill_all(find: "Callable[[], Iterable[psutil.Process]]") -> list[int]:
    """Again and again, because what is about to be killed may still start something."""
    import psutil

    killed: set[int] = set()
    for _ in range(_LOOKS):
        left = [process for process in find() if _lives(process)]
        if not left:
            break
        for process in left:
            # psutil compares the time of creation, so a pid that was given away again is not met.
            with suppress(psutil.Error):
                process.kill()
                killed.add(process.pid)
        psutil.wait_procs(left, timeout=0.2)
    return sorted(killed)
