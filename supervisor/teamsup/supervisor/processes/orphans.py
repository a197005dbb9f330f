"""Find orphans: processes that a worker has started and left behind, even in other sessions.

An inherited variable in their environment identifies them. On Linux the supervisor also adopts them, because it is
their subreaper. So at the end of the team it also finds orphans that have emptied their environment.
"""

import ctypes
import os
import sys
from collections.abc import Container, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from teamsup.hub import Team
from teamsup.hub.engines.marked_processes import (
    RUN_VARIABLE,
    TAG_VARIABLE,
    end_marked,
    is_mark_of,
    kill_all,
    kill_marked,
    make_mark,
    marked_processes,
    read_variable,
)
from teamsup.terminal.formatting import sanitize

if TYPE_CHECKING:
    import psutil

GUEST_VARIABLE = "TEAMSUP_HOST"
"""The variable with the process tag of a worker that has guests. Guests have this variable, and are not orphans."""
_PR_SET_CHILD_SUBREAPER = 36
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
        """Return whether this process is its parent or another ancestor."""
        return os.getpid() in self.pids


def become_subreaper() -> None:
    """Become the parent of every descendant whose own parent dies."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)


def reap_children(workers: Container[int]) -> Iterator[int]:
    """Yield the pids of ended workers, which the caller reaps. Reap the other dead children of this process."""
    with suppress(ChildProcessError):
        while (dead := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is not None:
            if dead.si_pid in workers:
                yield dead.si_pid
            else:
                os.waitpid(dead.si_pid, 0)


def process_tag(team: Team, name: str, run: int) -> str:
    """Return the value of TAG_VARIABLE for one process of a worker and all its descendants."""
    return make_mark(team.folder, f"{name}@{os.getpid()}.{run}")


def kill_orphans_of_workers(tags: Container[str]) -> dict[str, list[int]]:
    """Kill the orphans of workers with these tags; return the pids by tag."""
    found: dict[int, str] = {}

    def find() -> "Iterator[psutil.Process]":
        for process, value in marked_processes(TAG_VARIABLE):
            if value in tags:
                found[process.pid] = value
                yield process

    left: dict[str, list[int]] = {}
    for pid in kill_all(find):
        left.setdefault(found[pid], []).append(pid)
    return left


def kill_orphans_of_team() -> list[int]:
    """Kill the adopted processes after the workers have ended; return the pids."""
    import psutil  # imported late: only the end of a worker needs it

    return kill_all(lambda: (each for each in psutil.Process().children(recursive=True) if not _is_guest(each)))


def kill_orphans_of_predecessor(team: Team) -> list[int]:
    """Kill the orphans of a killed supervisor of this team; return the pids."""
    return kill_marked(TAG_VARIABLE, lambda value: is_mark_of(team.folder, value))


def end_runs(team: Team, seconds: float = 5.0) -> list[int]:
    """End the runs that agent-runner has started, because they outlive that worker and its supervisor. Return the pids.

    Each process gets a SIGTERM, after which a run can be continued later, and after ``seconds`` a SIGKILL.
    """
    return end_marked(RUN_VARIABLE, lambda value: is_mark_of(team.folder, value), seconds)


def end_all(team: Team) -> list[str]:
    """End all remaining processes after the workers have ended. Return lines for the log."""
    found = ("ended the runs of agents", end_runs(team)), ("killed what was left", kill_orphans_of_team())
    return [f"{what}: {', '.join(map(str, pids))}" for what, pids in found if pids]


def find_lineage(pid: int) -> ProcessLineage:
    """Return the lineage of a process. Fields that this process may not read, and those of an ended
    process, are empty.
    """
    import psutil

    found = ProcessLineage()
    with suppress(psutil.Error, OSError):
        process = psutil.Process(pid)
        command = " ".join(sanitize(" ".join(process.cmdline()) or process.name()).split())[:_MAX_COMMAND_CHARACTERS]
        if _is_guest(process):
            # A guest does not belong to a worker because of its ancestors, and must not be killed.
            return ProcessLineage((pid,), os.getpgid(pid), command=command)
        found = ProcessLineage((pid, *(parent.pid for parent in process.parents())), os.getpgid(pid), command=command)
        found = replace(found, tag=read_variable(process, TAG_VARIABLE))
    return found


def kill_tree(pid: int) -> None:
    """Kill an adopted process, and all its descendants."""
    import psutil

    with suppress(psutil.Error):
        process = psutil.Process(pid)
        kill_all(lambda: [process, *process.children(recursive=True)])


def _is_guest(process: "psutil.Process") -> bool:
    """Return whether a process was started for others by a worker that has guests."""
    import psutil

    with suppress(psutil.Error, OSError):
        return bool(read_variable(process, GUEST_VARIABLE))
    return False
