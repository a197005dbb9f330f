"""How long a person waits: for the team to start, for an answer, for ``ps``."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from teamsup.hub import MessageHub, Team

STARTS = 7
QUESTIONS = 200


def teamsup(home: Path, *words: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "teamsup.cli", *words],
        env={**os.environ, "TEAMSUP_HOME": str(home)},
        stdout=subprocess.DEVNULL,
        check=True,
    )


def timed(action: Callable[[], object]) -> float:
    """Milliseconds."""
    begin = time.perf_counter()
    action()
    return (time.perf_counter() - begin) * 1000


def show(what: str, milliseconds: list[float]) -> None:
    ordered = sorted(milliseconds)
    label, worst = ("p99", ordered[round(0.99 * (len(ordered) - 1))]) if len(ordered) >= 100 else ("max", ordered[-1])
    print(f"{what:48} median {statistics.median(ordered):8.2f} ms   {label} {worst:8.2f} ms   n={len(ordered)}")


def main() -> None:
    memory = psutil.virtual_memory().total / 2**30
    version = sys.version.split()[0]
    print(f"{os.cpu_count()} cores, {memory:.0f} GiB, Python {version}, {sys.platform}; every send on disk (fsync)\n")
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        starts = []
        for _ in range(STARTS):
            starts.append(timed(lambda: teamsup(home, "start", "--detach")))
            teamsup(home, "stop")
        show("teamsup start --detach, until all are ready", starts)
        teamsup(home, "start", "--detach")
        try:
            with MessageHub(Team("default", home / "default"), agent="console-bench") as hub:
                hub.register("console")
                show("Hello -> answer, through two processes", [timed(lambda: ask(hub)) for _ in range(QUESTIONS)])
            show("teamsup ps", [timed(lambda: teamsup(home, "ps")) for _ in range(STARTS)])
            show("teamsup --help", [timed(lambda: teamsup(home, "--help")) for _ in range(STARTS)])
            show("python -c pass, for comparison", [timed(bare_python) for _ in range(STARTS)])
        finally:
            teamsup(home, "stop")


def ask(hub: MessageHub) -> None:
    """As ``teamsup chat`` does: store the question, be woken, claim, acknowledge."""
    question = hub.send("user_comm", "Hello", conversation_id=hub.agent)
    while True:
        hub.wait()
        for delivery in hub.claim():
            hub.acknowledge(delivery)
            if delivery.message.reply_to == question.message_id:
                return


def bare_python() -> None:
    subprocess.run([sys.executable, "-c", "pass"], check=True)


if __name__ == "__main__":
    main()
