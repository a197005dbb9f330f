"""Senders and readers whose store is disturbed: by signals at random lines, or a process that stops in a transaction
and is killed. The folder is moved away and back, and backups are restored meanwhile. The books show what was lost or
doubled.

``python -m soak.disturbances 300`` does so for that many seconds. What a restore takes back does not count.
"""

import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import teamsup.hub
from helpers.support import eventually
from teamsup.hub import CallerError, Delivery, MessageHub, StoreError, Team
from teamsup.hub.engines.sqlite.restore import restore_backup

READERS = ("ann", "bob")
SENDERS = 2
_ROLES = [f"read {name}" for name in READERS] + [f"send {number}" for number in range(SENDERS)]
_LEASE = 2.0
_TIMEOUT_SECONDS = 120.0
_FAR_BEHIND = 300
_TESTS = Path(__file__).parents[1]
_HUB = str(Path(teamsup.hub.__file__).parent)


class SignalInterrupt(Exception):
    """What the signal's handler raises."""


@dataclass
class DisturbanceReport:
    """What was done to them, and what the books say."""

    signals: int = 0
    stops: int = 0
    moves: int = 0
    restores: int = 0
    sent: int = 0
    lost: int = 0
    doubled: int = 0
    stuck: int = 0
    half: int = 0
    """Messages of transactions that were never committed."""
    problems: list[str] = field(default_factory=list)

    @property
    def is_even(self) -> bool:
        return not (self.lost or self.doubled or self.stuck or self.half or self.problems)


def disturb(team: Team, seconds: float, seed: int = 0) -> DisturbanceReport:
    """Disturb them for so long, then let them finish in peace, and compare."""
    chance = random.Random(seed)  # noqa: S311
    balance, taken_back = DisturbanceReport(), []
    with MessageHub(team, agent="keeper") as keeper, contextlib.ExitStack() as crews:
        for name in READERS:
            keeper.enroll(name)
        crew = {role: _spawn(team, role) for role in _ROLES}
        crews.callback(_end, crew, "")
        eventually(lambda: all(_book(team, role).exists() for role in _ROLES), "everybody is at work")
        ends = time.monotonic() + seconds
        saved_at, backup = 0.0, team.folder.with_name("backup.db")
        while time.monotonic() < ends:
            for _ in range(20):
                time.sleep(chance.uniform(0, 0.02))
                crew[chance.choice(_ROLES)].send_signal(signal.SIGUSR1)
                balance.signals += 1
            match chance.randrange(4):
                case 0:
                    _stop_in_a_transaction(team)
                    balance.stops += 1
                case 1:
                    away = team.folder.rename(team.folder.with_name("away"))
                    time.sleep(chance.uniform(0, 0.5))
                    away.rename(team.folder)
                    balance.moves += 1
                case 2 if not saved_at:
                    saved_at = time.monotonic()
                    keeper.maintenance.backup(backup)
                case 3 if saved_at:
                    restore_backup(team, backup)
                    taken_back.append((saved_at, time.monotonic()))
                    saved_at = 0.0
                    backup.unlink()
                    balance.restores += 1
            assert all(process.poll() is None for process in crew.values()), "a disturbed process ended"
        _end(crew, "send")
        balance.stuck = _finish(keeper)
        _end(crew, "read")
        _compare(team, keeper, balance, taken_back)
    return balance


def _stop_in_a_transaction(team: Team) -> None:
    """As the supervisor does: kill the process that holds the write lock and does not go on."""
    process = _spawn(team, "stop")
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
    time.sleep(0.1)
    process.kill()
    process.wait()


def _end(crew: dict[str, "subprocess.Popen[bytes]"], kind: str) -> None:
    for role, process in crew.items():
        if role.startswith(kind):
            process.kill()
            process.wait()


def _finish(keeper: MessageHub) -> int:
    """Wait until everything has ended; how many deliveries have not."""
    ends = time.monotonic() + _TIMEOUT_SECONDS
    while True:
        for letter in keeper.queries.dead_letters():
            keeper.maintenance.retry(letter.message.message_id, letter.recipient)
        states = keeper.queries.stats().deliveries
        if not (left := sum(states.get(state, 0) for state in ("ready", "leased", "dead"))) or time.monotonic() > ends:
            return left
        time.sleep(0.05)


