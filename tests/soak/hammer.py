"""Senders and readers that are killed at random points, and the books that show whether anything was lost or doubled.

``python -m soak.hammer 1000000`` runs it for that many operations (sends, claims and acknowledgements). With another
word, ``postgresql``, a server stores the team, and is killed as well. Now and then
the senders and readers work in batches.
"""

import logging
import multiprocessing
import multiprocessing.util
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field, replace
from multiprocessing.process import BaseProcess
from pathlib import Path
from unittest import mock

from helpers.postgres_server import NoServer, PostgresServer, running_server, stored_on_server
from teamsup.hub import MessageHub, StaleLease, StoreError, Team
from teamsup.hub.engines.choice import find_address
from teamsup.hub.wakeup.doorbell import Doorbells

READERS = ("ann", "ann", "ann", "ann", "bob", "bob", "cid", "dan")
SENDERS = 8
LEASE = 3.0
_CONVERSATIONS = 25
_KILL_BEFORE_BELL = 1 / 300
_KILL_SERVER = 1 / 15
_MOST_KILL_SECONDS = 0.2
_MOST_KILL_SECONDS_OF_SERVER = 3.0
_BATCH = 10
_CHANCE_OF_BATCH = 1 / 50
_PROGRESS_SECONDS = 60.0
_FAR_BEHIND = 1000
_TIMEOUT_SECONDS = 120.0


@dataclass(frozen=True)
class HammerReport:
    """What the processes wrote down, against what the database says."""

    operations: int
    kills: int
    sent: int
    lost: int
    doubled: int
    out_of_order: int
    dead_letters: int
    problems: list[str]
    server_kills: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    """The number of processes that ended with an error of their own, by its class. A kill of the server is one."""
    unexpected: list[str] = field(default_factory=list)
    """The texts of errors that neither a killed server nor a killed program explains."""

    @property
    def is_balanced(self) -> bool:
        return not (self.lost or self.doubled or self.out_of_order or self.problems or self.unexpected)


def hammer(
    team: Team,
    operations: int,
    seed: int = 0,
    server: PostgresServer | None = None,
    most_kill_seconds: float = _MOST_KILL_SECONDS,
) -> HammerReport:
    """Run until the books have so many operations, then let the survivors finish, and compare.

    ``server`` stores the team, and is killed too, at least once. The next kill comes within ``most_kill_seconds``.
    """
    progress_at = time.monotonic() + _PROGRESS_SECONDS
    chance = random.Random(seed)  # noqa: S311
    with MessageHub(team, agent="keeper") as keeper:
        keeper.start_watcher()
        for name in (*READERS, *(f"sender-{number}" for number in range(SENDERS))):
            keeper.enroll(name)
        roles = [f"read {name} {number}" for number, name in enumerate(READERS)]
        roles += [f"send {number}" for number in range(SENDERS)]
        crew = {role: _spawn(team, role, run=0) for role in roles}
        kills = server_kills = 0
        while _operations(team) < operations or (server is not None and not server_kills):
            time.sleep(chance.uniform(0, most_kill_seconds))
            if time.monotonic() > progress_at:
                progress_at += _PROGRESS_SECONDS
                print(f"{_operations(team)} operations, {kills} and {server_kills} kills", file=sys.stderr, flush=True)
            if server is not None and chance.random() < _KILL_SERVER:
                server.stop(signal.SIGKILL)
                server.start()
                server_kills += 1
                continue
            victim = crew[chance.choice(roles)]
            victim.kill()
            victim.join()
            # Some have also died by their own hand, before their bells.
            for role, process in crew.items():
                if not process.is_alive():
                    kills += 1
                    crew[role] = _spawn(team, role, run=kills)
        for role in roles:
            if role.startswith("send"):
                crew[role].kill()
                crew[role].join()
        dead = _finish(keeper)
        for role in roles:
            crew[role].kill()
            crew[role].join()
        return replace(_compare(team, keeper, kills, dead), server_kills=server_kills)


def _finish(keeper: MessageHub) -> int:
    """Wait until everything has ended; what died with its readers is tried again."""
    dead = 0
    ends = time.monotonic() + _TIMEOUT_SECONDS
    while True:
        for letter in keeper.queries.dead_letters():
            dead += keeper.maintenance.retry(letter.message.message_id, letter.recipient)
        states = keeper.queries.stats().deliveries
        if not states.get("ready") and not states.get("leased") and not states.get("dead"):
            return dead
        if time.monotonic() > ends:
            raise TimeoutError(
                f"after {_TIMEOUT_SECONDS:.0f} s there is still something to do: "
                f"{dict(states)}, {keeper.maintenance.check_integrity()}"
            )
        time.sleep(0.05)


def _compare(team: Team, keeper: MessageHub, kills: int, dead: int) -> HammerReport:
    books = [line for path in team.logs.glob("*.book") for line in path.read_text().split("\n") if line]
    sent = {line.split()[1] for line in books if line.startswith("sent ")}
    acknowledged = Counter(line.split()[1] for line in books if line.startswith("acked "))
    rows = keeper._session.store.read(
        "SELECT m.message_id, m.conversation_id, d.recipient, d.state, d.done_at FROM deliveries AS d"
        " JOIN messages AS m ON m.id = d.message WHERE m.sender <> 'hub' ORDER BY d.message"
    )
    done = {row["message_id"] for row in rows if row["state"] == "done"}
    last: dict[str, tuple[int, str]] = {}
    out_of_order = 0
    for row in rows:
        number, ended = int(row["message_id"].split("-")[-1]), row["done_at"]
        if row["conversation_id"] in last and last[row["conversation_id"]] > (number, ended):
            out_of_order += 1
        last[row["conversation_id"]] = (number, ended)
    errors = _read_lines(team.logs / _ERRORS)
    return HammerReport(
        operations=len(books),
        kills=kills,
        sent=len(sent),
        lost=len(sent - done),
        doubled=sum(count > 1 for count in acknowledged.values()),
        out_of_order=out_of_order,
        dead_letters=dead,
        problems=keeper.maintenance.check_integrity(),
        errors=dict(Counter(line.partition(":")[0] for line in errors)),
        unexpected=[line for line in errors if not (line.startswith(_EXPECTED) or _TOO_SLOW in line)],
    )


