"""Commits at random moments, each heard by a reader that has nothing but its doorbell: how many rings never came.

``python -m soak.wakeups 100000`` runs it for that many commits. What is counted here as missed, a team's
reader would have found by its slow look.
"""

import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from teamsup.hub import MessageHub, Team
from teamsup.hub.wakeup.doorbell import Doorbell, open_doorbell

WRITERS = ("ours full", "ours normal", "sql full", "sql normal")
_TESTS = Path(__file__).parents[1]
_WAIT_SECONDS = 1.5  # seconds: longer than the watcher ever sleeps
_LONGEST_WAIT = 60.0
_PAUSE = 0.002
_LONG_PAUSE, _LONG_PAUSES = 1.05, 1 / 500  # about where the watcher's own sleep ends
_CHECKPOINTS = 1 / 50
_INSERT = "INSERT INTO messages (message_id, sender, recipient, content) VALUES (hex(randomblob(16)), 'sh', ?, ?)"


@dataclass(frozen=True)
class WakeupReport:
    """One writer's commits, those whose ring never came, and how long the heard ones took, in milliseconds."""

    writer: str
    commits: int
    missed: int
    median: float
    p99: float


def count_missed(team: Team, commits: int) -> list[WakeupReport]:
    """Every kind of writer makes its share of the commits, all at the same time."""
    with MessageHub(team, agent="keeper") as keeper, ThreadPoolExecutor(len(WRITERS)) as pool:
        assert keeper.start_watcher()
        share = commits // len(WRITERS)
        return list(pool.map(lambda writer: _measure(team, writer, share), WRITERS))


def _measure(team: Team, writer: str, commits: int) -> WakeupReport:
    me = writer.replace(" ", "-")
    missed, milliseconds = 0, []
    with MessageHub(team, agent=me, durability="normal") as hub, open_doorbell(team.run, me) as bell:
        hub.register()
        words = [sys.executable, "-m", "soak.wakeups", str(team.folder), writer]
        with subprocess.Popen(words, cwd=_TESTS, stdin=subprocess.PIPE) as process:
            assert process.stdin is not None
            for _ in range(commits):
                process.stdin.write(b"\n")
                process.stdin.flush()
                sent, rang = _next(hub, bell)
                missed += not rang
                if rang:
                    milliseconds.append((time.time() - sent) * 1000)
            process.stdin.close()
    milliseconds.sort()
    return WakeupReport(
        writer, commits, missed, milliseconds[len(milliseconds) // 2], milliseconds[-len(milliseconds) // 100]
    )


def _next(hub: MessageHub, bell: Doorbell) -> tuple[float, bool]:
    """When the next message was sent, and whether the bell has told us of it."""
    ends = time.monotonic() + _LONGEST_WAIT
    while time.monotonic() < ends:
        rang = bell.wait(_WAIT_SECONDS)
        for delivery in hub.claim():
            hub.acknowledge(delivery)
            return float(delivery.message.content), rang
    raise TimeoutError(f"{hub.agent} has got nothing for {_LONGEST_WAIT:.0f} s")


def _write(team: Team, writer: str) -> None:
    """One commit for every line on standard input, after a pause."""
    kind, durability = writer.split()
    recipient = writer.replace(" ", "-")
    chance = random.Random(writer)  # noqa: S311
    with MessageHub(team, agent=f"{recipient}-writer", durability=durability) as hub:  # type: ignore[arg-type]
        commit = _plain_sql(team, durability, chance) if kind == "sql" else hub.send
        for _ in sys.stdin:
            time.sleep(_LONG_PAUSE if chance.random() < _LONG_PAUSES else chance.expovariate(1 / _PAUSE))
            commit(recipient, str(time.time()))


def _plain_sql(team: Team, durability: str, chance: random.Random) -> Callable[[str, str], object]:
    """A foreign program: it opens the file again for each message, and sometimes empties the WAL before."""

    def commit(recipient: str, content: str) -> None:
        with closing(sqlite3.connect(team.database, timeout=30, isolation_level=None)) as db:
            db.execute(f"PRAGMA synchronous={durability}")
            if chance.random() < _CHECKPOINTS:
                db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            db.execute(_INSERT, (recipient, content))

    return commit


def main() -> None:
    if len(sys.argv) == 3:
        _write(Team("crew", Path(sys.argv[1])), sys.argv[2])
        return
    with tempfile.TemporaryDirectory() as folder:
        for heard in count_missed(Team("crew", Path(folder) / "crew"), int(sys.argv[1])):
            print(heard)


if __name__ == "__main__":
    main()
