"""teamsup's supervisor, supervisord and circus side by side, each with the same workers; a bare loop is the floor."""

import contextlib
import importlib.util
import json
import os
import random
import shlex
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil

from .first_answer import timed
from .footprint import seconds_used

KILLS = 20
CHILDREN = 3
STARTS = 7
STATUSES = 10
SETTLE = 3.0  # seconds; a death within supervisord's startsecs, 1, is a failed start to it
IDLE = 20.0
LIMIT = 60.0

# The clock, which is the same in all processes, is read before anything else is imported.
WORKER = """\
import time
stamp = time.monotonic_ns()
import os, sys
file = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
os.write(file, b"%d %d\\n" % (os.getpid(), stamp))
time.sleep(1e6)
"""

LOOP = """\
import asyncio, json, sys
async def keep(command):
    while True:
        await (await asyncio.create_subprocess_exec(*command)).wait()
async def main():
    await asyncio.gather(*map(keep, json.loads(sys.argv[1])))
asyncio.run(main())
"""

Commands = dict[str, list[str]]
"""The workers by name; each command's last word is the file for its stamps."""


@dataclass(frozen=True)
class Peer:
    name: str
    configure: Callable[[Path, Commands], tuple[list[str], list[str]]]
    """Writes down what is to be kept running; the commands that do so in the foreground, and show how it is."""
    note: str
    period: float = 1.0
    """Seconds between two looks at the children, if it only looks: the kills fall anywhere between."""
    package: str = "teamsup"


def bare_loop(_: Path, commands: Commands) -> tuple[list[str], list[str]]:
    return ["-c", LOOP, json.dumps(list(commands.values()))], []


def teamsup(folder: Path, commands: Commands) -> tuple[list[str], list[str]]:
    team = folder / "bench"
    team.mkdir(mode=0o700, exist_ok=True)
    # Without the workers that come with it: it shall run what the others run.
    sections = [
        f"[worker.{name}]\nautostart = false"
        for name in ("gateway", "user_comm", "monitor-bridge", "agent-runner", "web")
    ]
    sections += [f"[worker.{name}]\ncommand = {json.dumps(words)}" for name, words in commands.items()]
    (team / "teamsup.toml").write_text("\n".join(sections))
    program = ["-m", "teamsup.cli"]
    return [*program, "start", "--team", "bench"], [*program, "ps", "--team", "bench"]


def supervisord(folder: Path, commands: Commands) -> tuple[list[str], list[str]]:
    socket, configuration = folder / "socket", folder / "supervisord.conf"
    factory = "supervisor.rpcinterface:make_main_rpcinterface"
    sections = [
        f"[supervisord]\nlogfile={folder}/log\npidfile={folder}/pid\nchildlogdir={folder}",
        f"[unix_http_server]\nfile={socket}",
        f"[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory={factory}",
        f"[supervisorctl]\nserverurl=unix://{socket}",
    ]
    sections += [f"[program:{name}]\ncommand={shlex.join(words)}\nautorestart=true" for name, words in commands.items()]
    configuration.write_text("\n".join(sections))
    start = ["-m", "supervisor.supervisord", "-n", "-c", str(configuration)]
    return start, ["-m", "supervisor.supervisorctl", "-c", str(configuration), "status"]


def circus(check_delay: float, folder: Path, commands: Commands) -> tuple[list[str], list[str]]:
    endpoint, configuration = f"ipc://{folder}/endpoint", folder / "circus.ini"
    sections = [f"[circus]\nendpoint = {endpoint}\npubsub_endpoint = {endpoint}-pubsub\ncheck_delay = {check_delay}"]
    sections += [f"[watcher:{name}]\ncmd = {shlex.join(words)}" for name, words in commands.items()]
    configuration.write_text("\n".join(sections))
    return ["-m", "circus.circusd", str(configuration)], ["-m", "circus.circusctl", "--endpoint", endpoint, "status"]


OURS = Peer("teamsup", teamsup, "at once on a worker's first death; backoff from 0.5 s on the second within 60 s")
PEERS = (
    Peer("a bare asyncio loop", bare_loop, "at once, always; no log, no backoff, no status"),
    OURS,
    Peer(
        "supervisord",
        supervisord,
        "defaults; in its loop's next round: 1 s, less if a worker prints",
        package="supervisor",
    ),
    Peer("circus", partial(circus, 5.0), "check_delay = 5, its default: looks every 5 s", 5.0, "circus"),
    Peer("circus, check_delay = 0.1", partial(circus, 0.1), "looks every 100 ms", 0.1, "circus"),
)


