"""What it costs to have the hub open: import time, memory, and processor time of those who only wait."""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import psutil

from teamsup.hub import MessageHub, Team

from .first_answer import timed

IMPORTS = 15
SECONDS = 20.0
RATE = 20.0  # messages a second to somebody else

_OPEN = "import sys; from pathlib import Path; from teamsup.hub import MessageHub, Team; "
_HUB = (
    _OPEN + "hub = MessageHub(Team('bench', Path(sys.argv[1])), agent=sys.argv[2]); hub.register(); print(flush=True); "
)
ROLES = {
    "bare python, in a read": "print(flush=True); sys.stdin.read()",
    "a thread in wait()": _HUB + "hub.wait()",
    "an event loop in wait_async()": _HUB + "import asyncio; asyncio.run(hub.wait_async())",
    "the one that watches": _HUB + "hub.start_watcher(); sys.stdin.read()",
}


def run() -> None:
    for what in ("pass", "import sqlite3, json", "import teamsup.hub"):
        milliseconds = [timed(partial(_python, what)) for _ in range(IMPORTS)]
        print(f"python -c {what!r:40} median {statistics.median(milliseconds):7.1f} ms   n={IMPORTS}")
    with tempfile.TemporaryDirectory() as folder:
        team = Team("bench", Path(folder))
        with MessageHub(team, agent="sender") as sender:
            for name in ("sender", "somebody"):
                sender.enroll(name)
            waiting = {
                role: _start(code, folder, f"waiter-{number}") for number, (role, code) in enumerate(ROLES.items())
            }
            try:
                _watch(sender, waiting)
            finally:
                for process in waiting.values():
                    process.kill()
                    process.wait()


def _watch(sender: MessageHub, waiting: "dict[str, subprocess.Popen[bytes]]") -> None:
    quiet = _shares(waiting, time.sleep)
    busy = _shares(waiting, lambda seconds: _send(sender, seconds))
    print(f"\n{'':32} {'memory':>10} {'idle':>9}   while {RATE:.0f} messages a second go to somebody else")
    for role, process in waiting.items():
        memory = psutil.Process(process.pid).memory_info().rss / 2**20
        print(f"{role:32} {memory:6.1f} MiB {quiet[role]:7.2f} % {busy[role]:7.2f} %  of a core, {SECONDS:.0f} s")


def _shares(waiting: "dict[str, subprocess.Popen[bytes]]", meanwhile: Callable[[float], object]) -> dict[str, float]:
    """Per cent of a core that each has used."""
    before = {role: seconds_used(process.pid) for role, process in waiting.items()}
    meanwhile(SECONDS)
    return {role: (seconds_used(process.pid) - before[role]) / SECONDS * 100 for role, process in waiting.items()}


def seconds_used(pid: int) -> float:
    """Processor time used so far, to the nanosecond where the system knows it: /proc/PID/stat counts in 10 ms."""
    try:
        tasks = Path(f"/proc/{pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9
    except OSError:
        times = psutil.Process(pid).cpu_times()
        return times.user + times.system


def wakeups_so_far(pid: int) -> int:
    """How often the threads of a process have begun to run after a wait. Only Linux counts that."""
    statuses = [(task / "status").read_text() for task in Path(f"/proc/{pid}/task").iterdir()]
    return sum(int(line.split()[1]) for text in statuses for line in text.splitlines() if line.startswith("voluntary"))


def _send(hub: MessageHub, seconds: float) -> None:
    for number in range(round(seconds * RATE)):
        hub.send("somebody", str(number))
        time.sleep(1 / RATE)


def _start(code: str, folder: str, agent: str) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen(
        [sys.executable, "-c", "import sys; " + code, folder, agent], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process


def _python(code: str) -> None:
    subprocess.run([sys.executable, "-c", code], check=True)


if __name__ == "__main__":
    run()
