"""A claim on a PostgreSQL server after years, and while another program holds a snapshot open: one run.

Two teams take turns with each message, so that other work of the machine slows both. First one of them has a thousand
ended messages and the other a million. Then, in another database, a transaction stays open for MINUTES (10 by default)
beside a team that works. A foreign program stores and ends 300 messages a second in both teams. The server flushes to
its disk. Run it with tests/ in PYTHONPATH, which has the server.
"""

import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import groupby, pairwise
from pathlib import Path

from helpers.postgres_server import NoServer, PostgresServer, running_server
from teamsup.hub import MessageHub, Team

from .methods import Missing, package

SMALL, LARGE = 1_000, 1_000_000
TURNS = 1500
WARM_UP = 100
WINDOW_SECONDS = 10.0
CONTENT = "x" * 200
VERBS = ("send", "claim", "acknowledge")
# The rows of ended messages as the triggers would have written them, without the triggers.
_FILL = """
    SET session_replication_role = 'replica';
    INSERT INTO messages (id, message_id, sender, recipient, content, status, processed_at, conversation_id)
      SELECT nextval('messages_id'), 'old-' || i, 'sender', 'reader', repeat('x', 200), 'processed', clock_timestamp(),
        CASE WHEN i % 2 = 0 THEN 'c' || i % 1000 END FROM generate_series(1, {rows}) AS i;
    INSERT INTO deliveries (message, recipient, conversation_id, state, rank, attempts, read_at, done_at)
      SELECT id, recipient, conversation_id, 'done', id, 1, created_at, processed_at FROM messages
      WHERE message_id LIKE 'old-%';
"""


# A foreign program stores and ends so many messages once a second, in one transaction: no reader sees them.
_BURST = """
    INSERT INTO messages (message_id, sender, recipient, content)
      SELECT 'burst-{number}-' || i, 'sender', 'reader', '' FROM generate_series(1, 300) AS i;
    UPDATE messages SET status = 'processed' WHERE message_id LIKE 'burst-{number}-%';
"""


class WorkingTeam:
    """A sender and a reader of one team, who pass one message at a time."""

    def __init__(self, stack: ExitStack, server: PostgresServer, database: str, ended: int) -> None:
        psycopg = package("psycopg")
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.chmod(0o700)
        schema = f"ended_{ended}"
        in_database = PostgresServer(server.url.replace("/postgres?", f"/{database}?"))
        with in_database.connect() as admin:
            admin.execute(f"CREATE SCHEMA {schema}")
        team = Team("bench", folder / "bench")
        team.folder.mkdir(mode=0o700)
        team.configuration.write_text(f'[team]\nhub = "{in_database.address(schema)}"\n')
        team.configuration.chmod(0o600)
        self.database = in_database.address(schema)
        self.sender = stack.enter_context(MessageHub(team, agent="sender"))
        self.reader = stack.enter_context(MessageHub(team, agent="reader"))
        self.sender.register()
        self.reader.register()
        self.reader.start_watcher()  # as a supervisor does; it raises the floors
        with psycopg.connect(in_database.address(schema), autocommit=True) as admin:
            if ended:
                admin.execute(_FILL.format(rows=ended))
            admin.execute("VACUUM ANALYZE messages")
            admin.execute("VACUUM ANALYZE deliveries")

    def pass_message(self) -> tuple[float, ...]:
        """Return the milliseconds of the send, the claim and the acknowledgement of one message."""
        times = [time.perf_counter()]
        self.sender.send("reader", CONTENT)
        times.append(time.perf_counter())
        (delivery,) = self.reader.claim()
        times.append(time.perf_counter())
        self.reader.acknowledge(delivery)
        times.append(time.perf_counter())
        return tuple((after - before) * 1000 for before, after in pairwise(times))


@contextmanager
def bursts(*teams: WorkingTeam) -> Iterator[None]:
    """A foreign program that stores and ends messages in these teams, each second."""
    stop = threading.Event()

    def work() -> None:
        with ExitStack() as stack:
            programs = [stack.enter_context(package("psycopg").connect(team.database)) for team in teams]
            number = 0
            while not stop.wait(1.0):
                number += 1
                for program in programs:
                    program.execute(_BURST.format(number=number))
                    program.commit()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@contextmanager
def held_snapshot(server: PostgresServer, database: str) -> Iterator[None]:
    """A program such as pg_dump, with an open transaction."""
    with package("psycopg").connect(server.url.replace("/postgres?", f"/{database}?")) as holder:
        holder.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        holder.execute("SELECT count(*) FROM pg_class")
        yield


def compare_sizes(server: PostgresServer) -> None:
    """Measure a thousand ended messages beside a million."""
    with ExitStack() as stack:
        small, large = (WorkingTeam(stack, server, "years", ended) for ended in (SMALL, LARGE))
        for _ in range(WARM_UP):
            small.pass_message(), large.pass_message()
        pairs = [(small.pass_message(), large.pass_message()) for _ in range(TURNS)]
    print(f"{'p50 in ms':12} {SMALL:>12,} {LARGE:>12,} ended  ratio")
    for number, verb in enumerate(VERBS):
        few, many = (statistics.median(pair[side][number] for pair in pairs) for side in (0, 1))
        print(f"{verb:12} {few:12.2f} {many:12.2f}        {many / few:5.2f}")


def compare_snapshot(server: PostgresServer, minutes: float) -> None:
    """Measure a team beside a snapshot that is held open, in turns with a team of another database without one."""
    with ExitStack() as stack:
        held, free = (WorkingTeam(stack, server, database, 0) for database in ("held", "free"))
        for _ in range(WARM_UP):
            held.pass_message(), free.pass_message()
        samples = []
        with held_snapshot(server, "held"), bursts(held, free):
            began = time.monotonic()
            while (passed := time.monotonic() - began) < minutes * 60:
                samples.append((int(passed / WINDOW_SECONDS), held.pass_message(), free.pass_message()))
    print(f"\nsnapshot held for {minutes:g} minutes, {len(samples):,} messages: ratio to a team without a snapshot")
    print(
        f"{'p50 of the':12} {'last minute':>12} {'worst':>8} of all windows of {WINDOW_SECONDS:g} s, {'p95':>5} of them"
    )
    for number, verb in enumerate(VERBS):
        ratios = [
            _ratio([(a[number], b[number]) for _, a, b in window]) for _, window in groupby(samples, lambda x: x[0])
        ]
        since = samples[-1][0] - 60 / WINDOW_SECONDS
        last = _ratio([(a[number], b[number]) for window, a, b in samples if window >= since])
        print(f"{verb:12} {last:12.2f} {max(ratios):8.2f} {'':24} {sorted(ratios)[int(len(ratios) * 0.95)]:.2f}")


def _ratio(pairs: list[tuple[float, float]]) -> float:
    return statistics.median(a for a, _ in pairs) / statistics.median(b for _, b in pairs)


def run(minutes: float) -> None:
    with running_server("-c", "fsync=on", in_memory=False) as server:
        if server.process is None:
            raise NoServer("It needs a server of its own, for databases of its own.")
        with server.connect() as admin:
            for name in ("years", "held", "free"):
                admin.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'utf8' LC_COLLATE 'C' LC_CTYPE 'C'")
        compare_sizes(server)
        sys.stdout.flush()
        compare_snapshot(server, minutes)


if __name__ == "__main__":
    try:
        run(float(sys.argv[1]) if len(sys.argv) > 1 else 10.0)
    except (NoServer, Missing) as missing:
        print(missing)
