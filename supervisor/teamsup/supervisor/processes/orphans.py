"""Find orphans: processes that a worker started and left behind, also those in other sessions.

A variable in their environment, which a process inherits, identifies them. On Linux the supervisor also adopts them (it
is their subreaper). So at the end of the team it also finds orphans that have emptied their environment.
"""

import ctypes
import os
import sys
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from teamsup.hub import Team
from teamsup.terminal.formatting import sanitize

from .process_identity import pid_namespace

if TYPE_CHECKING:
    import psutil

TAG_VARIABLE = "TEAMSUP_WORKER"
_PR_SET_CHILD_SUBREAPER = 36
_NAMESPACE_SEPARATOR = "#"
_MAX_ROUNDS = 20
_MAX_COMMAND_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class ProcessLineage:
    """The origin of a process: itself and its ancestors, its process group, its tag, and its command for people."""

    pids: tuple[int, ...] = ()
    group: int = 0
    tag: str = ""
    command: str = "it has ended"

    @property
    def is_supervisor(self) -> bool:
        return self.pids[:1] == (os.getpid(),)

    @property
    def is_adopted(self) -> bool:
        """Return whether we are its parent, or an ancestor."""
        return os.getpid() in self.pids


def become_subreaper() -> None:
    """Become the parent of every descendant whose own parent dies."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)


def reap_children(workers: Container[int]) -> Iterator[int]:
    """Yield the pids of ended workers, which the caller reaps. Reap our other dead children here."""
    with suppress(ChildProcessError):
        while (dead := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is not None:
            if dead.si_pid in workers:
                yield dead.si_pid
            else:
                os.waitpid(dead.si_pid, 0)


def process_tag(team: Team, name: str, run: int) -> str:
    """Return the value of TAG_VARIABLE for one process of a worker and all its descendants."""
    return f"{_team_tag(team)}{name}@{os.getpid()}.{run}{_NAMESPACE_SEPARATOR}{pid_namespace()}"


def kill_orphans_of_workers(tags: Container[str]) -> dict[str, list[int]]:
    """Kill the orphans of workers with these tags; return the pids by tag."""
    found: dict[int, str] = {}

    def find() -> "Iterator[psutil.Process]":
        for process, value in _tagged_processes():
            if value in tags:
                found[process.pid] = value
                yield process

    left: dict[str, list[int]] = {}
    for pid in _kill_all(find):
        left.setdefault(found[pid], []).append(pid)
    return left


def kill_orphans_of_team() -> list[int]:
    """Kill the adopted processes after the workers have ended; return the pids."""
    import psutil  # not for a supervisor whose workers live

    return _kill_all(lambda: psutil.Process().children(recursive=True))


def kill_orphans_of_predecessor(team: Team) -> list[int]:
    """Kill the orphans of a killed supervisor of this team; return the pids."""
    return _kill_all(lambda: (process for process, value in _tagged_processes() if _is_of(team, value)))


def supervisor_of(team: Team) -> int | None:
    """Return the pid of the supervisor that runs the team, if at least one of its workers is alive and readable."""
    import psutil

    for _, value in _tagged_processes():
        if _is_of(team, value):
            pid = value.rpartition(_NAMESPACE_SEPARATOR)[0].rpartition("@")[2].partition(".")[0]
            if pid.isdecimal() and psutil.pid_exists(int(pid)):
                return int(pid)
    return None


def find_lineage(pid: int) -> ProcessLineage:
    """Return the lineage of a process. Fields that we may not read, or of an ended process, are empty."""
    import psutil

    found = ProcessLineage()
    with suppress(psutil.Error, OSError):
        process = psutil.Process(pid)
        command = " ".join(sanitize(" ".join(process.cmdline()) or process.name()).split())[:_MAX_COMMAND_CHARACTERS]
        found = ProcessLineage((pid, *(parent.pid for parent in process.parents())), os.getpgid(pid), command=command)
        found = replace(found, tag=process.environ().get(TAG_VARIABLE, ""))
    return found


def kill_tree(pid: int) -> None:
    """Kill one process that we have adopted, and all its descendants."""
    import psutil

    with suppress(psutil.Error):
        process = psutil.Process(pid)
        _kill_all(lambda: [process, *process.children(recursive=True)])


def _team_tag(team: Team) -> str:
    return f"{team.folder}:"


def _is_of(team: Team, value: str) -> bool:
    """Return whether the tag belongs to this team. A container may have a team in a folder of the same name; its
    processes are not ours.
    """
    return value.startswith(_team_tag(team)) and value.rpartition(_NAMESPACE_SEPARATOR)[2] == str(pid_namespace())


def _tagged_processes() -> "Iterator[tuple[psutil.Process, str]]":
    """Yield all other processes with a tag, and the tag."""
    import psutil

    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and (value := process.environ().get(TAG_VARIABLE, "")):
                yield process, value


def _is_alive(process: "psutil.Process") -> bool:
    import psutil

    with suppress(psutil.Error):
        return process.status() != psutil.STATUS_ZOMBIE
    return False


def _kill_all(find: "Callable[[], Iterable[psutil.Process]]") -> list[int]:
    """Kill repeatedly, because a process may start another before it is killed."""
    import psutil

    killed: set[int] = set()
    for _ in range(_MAX_ROUNDS):
        left = [process for process in find() if _is_alive(process)]
        if not left:
            break
        for process in left:
            # psutil compares the start time, so a process that has reused the pid is safe.
            with suppress(psutil.Error):
                process.kill()
                killed.add(process.pid)
        psutil.wait_procs(left, timeout=0.2)
    return sorted(killed)
