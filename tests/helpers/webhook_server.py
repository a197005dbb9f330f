"""monitor-bridge's listener on a thread of the test, and requests to it as any program makes them."""

import asyncio
import contextlib
import http.client
import json
import threading
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from helpers.support import TIMEOUT_SECONDS, eventually
from teamsup.hub import MessageHub
from teamsup.workers.listen_address import ListenAddress
from teamsup.workers.monitor_bridge.incidents.alert import Alert, Alerts
from teamsup.workers.monitor_bridge.ingest.receiver import ConfirmLink
from teamsup.workers.monitor_bridge.ingest.webhook_server import WebhookServer
from teamsup.workers.monitor_bridge.source_section import SourceSection


@dataclass
class AlertRecorder:
    """Keeps what is said in a table of the hub, in the order of storing; can be told to fail as a hub fails."""

    hub: MessageHub
    failure: Exception | None = None
    stored_sources: list[str] = field(default_factory=list)
    """Of which sources, whether it was stored or not."""

    def __post_init__(self) -> None:
        self.hub.execute("CREATE TABLE heard (id INTEGER PRIMARY KEY, source TEXT, key TEXT, state TEXT)")

    def store(self, source: str, news: Alerts) -> None:
        self.stored_sources.append(source)
        with self.hub.transaction():
            for one in news:
                state = ("firing" if one.is_firing else "resolved") if isinstance(one, Alert) else "alive"
                self.hub.execute(
                    "INSERT INTO heard (source, key, state) VALUES (?, ?, ?)", (source, one.fingerprint, state)
                )
        # As late as a hub may say so.
        if self.failure is not None:
            raise self.failure

    @property
    def recorded(self) -> list[tuple[str, str]]:
        return [(row["key"], row["state"]) for row in self.hub.query("SELECT * FROM heard ORDER BY id")]


@dataclass(frozen=True)
class HttpAnswer:
    status: int
    headers: Mapping[str, str]
    text: str


@dataclass(frozen=True)
class RunningServer:
    """Where it listens."""

    port: int
    server: WebhookServer

    def request(
        self, path: str, body: object = None, headers: Mapping[str, str] | None = None, method: str = "POST"
    ) -> HttpAnswer:
        """One request; a body that is neither bytes nor text is sent as JSON."""
        data = body if isinstance(body, bytes | str | None) else json.dumps(body)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            connection.request(method, path, data.encode() if isinstance(data, str) else data, dict(headers or {}))
            answer = connection.getresponse()
            return HttpAnswer(answer.status, dict(answer.headers), answer.read().decode())


@contextlib.contextmanager
def running_server(
    recorder: AlertRecorder,
    sources: Mapping[str, SourceSection],
    *,
    port: int = 0,
    hosts: Collection[str] = (),
    confirm: ConfirmLink | None = None,
    host: str = "127.0.0.1",
    path_prefix: str = "",
) -> Iterator[RunningServer]:
    """The listener, until the context ends; it has then ended well."""
    listen = ListenAddress(host, port)
    listener = WebhookServer(
        recorder.hub, recorder.store, listen, sources, hosts=hosts, confirm=confirm, path_prefix=path_prefix
    )
    started: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[None]]] = []

    async def run() -> None:
        started.append((asyncio.get_running_loop(), asyncio.create_task(listener.run())))
        await asyncio.wait([started[0][1]])

    thread = threading.Thread(target=asyncio.run, args=[run()])
    thread.start()
    try:
        eventually(lambda: listener.port or listener.bind_failure, "the listener listens")
        yield RunningServer(listener.port, listener)
    finally:
        loop, task = started[0]
        loop.call_soon_threadsafe(task.cancel)
        thread.join(TIMEOUT_SECONDS)
        assert task.cancelled()
