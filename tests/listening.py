"""monitor-bridge's listener on a thread of the test, and requests to it as any program makes them."""

import asyncio
import contextlib
import http.client
import json
import threading
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from support import eventually
from teamsup.hub import MessageHub
from teamsup.hub.source_section import Address, SourceSection
from teamsup.workers.monitor_bridge.alert import Alert
from teamsup.workers.monitor_bridge.listener import Confirm, Listener
from teamsup.workers.monitor_bridge.sources import News


@dataclass
class Recorder:
    """Keeps what is said in a table of the hub, in the order of storing; can be told to fail as a hub fails."""

    hub: MessageHub
    trouble: Exception | None = None
    calls: list[str] = field(default_factory=list)
    """Of which sources, whether it was stored or not."""

    def __post_init__(self) -> None:
        self.hub.change("CREATE TABLE heard (id INTEGER PRIMARY KEY, source TEXT, key TEXT, state TEXT)")

    def take(self, source: str, news: News) -> None:
        self.calls.append(source)
        with self.hub.transaction():
            for one in news:
                state = ("firing" if one.is_firing else "resolved") if isinstance(one, Alert) else "alive"
                self.hub.change("INSERT INTO heard (source, key, state) VALUES (?, ?, ?)", (source, one.key, state))
        # As late as a hub may say so.
        if self.trouble is not None:
            raise self.trouble

    @property
    def heard(self) -> list[tuple[str, str]]:
        return [(row["key"], row["state"]) for row in self.hub.rows("SELECT * FROM heard ORDER BY id")]


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    text: str


@dataclass(frozen=True)
class Port:
    """Where it listens."""

    number: int
    listener: Listener

    def ask(
        self, path: str, body: object = None, headers: Mapping[str, str] | None = None, method: str = "POST"
    ) -> Answer:
        """One request; a body that is neither bytes nor text is sent as JSON."""
        data = body if isinstance(body, bytes | str | None) else json.dumps(body)
        connection = http.client.HTTPConnection("127.0.0.1", self.number, timeout=30)
        with contextlib.closing(connection):
            connection.request(method, path, data.encode() if isinstance(data, str) else data, dict(headers or {}))
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.headers), answer.read().decode())


@contextlib.contextmanager
def listening(
    recorder: Recorder,
    sources: Mapping[str, SourceSection],
    *,
    port: int = 0,
    hosts: Collection[str] = (),
    confirm: Confirm | None = None,
) -> Iterator[Port]:
    """The listener, until the context ends; it has then ended well."""
    listen = Address("127.0.0.1", port)
    listener = Listener(recorder.hub, recorder.take, listen, sources, hosts=hosts, confirm=confirm)
    started: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[None]]] = []

    async def run() -> None:
        started.append((asyncio.get_running_loop(), asyncio.create_task(listener.run())))
        await asyncio.wait([started[0][1]])

    thread = threading.Thread(target=asyncio.run, args=[run()])
    thread.start()
    try:
        eventually(lambda: listener.port or listener.note, "the listener listens")
        yield Port(listener.port, listener)
    finally:
        loop, task = started[0]
        loop.call_soon_threadsafe(task.cancel)
        thread.join(20)
        assert task.cancelled()
