"""A supervisor that is repeatedly killed at random moments: is a worker ever left behind, or there twice?

``python -m helpers.kill_soak 100`` does it so many times.
"""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from helpers.support import TeamsupCommand, eventually
from teamsup.hub.engines.marked_processes import TAG_VARIABLE, is_mark_of, marked_processes

_GRANDCHILD = "import time; time.sleep(1000)"
_WORKER = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {_GRANDCHILD!r}], start_new_session=True);"
_WORKERS = 3


@dataclass(frozen=True)
class KillTally:
    """Kills; the longest until all workers were gone, in seconds; workers met twice; processes left at the end."""

    kills: int
    slowest: float
    doubled: int
    left: int


def kill_repeatedly(teamsup: TeamsupCommand, kills: int, seed: int = 0) -> KillTally:
    chance = random.Random(seed)  # noqa: S311
    command = json.dumps([sys.executable, "-c", _WORKER + _GRANDCHILD])
    teamsup.configure("".join(f"[worker.w{number}]\ncommand = {command}\n" for number in range(_WORKERS)))
    slowest, doubled = 0.0, 0
    for _ in range(kills):
        with teamsup.open("start", stdout=subprocess.DEVNULL) as supervisor:
            time.sleep(chance.uniform(0.05, 1.0))
            doubled += sum(count > 1 for count in _workers(teamsup).values())
            children = psutil.Process(supervisor.pid).children() if supervisor.poll() is None else []
            supervisor.kill()
            begin = time.monotonic()
            eventually(lambda: not any(map(_is_alive, children)), "the end of all workers")  # noqa: B023
            slowest = max(slowest, time.monotonic() - begin)
    with teamsup.open("start", stdout=subprocess.DEVNULL) as supervisor:
        try:
            eventually(lambda: len(_workers(teamsup)) == _WORKERS, "the workers")
            doubled += sum(count > 1 for count in _workers(teamsup).values())
        finally:
            supervisor.send_signal(signal.SIGTERM)
            supervisor.wait(30)
    return KillTally(kills, slowest, doubled, len(_tagged_processes(teamsup)))


def _is_alive(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.status() != psutil.STATUS_ZOMBIE
    return False


def _workers(teamsup: TeamsupCommand) -> dict[str, int]:
    """How many processes of each worker there are, without those that it has started."""
    found: dict[str, int] = {}
    workers = [(one, mark) for one, mark, command in _tagged_processes(teamsup) if _WORKER in command]
    pids = {one.pid for one, _ in workers}
    for one, mark in workers:
        with contextlib.suppress(psutil.NoSuchProcess):
            # What a worker starts looks like the worker between fork and exec.
            if one.ppid() not in pids:
                name = mark.rpartition(":")[2].partition("@")[0]
                found[name] = found.get(name, 0) + 1
    return found


def _tagged_processes(teamsup: TeamsupCommand) -> list[tuple[psutil.Process, str, str]]:
    """Everything that comes from this team's workers, with its mark and its command line."""
    found = []
    for process, mark in marked_processes(TAG_VARIABLE):
        with contextlib.suppress(psutil.Error):
            if is_mark_of(teamsup.team.folder, mark):
                found.append((process, mark, " ".join(process.cmdline())))
    return found


def main() -> None:
    os.umask(0o077)
    with tempfile.TemporaryDirectory() as folder:
        tally = kill_repeatedly(TeamsupCommand(Path(folder)), int(sys.argv[1]))
        print(tally)
        sys.exit(bool(tally.doubled or tally.left))


if __name__ == "__main__":
    main()
