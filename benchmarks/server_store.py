"""A team on a PostgreSQL server, beside the same server without a hub, another queue on it, and SQLite: one run.

From just before a send to the moment the other process has it, with one pair of processes and with eight at once. The
server flushes to its disk. Run it with tests/ in PYTHONPATH, which has the server.
"""

import multiprocessing
import queue
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

from helpers.postgres_server import NoServer, PostgresServer, running_server
from teamsup.hub import MessageHub, Team

from .latency import CONTENT, WARM_UP, Figure, both, receive_all
from .methods import Method, Missing, package, take_from_hub, take_from_postgres

ROUNDS = 3
MESSAGES = {1: 300, 8: 100}
"""Messages of each pair in a round, by the number of pairs."""
PAUSE_SECONDS = {1: 0.03, 8: 0.15}
CONTEXT = multiprocessing.get_context("spawn")


class OnServer(Method):
    """A method of one pair of processes; the pairs share a server and a team."""

    url: ClassVar[str] = ""

    def __init__(self, folder: Path, number: int = 0) -> None:
        super().__init__(folder)
        self.number = number


class Plain(OnServer):
    name = "INSERT + NOTIFY, in a transaction of psycopg"

    def prepare(self) -> None:
        self.address = (self.url, f"q{self.number}")
        with package("psycopg").connect(self.url, autocommit=True) as db:
            db.execute(f"DROP TABLE IF EXISTS q{self.number}")
            db.execute(f"CREATE TABLE q{self.number} (id bigserial PRIMARY KEY, content text)")

    def sender(self) -> Callable[[str], object]:
        url, table = self.address
        db = package("psycopg").connect(url, autocommit=True)

        def send(content: str) -> None:
            with db.transaction():
                db.execute(f"INSERT INTO {table} (content) VALUES (%s)", (content,))  # noqa: S608
                db.execute(f"NOTIFY {table}")

        return send

    @staticmethod
    def receive(address: Any) -> Iterator[str | None]:  # noqa: ANN401
        url, table = address
        db = package("psycopg").connect(url, autocommit=True)
        yield from take_from_postgres(db, table)


class PlainStatement(Plain):
    name = "INSERT + NOTIFY, as one statement"

    def sender(self) -> Callable[[str], object]:
        url, table = self.address
        db = package("psycopg").connect(url, autocommit=True)
        sql = f"WITH sent AS (INSERT INTO {table} (content) VALUES (%s) RETURNING id) SELECT pg_notify('{table}', '') FROM sent"  # noqa: S608, E501
        return lambda content: db.execute(sql, (content,))


class Procrastinate(OnServer):
    name = "procrastinate"

    def prepare(self) -> None:
        procrastinate = package("procrastinate")
        self.address = (self.url, f"q{self.number}")
        if self.number == 0:
            with package("psycopg").connect(self.url, autocommit=True) as db:
                db.execute("DROP SCHEMA IF EXISTS jobs CASCADE; CREATE SCHEMA jobs")
            app = procrastinate.App(connector=procrastinate.SyncPsycopgConnector(conninfo=_in_schema(self.url)))
            with app.open():
                app.schema_manager.apply_schema()

    def sender(self) -> Callable[[str], object]:
        procrastinate = package("procrastinate")
        url, name = self.address
        app = procrastinate.App(connector=procrastinate.SyncPsycopgConnector(conninfo=_in_schema(url)))
        app.open()
        task = app.configure_task("take", queue=name)
        return lambda content: task.defer(content=content)

    @staticmethod
    def receive(address: Any) -> Iterator[str | None]:  # noqa: ANN401
        procrastinate = package("procrastinate")
        url, name = address
        app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=_in_schema(url)))
        arrived: queue.SimpleQueue[str] = queue.SimpleQueue()

        @app.task(name="take")  # type: ignore[untyped-decorator]
        async def take(content: str) -> None:
            arrived.put(content)

        def work() -> None:
            with app.open():
                app.run_worker(queues=[name], install_signal_handlers=False)

        threading.Thread(target=work, daemon=True).start()
        while True:
            yield arrived.get()
            yield None


