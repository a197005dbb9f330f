"""Senders and readers whose clock jumps by hours, forth and back: is anything lost, doubled or stuck?

``python -m soak.clock_jumps 200`` jumps so many times.
"""

import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from helpers.clock import SharedClock
from teamsup.hub import MessageHub, StaleLease, Team

READERS = ("ann", "bob")
LEASE = 2.0
_HOURS = 3600.0
_DROPPED = 1 / 20
_TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True)
class ClockJumpReport:
    """Messages sent and acknowledged; those lost, doubled, and still waiting although nothing may wait so long."""

    jumps: int
    sent: int
    lost: int
    doubled: int
    stuck: int
    problems: list[str]

    @property
    def is_even(self) -> bool:
        return not (self.lost or self.doubled or self.stuck or self.problems)


def jump_clock(team: Team, jumps: int, seed: int = 0) -> ClockJumpReport:
    """Let the clock jump that often while others work, then let all of it end."""
    chance = random.Random(seed)  # noqa: S311
    team.create()
    clock = SharedClock(team.folder / "clock")
    with MessageHub(team, agent="keeper", clock=clock) as keeper:
        for name in (*READERS, "lead"):
            keeper.enroll(name)
        crew = [_spawn(team, name) for name in READERS]
        sender = _spawn(team, "lead")
        for _ in range(jumps):
            time.sleep(chance.uniform(0, 0.3))
            clock.jump(chance.choice((-24, -6, -1, 0, 1, 6, 24)) * _HOURS * chance.random())
        sender.terminate()
        sender.wait()
        stuck = _finish(keeper)
        for process in crew:
            process.terminate()
            process.wait()
        books = [line for path in team.logs.glob("*.book") for line in path.read_text().split("\n") if line]
        sent = {line.split()[1] for line in books if line.startswith("sent ")}
        ended = Counter(line.split()[1] for line in books if line.startswith("ended "))
        # Work that was about to be recorded when its process ended is still done.
        done = {row[0] for row in keeper.query(_DONE)}
        doubled = sum(count > 1 for count in ended.values())
        return ClockJumpReport(jumps, len(sent), len(sent - done), doubled, stuck, keeper.maintenance.check_integrity())


_DONE = "SELECT m.message_id FROM messages AS m JOIN deliveries AS d ON d.message = m.id WHERE d.state = 'done'"


def _finish(keeper: MessageHub) -> int:
    """Wait until everything has ended; how much has not in time. Only the times that were told may pass meanwhile."""
    ends = time.monotonic() + _TIMEOUT_SECONDS
    while time.monotonic() < ends:
        for letter in keeper.queries.dead_letters():
            keeper.maintenance.retry(letter.message.message_id, letter.recipient)
        states = keeper.queries.stats().deliveries
        if not (states.get("ready") or states.get("leased") or states.get("dead")):
            return 0
        time.sleep(0.1)
    return sum(count for state, count in states.items() if state in ("ready", "leased", "dead"))


def _spawn(team: Team, name: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-m", "soak.clock_jumps", str(team.folder), name], cwd=_TESTS)


def _work(team: Team, name: str) -> None:
    clock = SharedClock(team.folder / "clock")
    with (
        (team.logs / f"{name}.book").open("a", buffering=1) as book,
        MessageHub(team, agent=name, durability="normal", clock=clock) as hub,
    ):
        act = _send if name == "lead" else _acknowledge_all
        act(hub, lambda what, message_id: print(what, message_id, file=book))


def _send(hub: MessageHub, note: Callable[[str, str], None]) -> None:
    number = 0
    while True:
        number += 1
        priority = ("low", "normal", "high", "urgent")[number % 4]
        conversation = None if number % 3 else f"c{number % 9}"
        message = hub.send(READERS[number % 2], "x", priority=priority, conversation_id=conversation)
        note("sent", message.message_id)
        time.sleep(0.002)


def _acknowledge_all(hub: MessageHub, note: Callable[[str, str], None]) -> None:
    for delivery in hub.listen(lease=LEASE):
        if random.random() < _DROPPED:  # noqa: S311
            continue  # its lease has to end by itself
        try:
            hub.acknowledge(delivery)
        except StaleLease:
            continue
        note("ended", delivery.message.message_id)


_TESTS = Path(__file__).parents[1]


def main() -> None:
    if len(sys.argv) == 3:
        _work(Team("crew", Path(sys.argv[1])), sys.argv[2])
    with tempfile.TemporaryDirectory() as folder:
        balance = jump_clock(Team("crew", Path(folder) / "crew"), int(sys.argv[1]))
        print(f"clock jumps: {balance}")
        sys.exit(not balance.is_even)


if __name__ == "__main__":
    main()