def _read_lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def _operations(team: Team) -> int:
    # A line has 27 or 28 bytes; reading the books themselves would cost more than the work they are about.
    return sum(path.stat().st_size for path in team.logs.glob("*.book")) // 28


def _spawn(team: Team, role: str, run: int) -> BaseProcess:
    # The tests remove their temporary folder before multiprocessing, at the exit, removes its own inside it.
    with mock.patch.multiple(tempfile, tempdir=_HOME_OF_TEMPORARY):
        multiprocessing.util.get_temp_dir()
    process = _CONTEXT.Process(target=_work_or_note_error, args=(team, role, run), daemon=True)
    process.start()
    return process


def _work_or_note_error(team: Team, role: str, run: int) -> None:
    logging.disable(logging.WARNING)  # that a killed server does not answer
    try:
        _work(team, role, run)
    except Exception as error:
        with (team.logs / _ERRORS).open("a") as errors:
            errors.write(f"{type(error).__name__}: {' '.join(str(error).split())}\n")
        if isinstance(error, StoreError):
            sys.exit(1)
        raise


def _work(team: Team, role: str, run: int) -> None:
    kind, *words = role.split()
    book = os.open(team.logs / f"{role.replace(' ', '-')}.book", os.O_CREAT | os.O_APPEND | os.O_WRONLY)

    def note(what: str, message_id: str) -> None:
        # One write of one line: whole or not at all, and not lost with the process.
        os.write(book, f"{what} {message_id}\n".encode())

    # A server that is killed may lose what it has not yet written to its disk.
    durability = "full" if run % 2 or find_address(team) is not None else "normal"
    if kind == "send":
        _die_before_bells_at_random()
        with MessageHub(team, agent=f"sender-{words[0]}", durability=durability) as hub:  # type: ignore[arg-type]
            _send(hub, run, note)
    else:
        with MessageHub(team, agent=words[0], durability=durability) as hub:  # type: ignore[arg-type]
            hub.register()
            _read(hub, note)


def _send(hub: MessageHub, run: int, note: Callable[[str, str], None]) -> None:
    number = 0
    while True:
        batch, stored = _choose_batch(), []
        with hub.transaction() if batch > 1 else nullcontext():
            for _ in range(batch):
                number += 1
                # A new run is a new conversation, because what its predecessor sent last is not in the books.
                conversation = f"{hub.agent}.{run}.{number % _CONVERSATIONS}"
                message_id = f"{hub.agent}-{run:04}-{number:07}"
                reader = READERS[number % len(READERS)]
                hub.send(reader, "x" * 200, message_id=message_id, conversation_id=conversation)
                stored.append(message_id)
        for message_id in stored:
            note("sent", message_id)
        while number % 100 < batch and sum(agent.unread for agent in hub.agents()) > _FAR_BEHIND:
            time.sleep(0.05)


def _read(hub: MessageHub, note: Callable[[str, str], None]) -> None:
    for first in hub.listen(lease=LEASE):
        batch = _choose_batch()
        taken = [first, *(hub.claim(batch - 1, lease=LEASE) if batch > 1 else ())]
        for delivery in taken:
            note("claim", delivery.message.message_id)
        try:
            with hub.transaction() if batch > 1 else nullcontext():
                for delivery in taken:
                    hub.acknowledge(delivery)
        except StaleLease:
            continue
        for delivery in taken:
            note("acked", delivery.message.message_id)


def _choose_batch() -> int:
    # The transaction of a batch holds up all others.
    return _BATCH if random.random() < _CHANCE_OF_BATCH else 1  # noqa: S311


def _die_before_bells_at_random() -> None:
    ring = Doorbells.ring

    def ring_or_die(bells: Doorbells, agents: Iterable[str]) -> None:
        if random.random() < _KILL_BEFORE_BELL:  # noqa: S311
            os.kill(os.getpid(), signal.SIGKILL)
        ring(bells, agents)

    mock.patch.object(Doorbells, "ring", ring_or_die).start()


_ERRORS = "errors"
_EXPECTED = ("StoreInterrupted", "StoreUncertain", "StoreUnreachable", "StoreBusy")
_TOO_SLOW = "this transaction took longer than"  # a batch beside much other work
_HOME_OF_TEMPORARY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - multiprocessing makes a folder of its own there
_CONTEXT = multiprocessing.get_context("forkserver")
# Beside other work a program would import for seconds, and be killed before it has done anything.
_CONTEXT.set_forkserver_preload(["teamsup.hub.message_hub", "teamsup.hub.engines.postgresql.postgres_store"])


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        team, server = Team("crew", Path(folder) / "crew"), None
        if sys.argv[2:] == ["postgresql"]:
            try:
                server = stack.enter_context(running_server())
            except NoServer as error:
                print(f"hammer on a server, skipped: {error}")
                return
            stack.enter_context(stored_on_server(team, server))
        begin = time.monotonic()
        pause = _MOST_KILL_SECONDS_OF_SERVER if server is not None else _MOST_KILL_SECONDS
        books = hammer(team, int(sys.argv[1]), server=server, most_kill_seconds=pause)
        print(f"hammer, {time.monotonic() - begin:.0f} s: {books}")
        sys.exit(not books.is_balanced)


if __name__ == "__main__":
    main()
