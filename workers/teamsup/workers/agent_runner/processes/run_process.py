"""The processes of one run: start them with files for output, take them over by pid or mark, end them, and kill
orphans."""

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path

from teamsup.hub import Team
from teamsup.hub.engines.marked_processes import (
    RUN_VARIABLE,
    is_mark_of,
    is_running,
    kill_marked,
    make_mark,
    marked_processes,
)
from teamsup.hub.engines.process_identity import identity_of

from ..programs.program import Launch
from ..run import Run

OUTPUT, ERRORS = "stdout.jsonl", "stderr.log"
_POLL_SECONDS = 0.5
"""Seconds between two checks if no descriptor reports the end of a foreign process."""


@dataclass(frozen=True, slots=True)
class RunProcess:
    """The first process of a run. ``child`` reaps it if this process has started it."""

    pid: int
    identity: str
    child: "subprocess.Popen[bytes] | None" = None


def run_mark(team: Team, number: int) -> str:
    """Return the mark of all processes of a run, including later processes."""
    return make_mark(team.folder, str(number))


def spawn(launch: Launch, folder: Path, mark: str) -> RunProcess:
    """Start a process whose output goes to files, so that it outlives this worker. Raise OSError."""
    given = folder / "stdin.json"
    given.write_bytes(launch.stdin)
    with given.open("rb") as stdin, (folder / OUTPUT).open("ab") as out, (folder / ERRORS).open("ab") as err:
        child = subprocess.Popen(
            launch.argv,
            stdin=stdin,
            stdout=out,
            stderr=err,
            cwd=launch.directory,
            env={**launch.environment, RUN_VARIABLE: mark},
            start_new_session=True,
        )
    return RunProcess(child.pid, _identify(child.pid), child)


def find_process(run: Run) -> RunProcess | None:
    """Return the process of a run that another runner has started, or None if it has ended.

    If that runner died before it stored the pid, the mark identifies it: the first process of the run is the oldest.
    """
    import psutil

    if run.pid:
        is_it = run.process_identity == _identify(run.pid)
        with contextlib.suppress(psutil.Error):
            if is_it and is_running(psutil.Process(run.pid)):
                return RunProcess(run.pid, run.process_identity)
        return None
    found = [process for process, mark in marked_processes(RUN_VARIABLE) if mark == run.mark and is_running(process)]
    if not found:
        return None
    first = min(found, key=lambda process: (process.create_time(), process.pid))
    return RunProcess(first.pid, _identify(first.pid))


async def wait_ended(process: RunProcess) -> None:
    """Wait until the process has ended."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except (AttributeError, OSError):
        while _is_it_alive(process):  # noqa: ASYNC110 - no descriptor tells it here
            await asyncio.sleep(_POLL_SECONDS)
        return
    try:
        if process.child is None and _identify(process.pid) != process.identity:
            return
        ended = asyncio.get_running_loop().create_future()
        loop = asyncio.get_running_loop()
        loop.add_reader(descriptor, _set_once, ended)
        try:
            await ended
        finally:
            loop.remove_reader(descriptor)
    finally:
        os.close(descriptor)
    if process.child is not None:
        process.child.poll()


def ask_to_end(process: RunProcess, number: signal.Signals) -> None:
    """Send a signal to the process and its group."""
    if _is_it_alive(process):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)


async def end_process(process: RunProcess, seconds: float) -> None:
    """End a process: send SIGTERM, after which a session can continue, and SIGKILL after ``seconds``."""
    ask_to_end(process, signal.SIGTERM)
    try:
        async with asyncio.timeout(seconds):
            await wait_ended(process)
    except TimeoutError:
        ask_to_end(process, signal.SIGKILL)
        await wait_ended(process)


def sweep(mark: str) -> list[int]:
    """Kill the orphans of a run, in any group or session. Return the pids."""
    return kill_marked(RUN_VARIABLE, lambda found: found == mark)


def sweep_others(team: Team, marks: Container[str]) -> list[int]:
    """Kill the processes of this team's runs, except those with these marks. Return the pids."""
    return kill_marked(RUN_VARIABLE, lambda found: is_mark_of(team.folder, found) and found not in marks)


def measure_memory(marks: Container[str]) -> int:
    """Return the bytes that the processes of these runs use together."""
    import psutil

    total = 0
    for process, mark in marked_processes(RUN_VARIABLE):
        if mark in marks:
            with contextlib.suppress(psutil.Error):
                total += process.memory_info().rss
    return total


def _identify(pid: int) -> str:
    """Return the identity of the process, or an empty text if there is none."""
    if identity := identity_of(pid):
        return identity
    import psutil  # where there is no /proc

    try:
        return f"{psutil.Process(pid).create_time():.2f}"
    except psutil.Error:
        return ""


def _is_it_alive(process: RunProcess) -> bool:
    if process.child is not None:
        return process.child.poll() is None
    import psutil

    with contextlib.suppress(psutil.Error):
        return _identify(process.pid) == process.identity and is_running(psutil.Process(process.pid))
    return False


def _set_once(ended: "asyncio.Future[None]") -> None:
    if not ended.done():
        ended.set_result(None)
