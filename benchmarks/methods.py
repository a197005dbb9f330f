"""Ways for one process to tell another something, each with a sender and a receiver.

A method is a class with ``durable``, ``prepare(folder)`` (start servers, give the receiver's address), ``sender()`` and
``receive()``. ``receive`` runs in the other process and yields each content when its reader has it, and None once it is
acknowledged. A method whose packages or server are missing raises Missing.
"""

import asyncio
import contextlib
import importlib
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

from teamsup.hub import MessageHub, Team


class Missing(Exception):
    """What this method needs is not installed."""


def package(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise Missing(f"needs the Python package {name.partition('.')[0]}") from None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def server(words: list[str], port: int, cwd: Path) -> "subprocess.Popen[bytes]":
    """A server that answers on its port."""
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=cwd)
    for _ in range(1000):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.1):
            return process
        time.sleep(0.01)
    process.kill()
    raise Missing(f"{words[0]} did not start")


class Method(ABC):
    name = ""
    durable = True
    messages = 500
    pause = 0.004
    """Seconds between two messages, at most; drawn again each time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []
        self.address: Any = str(folder)

    def prepare(self) -> None:  # noqa: B027 - most need nothing
        """Start what must run before sender and receiver."""

    @abstractmethod
    def sender(self) -> Callable[[str], object]: ...

    @staticmethod
    @abstractmethod
    def receive(address: Any) -> Iterator[str | None]: ...  # noqa: ANN401

    def close(self) -> None:
        for process in self.processes:
            process.terminate()
            process.wait()


class FileQueue(Method):
    """A folder of JSON files, polled: what teams begin with."""

    durable = False
    seconds = 1.0

    def sender(self) -> Callable[[str], object]:
        numbers = iter(range(10**9))

        def send(content: str) -> None:
            path = self.folder / f"{next(numbers):09}.json"
            path.with_suffix(".new").write_text(json.dumps({"content": content}))
            path.with_suffix(".new").rename(path)

        return send

    @classmethod
    def receive(cls, address: str) -> Iterator[str | None]:
        while True:
            for path in sorted(Path(address).glob("*.json")):
                yield json.loads(path.read_text())["content"]
                path.unlink()
                yield None
            time.sleep(cls.seconds)


class FileQueueSecond(FileQueue):
    name = "file queue, polled every second"
    messages, pause = 15, 1.0


class FileQueueTenth(FileQueue):
    name = "file queue, polled every 100 ms"
    messages, pause, seconds = 60, 0.1, 0.1


class WebSocketDirect(Method):
    name = "WebSocket, directly"
    durable = False

    def prepare(self) -> None:
        package("websockets.sync.client")
        self.address = free_port()

    def sender(self) -> Callable[[str], object]:
        client = package("websockets.sync.client")
        for _ in range(1000):
            with contextlib.suppress(OSError):
                self.connection = client.connect(f"ws://127.0.0.1:{self.address}", compression=None).__enter__()
                return self.connection.send  # type: ignore[no-any-return]
            time.sleep(0.01)
        raise Missing("the receiver did not start")

    @staticmethod
    def receive(address: int) -> Iterator[str | None]:
        import queue

        arrived: queue.SimpleQueue[str] = queue.SimpleQueue()
        serve = package("websockets.sync.server").serve

        def handle(connection: Any) -> None:  # noqa: ANN401
            for content in connection:
                arrived.put(content)

        threading.Thread(
            target=serve(handle, "127.0.0.1", address, compression=None).serve_forever, daemon=True
        ).start()
        while True:
            yield arrived.get()
            yield None


class WebSocketHub(WebSocketDirect):
    """With what makes it quickest: clients that block, and no compression."""

    name = "WebSocket, through a hub process"
    compression: ClassVar[list[str]] = []

    def prepare(self) -> None:
        super().prepare()
        words = [sys.executable, "-m", "benchmarks.websocket_hub", str(self.address), *self.compression]
        self.processes.append(server(words, self.address, Path.cwd()))

    @staticmethod
    def receive(address: int) -> Iterator[str | None]:
        with package("websockets.sync.client").connect(f"ws://127.0.0.1:{address}", compression=None) as connection:
            for content in connection:
                yield content
                yield None


class WebSocketHubDefaults(WebSocketHub):
    """As the library's documentation begins: on event loops, compressed."""

    name = "WebSocket, through a hub process, asyncio"
    compression: ClassVar[list[str]] = ["deflate"]

    def sender(self) -> Callable[[str], object]:
        self.loop = asyncio.new_event_loop()
        self.client = self.loop.run_until_complete(_connected(self.address))
        return lambda content: self.loop.run_until_complete(self.client.send(content))

    def close(self) -> None:
        if hasattr(self, "client"):
            self.loop.run_until_complete(self.client.close())
        super().close()

    @staticmethod
    def receive(address: int) -> Iterator[str | None]:
        loop = asyncio.new_event_loop()
        connection = loop.run_until_complete(_connected(address))
        while True:
            yield loop.run_until_complete(connection.recv())
            yield None


