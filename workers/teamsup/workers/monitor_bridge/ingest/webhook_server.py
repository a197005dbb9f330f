"""The HTTP server for the sources. If a source gets 200, its payload is stored."""

import asyncio
import logging
from collections.abc import Collection, Mapping

import aiohttp
from aiohttp import web
from aiohttp.http import HttpProcessingError

from teamsup.hub import MessageHub, StoreError

from ...backoff import backoff
from ...listen_address import ListenAddress, host_name_of, listening_hosts, normalize_address
from ...worker import ReportState
from ..incidents.alert import Alert
from ..source_section import DRY_RUN_HEADER, SourceSection
from . import body, request_filter
from .auth import AUTH_CHALLENGE, SourceSecrets
from .batch import BatchWriter, PrepareAlerts, QueueFull, StoreAlerts
from .connections import BoundedHttpServer
from .port import explain_bind_error
from .receiver import ConfirmLink, IngestOutcome, PayloadReceiver, SourceLog
from .rejected import MAX_PAYLOAD_BYTES
from .sources import WebhookRequest

_READY_PATH = "/-/ready"
_STATE_PATHS = ("/", "/-/healthy", _READY_PATH)
_RETRY_AFTER_SECONDS = 5
_FIRST_RETRY_SECONDS, _MAX_RETRY_SECONDS = 1.0, 30.0
"""The first and the longest pause in seconds before a new try of a port in use or of an unreadable secret."""
_MAX_PING_BYTES = 64 * 2**10
"""The number of bytes that are kept of a ping's log, which may have any length."""

_TEST_ALERT = Alert("", "teamsup doctor", True, "A test alert of teamsup doctor", severity="info")


