"""How soon a row that the sqlite3 shell writes is read, and what the team's watcher costs while nobody writes.

Measured from just before the shell gets the statement to the moment that another process has claimed the message.
"""

import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from teamsup.hub import MessageHub, Team

from .footprint import seconds_used

IDLE_SECONDS = 20.0
_COMMITS = 100
MOST_IDLE_PERCENT = 0.6

# Name, rows, shortest and longest pause in seconds, and the target in milliseconds for the median.
PHASES = (("all was idle", 60, 0.6, 0.9, 12.0), ("in a burst", 300, 0.005, 0.05, 4.0))
_WATCH = (
    "import sys; from pathlib import Path; from teamsup.hub import MessageHub, Team; "
    "hub = MessageHub(Team('bench', Path(sys.argv[1]))); print(hub.start_watcher(), flush=True); sys.stdin.read()"
)
_INSERT = "INSERT INTO messages (message_id, sender, recipient, content) VALUES ('{}', 'shell', 'reader', 'row');\n"


def run() -> int:
    """Show the figures beside their targets. Return 1 when one is missed."""
    if not shutil.which("sqlite3"):
        print("foreign writers: needs the sqlite3 shell")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        team = Team("bench", Path(folder))
        with MessageHub(team, agent="reader", durability="normal") as reader:
            reader.register()
            watcher = subprocess.Popen(
                [sys.executable, "-c", _WATCH, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
            shell = subprocess.Popen(
                ["sqlite3", "-batch", "-cmd", ".timeout 10000", team.database], stdin=subprocess.PIPE
            )
            try:
                assert watcher.stdout is not None
                assert watcher.stdout.readline() == b"True\n"
                results = [_measure_idle(watcher.pid)]
                _show_commit(reader, _writer(shell))
                results += [_measure_rows(reader, _writer(shell), *phase) for phase in PHASES]
            finally:
                for process in (shell, watcher):
                    process.kill()
                    process.wait()
    return 0 if all(results) else 1


def _measure_idle(pid: int) -> bool:
    time.sleep(1)
    before = seconds_used(pid)
    time.sleep(IDLE_SECONDS)
    percent = (seconds_used(pid) - before) / IDLE_SECONDS * 100
    return _show("the watcher of an idle team", f"{percent:7.2f} % of a core", percent, MOST_IDLE_PERCENT, "%")


def _writer(shell: "subprocess.Popen[bytes]") -> Callable[[str], None]:
    def write(identity: str) -> None:
        assert shell.stdin is not None
        shell.stdin.write(_INSERT.format(identity).encode())
        shell.stdin.flush()

    return write


def _show_commit(hub: MessageHub, write: Callable[[str], None]) -> None:
    """Show how long the shell and the disk take until a row is there, which no watcher can make shorter."""
    milliseconds = []
    for number in range(_COMMITS):
        time.sleep(0.02)
        began = time.monotonic()
        write(f"commit {number}")
        while not hub.query("SELECT 1 FROM messages WHERE message_id = ?", (f"commit {number}",)):
            time.sleep(0.0001)
        milliseconds.append((time.monotonic() - began) * 1000)
        for delivery in hub.claim(_COMMITS):
            hub.acknowledge(delivery)
    print(
        f"{'until such a row is there at all':45} {statistics.median(milliseconds):7.2f} ms, n={_COMMITS}", flush=True
    )


def _measure_rows(
    reader: MessageHub, write: Callable[[str], None], name: str, rows: int, shortest: float, longest: float, most: float
) -> bool:
    chance = random.Random(name)  # noqa: S311
    milliseconds = []
    for number in range(rows):
        time.sleep(chance.uniform(shortest, longest))
        began = time.monotonic()
        write(f"{name} {number}")
        delivery = next(reader.listen(30))
        milliseconds.append((time.monotonic() - began) * 1000)
        reader.acknowledge(delivery)
    milliseconds.sort()
    median, p99 = statistics.median(milliseconds), milliseconds[round(0.99 * (rows - 1))]
    text = f"{median:7.2f} ms, p99 {p99:.2f}, n={rows}"
    return _show(f"a row by the sqlite3 shell, {name}", text, median, most, "ms")


def _show(what: str, figure: str, value: float, most: float, unit: str) -> bool:
    print(f"{what:45} {figure}   target: at most {most:g} {unit}{'' if value <= most else ', MISSED'}", flush=True)
    return value <= most


if __name__ == "__main__":
    sys.exit(run())