async def _connected(port: int) -> Any:  # noqa: ANN401
    return await package("websockets.asyncio.client").connect(f"ws://127.0.0.1:{port}")


class Grpc(Method):
    name = "gRPC, unary call"
    durable = False

    def prepare(self) -> None:
        package("grpc")
        self.address = free_port()

    def sender(self) -> Callable[[str], object]:
        channel = package("grpc").insecure_channel(f"127.0.0.1:{self.address}")
        package("grpc").channel_ready_future(channel).result(timeout=20)
        call = channel.unary_unary("/queue/Send")
        return lambda content: call(content.encode())

    @staticmethod
    def receive(address: int) -> Iterator[str | None]:
        import queue
        from concurrent.futures import ThreadPoolExecutor

        grpc = package("grpc")
        arrived: queue.SimpleQueue[str] = queue.SimpleQueue()

        def send(request: bytes, _: object) -> bytes:
            arrived.put(request.decode())
            return b""

        serving = grpc.server(ThreadPoolExecutor(2))
        handlers = grpc.method_handlers_generic_handler("queue", {"Send": grpc.unary_unary_rpc_method_handler(send)})
        serving.add_generic_rpc_handlers((handlers,))
        serving.add_insecure_port(f"127.0.0.1:{address}")
        serving.start()
        while True:
            yield arrived.get()
            yield None


class Hub(Method):
    durability = "full"

    def prepare(self) -> None:
        self.address = (str(self.folder), self.durability)
        with MessageHub(Team("bench", self.folder), agent="reader") as reader:
            reader.register()

    def sender(self) -> Callable[[str], object]:
        hub = MessageHub(Team("bench", self.folder), agent="sender", durability=self.durability)  # type: ignore[arg-type]
        return lambda content: hub.send("reader", content)

    @staticmethod
    def receive(address: tuple[str, Any]) -> Iterator[str | None]:
        folder, durability = address
        with MessageHub(Team("bench", Path(folder)), agent="reader", durability=durability) as hub:
            yield from take_from_hub(hub)


def take_from_hub(hub: MessageHub) -> Iterator[str | None]:
    """The receiver of a hub, wherever it is stored."""
    for delivery in hub.listen():
        yield delivery.message.content
        hub.acknowledge(delivery)
        yield None


class HubFull(Hub):
    name = "teamsup hub, durability full"


class HubNormal(Hub):
    name = "teamsup hub, durability normal"
    durability = "normal"


