"""Serve the team's figures to Prometheus, on loopback, in its text format (version 0.0.4)."""

import re
import socket
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from teamsup.config.components import ComponentMetric, installed_components, load_function
from teamsup.hub import Agent, MessageHub, Stats, TeamsupError
from teamsup.hub.engines.engine import StoreMetric
from teamsup.hub.models import DELIVERY_STATES
from teamsup.status.process_state import State
from teamsup.status.state_file import TeamState

Sample = tuple[str, float]
"""The labels as text, and the value."""

_METRIC_NAME = re.compile(r"[a-z][a-z0-9_]*")
_MAX_CONNECTIONS = 16
_TIMEOUT_SECONDS = 5.0
"""Seconds that a client has to send its request and read the answer."""
_ALLOWED_HOSTS = ("localhost", "127.0.0.1", "[::1]")
_BROWSER_HEADERS = ("Origin", "Referer", "Sec-Fetch-Site")


class _Server(ThreadingHTTPServer):
    """A server that limits the number and the time of connections, because they use the supervisor's descriptors."""

    daemon_threads = True
    request_queue_size = 128
    """The library's default is 5. In a burst, a refused client would repeat its first packet only after a second or
    three.
    """

    def __init__(self, port: int, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", port), handler)
        self._lock = threading.Lock()
        self._accepted_at: dict[socket.socket, float] = {}
        """The time when each connection was accepted, the oldest first."""

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - the library's types
        with self._lock:
            self._accepted_at[request] = time.monotonic()
        self.service_actions()
        super().process_request(request, client_address)

    def service_actions(self) -> None:
        """Close connections that are too old or too many, the oldest first. This is called twice a second."""
        with self._lock:
            oldest = time.monotonic() - _TIMEOUT_SECONDS
            late = [each for each, accepted in self._accepted_at.items() if accepted < oldest]
            much = list(self._accepted_at)[: max(0, len(self._accepted_at) - _MAX_CONNECTIONS)]
            for request in {*late, *much}:
                del self._accepted_at[request]
                with suppress(OSError):
                    request.shutdown(socket.SHUT_RDWR)

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401
        with self._lock:
            self._accepted_at.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore clients that disconnect."""


class MetricsServer:
    """Serves /metrics until closed. Raises OSError when the port is taken."""

    def __init__(self, port: int, hub: MessageHub, state: Callable[[], TeamState]) -> None:
        class Handler(BaseHTTPRequestHandler):
            timeout = _TIMEOUT_SECONDS

            def do_GET(self) -> None:
                # A page in a browser reaches loopback too, by a name that its author owns.
                host = self.headers.get("Host", "")
                if re.sub(r":\d*$", "", host).lower() not in _ALLOWED_HOSTS or any(
                    map(self.headers.get, _BROWSER_HEADERS)
                ):
                    self.send_error(403, "only for programs of this machine")
                    return
                if self.path.partition("?")[0] != "/metrics":
                    self.send_error(404, "only /metrics exists here")
                    return
                try:
                    body = (
                        render_metrics(state(), hub.agents(), hub.queries.stats(), time.time())
                        + render_store_metrics(hub.maintenance.store_metrics())
                        + render_component_metrics(hub)
                    ).encode()
                except TeamsupError as error:
                    self.send_error(503, str(error))
                    return
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
                """Log nothing, because a line every few seconds would not help."""

        self._server = _Server(port, Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, name="teamsup-metrics", daemon=True)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def render_metrics(state: TeamState, agents: Sequence[Agent], stats: Stats, now: float) -> str:
    """Return all figures as text. ``now`` is in Unix seconds; times are seconds."""
    workers, moment = state.workers, datetime.fromtimestamp(now, UTC)

    def age(of: datetime | None) -> float:
        return 0.0 if of is None else (moment - of).total_seconds()

    deliveries = [(_labels(state=name), stats.deliveries.get(name, 0)) for name in DELIVERY_STATES]
    states = [(_labels(worker=w.name, state=s), w.state == s) for w in workers for s in State]
    up = [(_labels(worker=w.name), w.state == State.RUNNING) for w in workers]
    restarts = [(_labels(worker=w.name), w.restarts) for w in workers]
    degraded = [(_labels(agent=a.name), a.is_present(moment) and bool(a.degraded)) for a in agents]
    heartbeats = [(_labels(agent=a.name), age(a.last_heartbeat)) for a in agents if a.last_heartbeat is not None]
    unread = [(_labels(agent=a.name), a.unread) for a in agents]
    return "".join(
        (
            _family("worker_up", "1 while the worker runs", up),
            _family("worker_state", "1 for the state the worker is in", states),
            _family("degraded", "1 while the agent runs and cannot do its work", degraded),
            _family("worker_restarts_total", "How often the worker was started again", restarts, "counter"),
            _family("heartbeat_age_seconds", "Since the agent's last heartbeat", heartbeats),
            _family("deliveries", "Deliveries by state", deliveries),
            _family("messages", "Messages in the database", [("", stats.messages)]),
            _family("unread", "Messages that an agent has not read", unread),
            _family(
                "oldest_unread_seconds",
                "Age of the oldest message that could be read now",
                [("", age(stats.oldest_unread))],
            ),
            _family("supervisor_start_time_seconds", "Unix time of the supervisor's start", [("", state.started_at)]),
        )
    )


def render_store_metrics(figures: Sequence[StoreMetric]) -> str:
    """Return the figures of the engine that stores the team."""
    families: dict[tuple[str, str], list[Sample]] = {}
    for each in figures:
        labels = _labels(table=each.table) if each.table else ""
        families.setdefault((each.name, each.meaning), []).append((labels, each.value))
    return "".join(_family(f"store_{name}", meaning, samples) for (name, meaning), samples in families.items())


def render_component_metrics(hub: MessageHub) -> str:
    """Return the figures of all components, and the components that could not compute theirs."""
    texts, is_up = [], []
    for component in installed_components().values():
        if component.metrics:
            try:
                found = [_component_family(component.name, each) for each in load_function(component.metrics)(hub)]
            except Exception:
                # The component has a bug, or the hub has a trouble. The figures of other components are still correct.
                found = None
            texts += found or []
            is_up.append((_labels(component=component.name), found is not None))
    up = _family("component_metrics_up", "1 while the component reports its figures", is_up) if is_up else ""
    return "".join((*texts, up))


def _component_family(component: str, metric: ComponentMetric) -> str:
    name = f"{component.replace('-', '_')}_{metric.name}"
    if not _METRIC_NAME.fullmatch(name) or "\n" in metric.help:
        raise ValueError(f"{name!r} cannot be the name of a metric")
    return _family(name, metric.help, [(_labels(**labels), value) for labels, value in metric.samples], metric.kind)


def _family(name: str, help_text: str, samples: Iterable[Sample], kind: str = "gauge") -> str:
    full = f"teamsup_{name}"
    lines = [f"{full}{labels} {float(value):.15g}\n" for labels, value in samples]
    return f"# HELP {full} {help_text}\n# TYPE {full} {kind}\n{''.join(lines)}"


def _labels(**labels: str) -> str:
    """Return the labels of a sample. Escape names, because a foreign program may have chosen any name."""
    if not labels:
        return ""
    escaped = {key: text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n") for key, text in labels.items()}
    return "{" + ",".join(f'{key}="{text}"' for key, text in escaped.items()) + "}"