@dataclass(frozen=True)
class Running:
    """A supervisor with its workers up."""

    peer: Peer
    folder: Path
    process: "subprocess.Popen[bytes]"
    began: int
    """Just before its process was started; in nanoseconds, as all stamps."""
    status: list[str]
    commands: Commands

    def stamps(self, name: str) -> list[tuple[int, int]]:
        """Pid and time of each start of a worker."""
        path = Path(self.commands[name][-1])
        lines = path.read_text().splitlines() if path.exists() else []
        return [(int(pid), int(stamp)) for pid, stamp in map(str.split, lines)]

    def wait_for(self, starts: int, *names: str) -> None:
        ends = time.monotonic() + LIMIT
        while any(len(self.stamps(name)) < starts for name in names):
            if self.process.poll() is not None or time.monotonic() > ends:
                said = (self.folder / "output").read_text()[-2000:]
                raise RuntimeError(f"{self.peer.name} does not keep its workers running. It said:\n{said}")
            time.sleep(0.005)

    def start(self) -> float:
        """Milliseconds until the last worker's first stamp."""
        return (max(self.stamps(name)[0][1] for name in self.commands) - self.began) / 1e6

    def kill(self, name: str) -> float:
        """Milliseconds from just before a worker's death to its replacement's stamp."""
        before = time.monotonic_ns()
        os.kill(self.stamps(name)[0][0], signal.SIGKILL)
        self.wait_for(2, name)
        return (self.stamps(name)[1][1] - before) / 1e6

    def show(self) -> None:
        shown = subprocess.run(self.status, env=_environment(self.folder), capture_output=True, text=True, check=True)
        assert all(name in shown.stdout for name in self.commands), shown


@contextlib.contextmanager
def running(peer: Peer, folder: Path, count: int) -> Iterator[Running]:
    """Up with so many workers, and gone afterwards with all of them, in any case."""
    program = folder / "worker.py"
    program.write_text(WORKER)
    stamps = [folder / f"stamps-{number}" for number in range(count)]
    commands = {f"worker-{path.name[7:]}": [sys.executable, "-I", "-S", str(program), str(path)] for path in stamps}
    for path in stamps:
        path.unlink(missing_ok=True)
    start, status = ([sys.executable, *words] if words else [] for words in peer.configure(folder, commands))
    with (folder / "output").open("w") as output:
        began = time.monotonic_ns()
        # In a session of its own, because Ctrl-C is for us, who then end it in order.
        process = subprocess.Popen(
            start, env=_environment(folder), cwd=folder, stdout=output, stderr=output, start_new_session=True
        )
    try:
        up = Running(peer, folder, process, began, status, commands)
        up.wait_for(1, *commands)
        yield up
    finally:
        _end(process)


def _environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "TEAMSUP_HOME": str(folder)}


def _end(process: "subprocess.Popen[bytes]") -> None:
    children: list[psutil.Process] = []
    with contextlib.suppress(psutil.NoSuchProcess):
        children = psutil.Process(process.pid).children(recursive=True)
    process.terminate()
    try:
        process.wait(LIMIT)
    finally:
        process.kill()
        process.wait()
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()


def measure(peer: Peer) -> dict[str, list[float]]:
    """Every figure of one supervisor, by what it is."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        starts = []
        for _ in range(STARTS):
            with running(peer, folder, CHILDREN) as up:
                starts.append(up.start())
        with running(peer, folder, CHILDREN) as up:
            time.sleep(SETTLE)
            statuses = [timed(up.show) for _ in range(STATUSES)] if up.status else []
            time.sleep(SETTLE)
            memory = psutil.Process(up.process.pid).memory_info().rss / 2**20
            used = seconds_used(up.process.pid)
            time.sleep(IDLE)
            idle = (seconds_used(up.process.pid) - used) / IDLE * 100
        with running(peer, folder, KILLS) as up:
            time.sleep(SETTLE)
            chance = random.Random(0)  # noqa: S311
            kills = []
            # Each worker dies once, so that nobody's backoff is measured.
            for worker in up.commands:
                time.sleep(0.5 + chance.uniform(0, peer.period))
                kills.append(up.kill(worker))
    return {"kill -9": kills, "start": starts, "status": statuses, "memory": [memory], "idle": [idle]}


def run() -> None:
    # As on Ctrl-C, so that what we have started ends with us.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {KILLS} kills, {STARTS} starts, {STATUSES} statuses")
    print(f"ms: kill -9 until replaced, start until {CHILDREN} workers run, status command; idle: % of a core\n")
    heads = ("kill -9", "max", "start", "max", "status", "best", "MiB", "idle")
    print(f"{'median of each':26}", *(f"{head:>8}" for head in heads))
    medians: dict[str, dict[str, float]] = {}
    for peer in PEERS:
        if importlib.util.find_spec(peer.package) is None:
            print(f"{peer.name:26} needs the Python package {peer.package}")
            continue
        figures = measure(peer)
        middle = medians[peer.name] = {what: statistics.median(values) for what, values in figures.items() if values}
        cells = [f"{middle['kill -9']:8.1f} {max(figures['kill -9']):8.1f}"]
        cells += [f"{middle['start']:8.0f} {max(figures['start']):8.0f}"]
        status = figures["status"]
        cells += [f"{middle['status']:8.0f} {min(status):8.0f}" if status else f"{'-':>8} {'-':>8}"]
        print(f"{peer.name:26}", *cells, f"{middle['memory']:8.1f} {middle['idle']:8.3f}", flush=True)
    print("\nWhen each replaces a dead worker:", *(f"{peer.name}: {peer.note}" for peer in PEERS), "", sep="\n")
    ours = medians.pop(OURS.name)
    for other, middle in medians.items():
        ratios = ", ".join(f"{what} {value / ours[what]:.2f}" for what, value in middle.items())
        print(f"{other} / teamsup: {ratios}")


if __name__ == "__main__":
    run()