class HubReadOnly(Hub):
    """The content seen by a reader that only looks."""

    name = "teamsup hub, durability full, read only"

    @staticmethod
    def receive(address: tuple[str, Any]) -> Iterator[str | None]:
        with MessageHub(Team("bench", Path(address[0])), agent="reader") as hub:
            seen = 0
            while hub.wait():
                for message in hub.queries.history(limit=10):
                    if message.id > seen:
                        seen = message.id
                        yield message.content
                        yield None
                # Only now, so that the next wait() does not find the same again.
                for delivery in hub.claim(10):
                    hub.acknowledge(delivery)


class HubForeign(Hub):
    name = "plain SQL INSERT (FULL) -> teamsup hub"

    def sender(self) -> Callable[[str], object]:
        watching = MessageHub(Team("bench", self.folder))
        watching.start_watcher()
        db = sqlite3.connect(self.folder / "messages.db", isolation_level=None, timeout=10)
        insert = "INSERT INTO messages (message_id, sender, recipient, content) VALUES (?, 's', 'reader', ?)"
        return lambda content: db.execute(insert, (content[:24], content))


class Redis(Method):
    name = "Redis stream with a group, appendfsync always"

    def prepare(self) -> None:
        package("redis")
        if not shutil.which("redis-server"):
            raise Missing("needs redis-server")
        self.address = free_port()
        words = ["redis-server", "--port", str(self.address), "--bind", "127.0.0.1", "--save", ""]
        self.processes.append(
            server([*words, "--appendonly", "yes", "--appendfsync", "always"], self.address, self.folder)
        )
        package("redis").Redis(port=self.address).xgroup_create("s", "g", mkstream=True)

    def sender(self) -> Callable[[str], object]:
        client = package("redis").Redis(port=self.address)
        return lambda content: client.xadd("s", {"c": content})

    @staticmethod
    def receive(address: int) -> Iterator[str | None]:
        client = package("redis").Redis(port=address)
        while True:
            for _, entries in client.xreadgroup("g", "r", {"s": ">"}, count=1, block=0):
                for number, fields in entries:
                    yield fields[b"c"].decode()
                    client.xack("s", "g", number)
                    yield None


class JetStream(Method):
    name = "NATS JetStream, file storage, sync_interval always"

    def prepare(self) -> None:
        package("nats")
        if not shutil.which("nats-server"):
            raise Missing("needs nats-server")
        self.address = free_port()
        configuration = self.folder / "nats.conf"
        for sync in (", sync_interval: always", ""):
            store = f"jetstream {{ store_dir: '{self.folder}/js'{sync} }}"
            configuration.write_text(f"port: {self.address}\nhost: 127.0.0.1\n{store}\n")
            check = subprocess.run(["nats-server", "-t", "-c", configuration], capture_output=True, check=False)
            if check.returncode == 0:
                break
        if not sync:
            # Servers before 2.10 cannot be told to; they sync every two minutes.
            self.name, self.durable = "NATS JetStream, file storage, no fsync", False
        self.processes.append(server(["nats-server", "-c", str(configuration)], self.address, self.folder))

        async def make() -> None:
            client = await package("nats").connect(f"nats://127.0.0.1:{self.address}")
            await client.jetstream().add_stream(name="s", subjects=["s"])
            await client.close()

        asyncio.run(make())

    def sender(self) -> Callable[[str], object]:
        self.loop = asyncio.new_event_loop()
        self.client = self.loop.run_until_complete(package("nats").connect(f"nats://127.0.0.1:{self.address}"))
        stream = self.client.jetstream()
        return lambda content: self.loop.run_until_complete(stream.publish("s", content.encode()))

    def close(self) -> None:
        if hasattr(self, "client"):
            self.loop.run_until_complete(self.client.close())
        super().close()

    @staticmethod
    def receive(address: int) -> Iterator[str | None]:
        loop = asyncio.new_event_loop()
        client = loop.run_until_complete(package("nats").connect(f"nats://127.0.0.1:{address}"))
        subscription = loop.run_until_complete(client.jetstream().subscribe("s", durable="d"))
        try:
            while True:
                message = loop.run_until_complete(subscription.next_msg(timeout=3600))
                yield message.data.decode()
                loop.run_until_complete(message.ack_sync())
                yield None
        finally:
            loop.run_until_complete(client.close())