def _compare(team: Team, keeper: MessageHub, balance: DisturbanceReport, taken_back: list[tuple[float, float]]) -> None:
    def counts(begun: float, ended: float) -> bool:
        return all(ended < saved or begun > restored for saved, restored in taken_back)

    lines = [line.split() for role in _ROLES for line in _book(team, role).read_text().splitlines()]
    noted = [(what, name) for what, name, begun, ended in lines if counts(float(begun), float(ended))]
    done = {row[0] for row in keeper.query("SELECT message_id FROM messages WHERE status = 'processed'")}
    sent = {name for what, name in noted if what == "sent"}
    acknowledged = Counter(name for what, name in noted if what == "acked")
    balance.sent, balance.lost = len(sent), len(sent - done)
    balance.doubled = sum(count > 1 for count in acknowledged.values())
    balance.half = keeper.query("SELECT count(*) FROM messages WHERE content = 'half'")[0][0]
    balance.problems = keeper.maintenance.check_integrity()


def _book(team: Team, role: str) -> Path:
    return team.folder.with_name(f"{role.replace(' ', '-')}.book")


def _spawn(team: Team, role: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-m", "soak.disturbances", str(team.folder), role], cwd=_TESTS)


def _retry(action: Callable[[], None]) -> None:
    """Do it again after every interrupt and while the store cannot be used."""
    while True:
        try:
            action()
        except SignalInterrupt:
            continue
        except StoreError:
            time.sleep(0.02)
        else:
            return


def _work(team: Team, role: str) -> None:
    kind, *words = role.split()
    if kind == "stop":
        while True:
            with suppress(StoreError), MessageHub(team, agent="stopper") as hub, hub.transaction():
                hub.send("ann", "half")
                os.kill(os.getpid(), signal.SIGSTOP)
    hub = MessageHub(team, agent=words[0] if kind == "read" else f"sender-{words[0]}", durability="normal")
    _retry(hub.register)
    agent = hub.agent
    signal.signal(signal.SIGUSR1, _interrupt)
    book = os.open(_book(team, role), os.O_CREAT | os.O_APPEND | os.O_WRONLY)

    def note(what: str, name: str, begun: float) -> None:
        os.write(book, f"{what} {name} {begun} {time.monotonic()}\n".encode())

    if kind == "send":
        _send(agent, hub, note)
    while True:
        _retry(lambda: _read(hub, note))


def _interrupt(_: int, frame: FrameType | None) -> None:
    """Only the hub is disturbed, and not what surrounds it here."""
    if frame is not None and frame.f_code.co_filename.startswith(_HUB):
        raise SignalInterrupt


def _send(agent: str, hub: MessageHub, note: Callable[[str, str, float], None]) -> None:
    number = 0
    while True:
        number += 1
        name, begun = f"{agent}-{number}", time.monotonic()

        def send(name: str = name, number: int = number) -> None:
            conversation = f"{agent}.{number % 10}"
            hub.send(READERS[number % len(READERS)], "x" * 200, message_id=name, conversation_id=conversation)

        _retry(send)
        _retry(lambda name=name, begun=begun: note("sent", name, begun))  # type: ignore[misc]
        if number % 50 == 0:
            _retry(lambda: _wait_for_readers(hub))


def _wait_for_readers(hub: MessageHub) -> None:
    while sum(agent.unread for agent in hub.agents()) > _FAR_BEHIND:
        time.sleep(0.05)


def _read(hub: MessageHub, note: Callable[[str, str, float], None]) -> None:
    for delivery in hub.listen(lease=_LEASE):
        begun = time.monotonic()
        if _is_acknowledged(hub, delivery):
            _retry(lambda name=delivery.message.message_id, begun=begun: note("acked", name, begun))  # type: ignore[misc]


def _is_acknowledged(hub: MessageHub, delivery: Delivery) -> bool:
    with suppress(CallerError):
        hub.acknowledge(delivery)
        return True
    return False


def main() -> None:
    os.umask(0o077)
    if len(sys.argv) == 3:
        _work(Team("crew", Path(sys.argv[1])), sys.argv[2])
    with tempfile.TemporaryDirectory() as folder:
        balance = disturb(Team("crew", Path(folder) / "crew"), float(sys.argv[1]))
        print(f"disturbances: {balance}")
        sys.exit(not balance.is_even)


if __name__ == "__main__":
    main()