class Hub(OnServer):
    name = "teamsup hub on PostgreSQL, durability full"
    is_on_server = True

    def prepare(self) -> None:
        team = Team("bench", self.folder)
        self.address = (str(self.folder), f"reader{self.number}")
        if self.number == 0 and self.is_on_server:
            with package("psycopg").connect(self.url, autocommit=True) as db:
                db.execute("DROP SCHEMA IF EXISTS bench CASCADE; CREATE SCHEMA bench")
            team.configuration.write_text(f'[team]\nhub = "{_in_schema(self.url, "bench")}"\n')
            team.configuration.chmod(0o600)
        with MessageHub(team, agent=self.address[1]) as reader:
            reader.register()

    def sender(self) -> Callable[[str], object]:
        hub = MessageHub(Team("bench", self.folder), agent=f"sender{self.number}")
        return lambda content: hub.send(f"reader{self.number}", content)

    @staticmethod
    def receive(address: Any) -> Iterator[str | None]:  # noqa: ANN401
        folder, name = address
        with MessageHub(Team("bench", Path(folder)), agent=name) as hub:
            yield from take_from_hub(hub)


class HubInFile(Hub):
    name = "teamsup hub on SQLite, durability full"
    is_on_server = False


METHODS: tuple[type[OnServer], ...] = (Plain, PlainStatement, Procrastinate, Hub, HubInFile)


def _in_schema(url: str, schema: str = "jobs") -> str:
    return PostgresServer(url).address(schema)


def measure(kind: type[OnServer], pairs: int) -> tuple[list[float], list[float]]:
    """One round: milliseconds until the readers have their messages, and until they have acknowledged them."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o700)
        processes, pipes = [], []
        methods = [kind(Path(folder), number) for number in range(pairs)]
        try:
            for method in methods:
                method.prepare()
            for method in methods:
                ours, theirs = CONTEXT.Pipe()
                arguments = (kind, method.address, theirs, MESSAGES[pairs] + WARM_UP)
                processes.append(CONTEXT.Process(target=receive_all, args=arguments, daemon=True))
                pipes.append(ours)
            for process in processes:
                process.start()
            for pipe in pipes:
                pipe.recv()
            time.sleep(0.5)  # until the receivers wait
            senders = [CONTEXT.Process(target=_send, args=(method, pairs), daemon=True) for method in methods]
            for process in senders:
                process.start()
            processes += senders
            results = [pipe.recv() for pipe in pipes]
        finally:
            for process in processes:
                process.kill()
                process.join()
    arrived = [x for found, _ in results for x in found[WARM_UP:]]
    return arrived, [x for _, found in results for x in found[WARM_UP:]]


def _send(method: OnServer, pairs: int) -> None:
    send = method.sender()
    chance = random.Random(method.number)  # noqa: S311
    pause = PAUSE_SECONDS[pairs]
    for _ in range(MESSAGES[pairs] + WARM_UP):
        send(f"{time.monotonic_ns():<{CONTENT}}")
        time.sleep(chance.uniform(pause / 2, pause))


def run() -> None:
    """Measure every method that is there, each in its turn, and show the table with the ratios to plain SQL."""
    with running_server("-c", "fsync=on", in_memory=False) as server:
        OnServer.url = server.url
        for pairs in MESSAGES:
            samples: dict[type[OnServer], tuple[list[float], list[float]]] = {kind: ([], []) for kind in METHODS}
            for number in range(ROUNDS):
                print(f"{pairs} pairs, round {number + 1} of {ROUNDS}", file=sys.stderr, flush=True)
                for kind in [each for each in METHODS if each in samples]:
                    kind.url = server.url
                    try:
                        arrived, ended = measure(kind, pairs)
                    except Missing as error:
                        print(f"{kind.name:51} {error}")
                        del samples[kind]
                        continue
                    samples[kind][0].extend(arrived)
                    samples[kind][1].extend(ended)
            figures = [Figure(kind.name, True, both(a), both(e)) for kind, (a, e) in samples.items()]
            title = f"one message of {CONTENT} bytes, {pairs} to {pairs}, ms"
            print(f"{title:51} {'arrived':>8} {'p99':>8} {'acknowl.':>9} {'p99':>8}  / plain")
            for figure in figures:
                ratio = figure.arrived[0] / figures[0].arrived[0]
                print(
                    f"{figure.name:51} {figure.arrived[0]:8.2f} {figure.arrived[1]:8.2f} {figure.acknowledged[0]:9.2f}"
                    f" {figure.acknowledged[1]:8.2f} {ratio:8.2f}",
                    flush=True,
                )


if __name__ == "__main__":
    try:
        run()
    except NoServer as missing:
        print(missing)