class Postgres(Method):
    name = "PostgreSQL LISTEN/NOTIFY, FOR UPDATE SKIP LOCKED"

    def prepare(self) -> None:
        package("psycopg")
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
        if not found or (os.getuid() == 0 and not shutil.which("runuser")):
            raise Missing("needs PostgreSQL's server")
        self.address = free_port()
        data = self.folder / "pg"
        data.mkdir()
        # The server refuses to run as root.
        unprivileged = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
        if unprivileged:
            shutil.chown(data, "postgres")
            for folder in (self.folder, *self.folder.parents[:2]):
                folder.chmod(0o755)
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        binaries = found[-1].parent
        subprocess.run(
            [*unprivileged, binaries / "initdb", "-D", data, "-U", "bench", "-A", "trust"], check=True, cwd="/", **quiet
        )  # type: ignore[call-overload]
        words = [*unprivileged, str(binaries / "postgres"), "-D", str(data), "-p", str(self.address), "-k", str(data)]
        self.processes.append(server([*words, "-h", "127.0.0.1"], self.address, Path("/")))
        with self._connect(self.address) as db:
            db.execute("CREATE TABLE q (id bigserial PRIMARY KEY, content text)")

    @staticmethod
    def _connect(port: int) -> Any:  # noqa: ANN401
        for _ in range(500):
            with contextlib.suppress(package("psycopg").OperationalError):
                return package("psycopg").connect(
                    f"host=127.0.0.1 port={port} user=bench dbname=postgres", autocommit=True
                )
            time.sleep(0.01)
        raise Missing("PostgreSQL did not start")

    def sender(self) -> Callable[[str], object]:
        db = self._connect(self.address)

        def send(content: str) -> None:
            with db.transaction():
                db.execute("INSERT INTO q (content) VALUES (%s)", (content,))
                db.execute("NOTIFY q")

        return send

    @staticmethod
    def receive(address: int) -> Iterator[str | None]:
        yield from take_from_postgres(Postgres._connect(address), "q")


def take_from_postgres(db: Any, table: str) -> Iterator[str | None]:  # noqa: ANN401
    """The receiver of a queue in plain SQL, for each server."""
    db.execute(f"LISTEN {table}")
    take = (
        f"DELETE FROM {table} WHERE id = (SELECT id FROM {table} ORDER BY id FOR UPDATE SKIP LOCKED LIMIT 1)"  # noqa: S608
        " RETURNING content"
    )
    while True:
        with db.transaction():
            row = db.execute(take).fetchone()
            if row is not None:
                yield row[0]
        if row is not None:
            yield None
        else:
            for _ in db.notifies(timeout=1, stop_after=1):
                pass


class LiteQueue(Method):
    name = "litequeue, polled every ms"

    def prepare(self) -> None:
        package("litequeue").LiteQueue(str(self.folder / "q.db"))
        self.address = str(self.folder / "q.db")

    def sender(self) -> Callable[[str], object]:
        return package("litequeue").LiteQueue(self.address).put  # type: ignore[no-any-return]

    @staticmethod
    def receive(address: str) -> Iterator[str | None]:
        queue = package("litequeue").LiteQueue(address)
        while True:
            message = queue.pop()
            if message is None:
                time.sleep(0.001)
            else:
                yield message.data
                queue.done(message.message_id)
                yield None


METHODS: tuple[type[Method], ...] = (
    FileQueueSecond,
    FileQueueTenth,
    WebSocketDirect,
    WebSocketHub,
    WebSocketHubDefaults,
    Grpc,
    HubNormal,
    HubFull,
    HubReadOnly,
    HubForeign,
    Redis,
    JetStream,
    Postgres,
    LiteQueue,
)