class WebhookServer:
    """Receives requests of sources at http://HOST:PORT/NAME."""

    def __init__(
        self,
        hub: MessageHub,
        store: StoreAlerts,
        listen: ListenAddress,
        sources: Mapping[str, SourceSection],
        *,
        hosts: Collection[str] = (),
        trusted_proxies: Collection[str] = (),
        report: ReportState | None = None,
        prepare: PrepareAlerts = lambda alerts: alerts,
        confirm: ConfirmLink | None = None,
        path_prefix: str = "",
    ) -> None:
        self.bind_failure = ""
        """The reason for people why the port is not available; empty if it is available."""
        self.port = 0
        """The port on which the server listens; 0 if there is none yet."""
        self._address = listen
        self._hosts = {host_name_of(host) for host in ("localhost", listen.host, *hosts)}
        self._trusted_proxies = trusted_proxies
        self._secrets = SourceSecrets(sources)
        self._log = SourceLog()
        self._writer = BatchWriter(hub, store, prepare)
        self.receiver = PayloadReceiver(hub, self._writer, sources, self._log, confirm)
        self._memory_budget = body.MemoryBudget()
        self._report = report
        self._prefix = f"{path_prefix.rstrip('/')}/"
        self._can_store = True

    @property
    def _is_ready(self) -> bool:
        return self._can_store and self._secrets.has_all

    async def run(self) -> None:
        """Serve the sources until cancelled."""
        connections = BoundedHttpServer(self._handle_connection, self._trusted_proxies, _http_log())
        runner = web.ServerRunner(connections, shutdown_timeout=5.0)
        await runner.setup()
        reading = asyncio.create_task(self._load_secrets())
        try:
            server = await self._bind(connections)
            try:
                await asyncio.Event().wait()
            finally:
                server.close()
        finally:
            self.port = 0
            reading.cancel()
            await self._writer.drain()
            await runner.cleanup()

    async def _bind(self, connections: BoundedHttpServer) -> asyncio.Server:
        """Bind the port. Try again while another program uses it."""
        self._connections = connections
        loop, pauses = asyncio.get_running_loop(), backoff(_FIRST_RETRY_SECONDS, _MAX_RETRY_SECONDS)
        while True:
            try:
                server = await loop.create_server(connections, listening_hosts(self._address.host), self._address.port)
            except OSError as error:
                self.bind_failure = await asyncio.to_thread(explain_bind_error, self._address, error)
                await self._report_state("port", self.bind_failure)
                await asyncio.sleep(next(pauses))
            else:
                self.port = server.sockets[0].getsockname()[1]
                self._log.logger.info("sources may connect to %s port %d", self._address.host, self.port)
                self.bind_failure = ""
                await self._report_state("port", "")
                return server

    async def _load_secrets(self) -> None:
        """Read the secrets until all are read."""
        pauses = backoff(_FIRST_RETRY_SECONDS, _MAX_RETRY_SECONDS)
        while why := await asyncio.to_thread(self._secrets.load_missing):
            await self._report_state("secrets", why)
            await asyncio.sleep(next(pauses))
        await self._report_state("secrets", "")

    async def _report_state(self, cause: str, reason: str) -> None:
        if self._report is not None:
            await self._report(cause, reason)

    async def _handle_connection(self, request: web.BaseRequest) -> web.Response:
        response = await self._handle_request(request)
        if response.status != 200 or request.path in _STATE_PATHS:
            # Close the connection: sources with a secret can open a new one.
            response.force_close()
        return response

    async def _handle_request(self, request: web.BaseRequest) -> web.Response:
        if request.path in _STATE_PATHS:
            return self._show_state(request)
        if not request.path.startswith(self._prefix):
            return _response(404, "There is nothing here.")
        name, _, rest = request.path.removeprefix(self._prefix).partition("/")
        path = tuple(part for part in rest.split("/") if part)
        if (refusal := request_filter.check_request(request.headers, self._own_hosts(request))) is not None:
            return _response(*refusal)
        if (unproven := self._authenticate(name, request)) is not None:
            return unproven
        if request.method not in ("POST", "PUT") and not (path and request.method in ("GET", "HEAD")):
            return _response(405, "A source must use POST.", {"Allow": "POST"})
        self._connections.mark_authenticated(request.protocol)
        outcome = await self._receive(WebhookRequest(name, headers=_headers_of(request), path=path), request)
        return _response(outcome.status, outcome.sentence)

    def _show_state(self, request: web.BaseRequest) -> web.Response:
        """Return whether this server works, for a proxy or a monitor. It says nothing about sources."""
        if request.method not in ("GET", "HEAD"):
            return _response(405, "The address must contain the source's name.", {"Allow": "GET"})
        if request.path == _READY_PATH and not self._is_ready:
            return _response(503, "Not ready: the last payload could not be stored, or a secret cannot be read")
        return _response(200, "ok")

    def _authenticate(self, name: str, request: web.BaseRequest) -> web.Response | None:
        """Return the refusal of a request that does not show the source's secret, else None."""
        if not self._secrets.has_source(name):
            return _response(404, "There is no source of this name.")
        if not self._secrets.is_known(name):
            return _response(503, "The secret of this source cannot be read here")
        if not self._secrets.accepts(name, request.headers.get("Authorization", ""), request.query):
            self._log.warn(name, "a request without the right secret was refused")
            return _response(401, "The secret is missing or wrong.", {"WWW-Authenticate": AUTH_CHALLENGE})
        return None

    def _own_hosts(self, request: web.BaseRequest) -> set[str]:
        """Return the allowed names of this server, and the address that this request has reached."""
        here = None if request.transport is None else request.transport.get_extra_info("sockname")
        return self._hosts | {normalize_address(here[0])} if here else self._hosts

    async def _receive(self, asked: WebhookRequest, request: web.BaseRequest) -> IngestOutcome:
        """Read the payload and store it. Return 503 if the source must send it again."""
        trouble = "it must try again, because"
        try:
            if DRY_RUN_HEADER in request.headers:
                await self._writer.dry_run(asked.source, (_TEST_ALERT,))
                return IngestOutcome(200, "Stored, and undone.")
            with self._memory_budget.allocate() as share:
                await _send_continue(request)
                kept, longest = (_MAX_PING_BYTES,) * 2 if asked.path else (MAX_PAYLOAD_BYTES, body.MAX_BYTES)
                sent = await body.read_body(request, share, kept, longest)
                outcome = await self.receiver.receive(asked, sent)
                self._can_store = True
                return outcome
        except (aiohttp.ClientPayloadError, web.RequestPayloadError, ConnectionError):
            return IngestOutcome(400, "The payload could not be read to its end.")
        except (StoreError, QueueFull) as error:
            self._can_store = False
            self._log.warn(asked.source, f"its alerts could not be stored, and it must try again: {error}")
            return IngestOutcome(503, "It could not be stored")
        except body.MemoryLimitReached:
            self._log.warn(asked.source, f"{trouble} too many requests arrive at once")
            return IngestOutcome(503, "Too many requests arrive at once")
        except TimeoutError:
            self._log.warn(asked.source, f"{trouble} its payload arrived too slowly")
            return IngestOutcome(503, "The payload arrived too slowly")


async def _send_continue(request: web.BaseRequest) -> None:
    """Answer a source that asks before it sends its body."""
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0


def _response(status: int, sentence: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return a response of one sentence. The status 503 asks the source to send the payload again."""
    again = {"Retry-After": str(_RETRY_AFTER_SECONDS)} if status == 503 else {}
    text = f"{sentence}; come again.\n" if again else f"{sentence}\n"
    return web.Response(status=status, text=text, headers={"Server": "teamsup", **again, **(headers or {})})


def _headers_of(request: web.BaseRequest) -> dict[str, str]:
    return {header.lower(): value for header, value in request.headers.items()}


class _MalformedRequestFilter(logging.Filter):
    """Drops errors of requests that are not HTTP, because any client could fill the log with them."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        return not isinstance(error, HttpProcessingError | web.RequestPayloadError)


def _http_log() -> logging.Logger:
    log = logging.getLogger("monitor-bridge.http")
    log.filters = [_MalformedRequestFilter()]
    return log
