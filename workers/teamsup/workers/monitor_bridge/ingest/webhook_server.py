"""Hears the sources over HTTP. Whoever gets 200 can forget what they said: it is stored."""

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime

import aiohttp
from aiohttp import web
from aiohttp.http import HttpProcessingError

from teamsup.config.source_section import ListenAddress, SourceSection, stale_after
from teamsup.hub import MessageHub, StoreError
from teamsup.hub.timestamps import format_time

from ...backoff import backoff
from ..incidents.alert import Alert, Alerts
from ..incidents.incident import last_received_by_source
from . import body, request_filter
from .auth import AUTH_CHALLENGE, SourceSecrets
from .batch import BatchWriter, PrepareAlerts, QueueFull, StoreAlerts
from .connections import BoundedHttpServer
from .port import explain_bind_error
from .rejected import MAX_PAYLOAD_BYTES, NewRejectedPayload, insert_rejected, list_rejected
from .sources import InvalidPayload, UnreadablePart, WebhookRequest, parse
from .sources.oracle_cloud import confirmation_link

_RETRY_AFTER_SECONDS = 5
_FIRST_RETRY_SECONDS, _MAX_RETRY_SECONDS = 1.0, 30.0
"""Until a port that is taken, or a secret that cannot be read, is tried again: at first, and at last."""
_CONFIRM_TIMEOUT_SECONDS = 10
_LOG_INTERVAL_SECONDS = 60.0
_IN_GROUPS = ("alertmanager", "grafana")
"""Kinds of sources that send each group of problems by itself, again and again."""
_SHORT_BYTES = 64 * 2**10
"""So much is read sooner than a thread has begun."""
_MAX_PING_BYTES = 64 * 2**10
"""Of a ping's log, which may be as long as it wants."""

DRY_RUN_HEADER = "Teamsup-Rehearsal"
"""The header with which doctor asks for a test alert to be stored and taken back."""
_TEST_ALERT = Alert("", "teamsup doctor", True, "A test alert of teamsup doctor", severity="info")

ConfirmLink = Callable[[str], Awaitable[bool]]
ReportState = Callable[[str, str], Awaitable[None]]
"""Says what cannot be done, by its cause; an empty reason: it can."""


class WebhookServer:
    """The sources' end of monitor-bridge: http://HOST:PORT/NAME."""

    def __init__(
        self,
        hub: MessageHub,
        take: StoreAlerts,
        listen: ListenAddress,
        sources: Mapping[str, SourceSection],
        *,
        hosts: Collection[str] = (),
        trusted_proxies: Collection[str] = (),
        report: ReportState | None = None,
        prepare: PrepareAlerts = lambda news: news,
        confirm: ConfirmLink | None = None,
    ) -> None:
        self.bind_failure = ""
        """What is wrong, for people; empty: nothing."""
        self.port = 0
        """Where it hears; 0: not yet."""
        self._hub = hub
        self._address = listen
        self._hosts = {request_filter.host_name_of(host) for host in ("localhost", listen.host, *hosts)}
        self._trusted_proxies = trusted_proxies
        self._kinds = {name: source.kind for name, source in sources.items()}
        self._secrets = SourceSecrets(sources)
        self._log = logging.getLogger("monitor-bridge")
        self._writer = BatchWriter(hub, take, prepare)
        self._memory_budget = body.MemoryBudget()
        self._report = report
        self._confirm = confirm or confirm_link
        self._logged_at: dict[tuple[str, str], float] = {}
        self.last_received = {name: at for name, at in last_received_by_source(hub).items() if name in sources}
        """When each source has said something last, as the hub keeps times."""
        self._rejected_sources = {each.source: _seconds(each.last_at) for each in reversed(list_rejected(hub))}
        """Sources of which the last that is known was refused, perhaps; and when, in Unix seconds."""
        self._repeats = {name: stale_after(source) for name, source in sources.items() if source.kind in _IN_GROUPS}

    @property
    def rejected_note(self) -> str:
        """Of whom not all is understood, for people."""
        names = ", ".join(sorted(self._rejected_sources.keys() & self._kinds.keys()))
        return f"some payloads of {names} could not be read: teamsup alerts refused" if names else ""

    async def run(self) -> None:
        """Hear until cancelled."""
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
        """Take the port, as soon as whoever else has it lets go of it."""
        self._connections = connections
        loop, pauses = asyncio.get_running_loop(), backoff(_FIRST_RETRY_SECONDS, _MAX_RETRY_SECONDS)
        while True:
            try:
                server = await loop.create_server(connections, self._address.host, self._address.port)
            except OSError as error:
                self.bind_failure = await asyncio.to_thread(explain_bind_error, self._address, error)
                await self._report_state("port", self.bind_failure)
                await asyncio.sleep(next(pauses))
            else:
                self.port = server.sockets[0].getsockname()[1]
                self._log.info("sources are heard on %s port %d", self._address.host, self.port)
                self.bind_failure = ""
                await self._report_state("port", "")
                return server

    async def _load_secrets(self) -> None:
        """Until there are all."""
        pauses = backoff(_FIRST_RETRY_SECONDS, _MAX_RETRY_SECONDS)
        while why := await asyncio.to_thread(self._secrets.load_missing):
            await self._report_state("secrets", why)
            await asyncio.sleep(next(pauses))
        await self._report_state("secrets", "")

    async def _report_state(self, cause: str, reason: str) -> None:
        if self._report is not None:
            await self._report(cause, reason)

    async def _handle_connection(self, request: web.BaseRequest) -> web.Response:
        answer = await self._handle_request(request)
        if answer.status != 200 or request.path == "/":
            # Who proves nothing has no use for the connection; others make a new one.
            answer.force_close()
        return answer

    async def _handle_request(self, request: web.BaseRequest) -> web.Response:
        name, _, rest = request.path.removeprefix("/").partition("/")
        path = tuple(part for part in rest.split("/") if part)
        if not name:
            return _response(200, "ok") if request.method in ("GET", "HEAD") else _response(405, "A source has a name.")
        if (refusal := request_filter.check_request(request.headers, self._own_hosts(request))) is not None:
            return _response(*refusal)
        if name not in self._kinds:
            return _response(404, "There is no source of this name.")
        if not self._secrets.is_known(name):
            return _retry_response("The secret of this source cannot be read here")
        if not self._secrets.accepts(name, request.headers.get("Authorization", ""), request.query):
            self._log_warning(name, "a request without the right secret was refused")
            return _response(401, "The secret is missing or wrong.", {"WWW-Authenticate": AUTH_CHALLENGE})
        if request.method not in ("POST", "PUT") and not (path and request.method in ("GET", "HEAD")):
            return _response(405, "A source uses POST.", {"Allow": "POST"})
        self._connections.mark_authenticated(request.protocol)
        try:
            if DRY_RUN_HEADER in request.headers:
                await self._writer.dry_run(name, (_TEST_ALERT,))
                return _response(200, "Stored, and taken back.")
            return await self._receive(name, path, request)
        except (StoreError, QueueFull) as error:
            self._log_warning(name, f"what it says could not be stored, and it was asked to come again: {error}")
            return _retry_response("It could not be stored")
        except body.MemoryLimitReached:
            self._log_warning(name, "it was asked to come again, as too much is being heard at once")
            return _retry_response("Too much is being heard at once")
        except TimeoutError:
            self._log_warning(name, "it was asked to come again, as its payload came too slowly")
            return _retry_response("The payload came too slowly")

    def _own_hosts(self, request: web.BaseRequest) -> set[str]:
        """By which it may have called us: also by the address at which it has reached us."""
        here = None if request.transport is None else request.transport.get_extra_info("sockname")
        return self._hosts | {request_filter.normalize_address(here[0])} if here else self._hosts

    async def _receive(self, name: str, path: tuple[str, ...], request: web.BaseRequest) -> web.Response:
        with self._memory_budget.allocate() as share:
            try:
                await _send_continue(request)
                kept, longest = (_MAX_PING_BYTES, _MAX_PING_BYTES) if path else (MAX_PAYLOAD_BYTES, body.MAX_BYTES)
                sent = await body.read_body(request, share, kept, longest)
            except (aiohttp.ClientPayloadError, web.RequestPayloadError, ConnectionError):
                return _response(400, "The payload could not be read to its end.")
            if sent.is_truncated and not path:
                size = f"larger than {body.MAX_BYTES // 2**20} MiB"
                await self._reject(
                    name, [NewRejectedPayload(f"The payload is {size}; this is its beginning.", sent.data)]
                )
                return _response(200, f"It is {size}: only its beginning is kept, for a person.")
            try:
                return await self._process_payload(name, path, request, sent.data)
            except InvalidPayload as error:
                await self._reject(name, [NewRejectedPayload(str(error), sent.data)])
                return _response(400, str(error))
            except (StoreError, QueueFull):
                raise
            except Exception as error:
                # A mistake of ours, in reading it or in storing it: a person should see what it was about.
                self._log.exception("what %s says could not be taken in", name)
                await self._reject(
                    name, [NewRejectedPayload(f"It could not be taken in: {type(error).__name__}.", sent.data)]
                )
                return _response(500, "It could not be taken in.")

    async def _process_payload(
        self, name: str, path: tuple[str, ...], request: web.BaseRequest, data: bytes
    ) -> web.Response:
        headers = {header.lower(): value for header, value in request.headers.items()}
        asked = WebhookRequest(name, headers=headers, path=path)
        if self._kinds[name] == "oracle_cloud" and (link := confirmation_link(asked)) is not None:
            return await self._confirm_subscription(name, link)
        is_short = len(data) <= _SHORT_BYTES
        news, rejected = (
            self._parse_payload(asked, data) if is_short else await asyncio.to_thread(self._parse_payload, asked, data)
        )
        if rejected and not news:
            raise InvalidPayload(rejected[0].reason)
        if is_read_again := not rejected and self._is_read_again(name):
            news = (*news, _unreadable_alert(name))
        await self._writer.store(name, news)
        self._record_received(name)
        if rejected:
            await self._reject(name, rejected)
            return _response(200, f"Stored, but for {len(rejected)} that could not be read: {rejected[0].reason}")
        if is_read_again and self._is_read_again(name):  # nothing was refused meanwhile
            del self._rejected_sources[name]
        return _response(200, "Stored.")

    def _is_read_again(self, name: str) -> bool:
        """Whether a payload that can be read means that all can. One group says nothing of another, which was refused;
        that one would have come again in this time."""
        last = self._rejected_sources.get(name)
        return last is not None and not 0 <= time.time() - last < self._repeats.get(name, 0.0)

    def _parse_payload(self, asked: WebhookRequest, data: bytes) -> tuple[Alerts, list[NewRejectedPayload]]:
        """What it says, and what of it cannot be read. Raises BadPayload."""
        content = body.decode_text(data) if asked.path else body.parse_json(data)
        found = parse(self._kinds[asked.source], WebhookRequest(asked.source, content, asked.headers, asked.path))
        news = tuple(each for each in found if not isinstance(each, UnreadablePart))
        return news, [_to_rejected(each) for each in found if isinstance(each, UnreadablePart)]

    async def _confirm_subscription(self, name: str, link: str) -> web.Response:
        if await self._confirm(link):
            self._log.info("%s has subscribed us, which was confirmed", name)
            return _response(200, "Confirmed.")
        self._log_warning(name, "its subscription could not be confirmed")
        return _retry_response("It could not be confirmed")

    def _record_received(self, name: str) -> None:
        self.last_received[name] = format_time(time.time())

    async def _reject(self, name: str, rejected: Sequence[NewRejectedPayload]) -> None:
        """Keep it for a person, and tell: it may have been an alert. Raises StoreError; then it is not refused yet."""
        await asyncio.to_thread(insert_rejected, self._hub, name, rejected)
        self._record_received(name)
        reason = rejected[0].reason
        self._log_warning(name, f"a payload was refused and kept: {reason}")
        self._rejected_sources[name] = time.time()
        try:
            await self._writer.store(name, (_unreadable_alert(name, reason),))
        except (StoreError, QueueFull):
            raise
        except Exception:
            self._log.exception("that %s was not understood cannot be told", name)

    def _log_warning(self, name: str, what: str) -> None:
        """In the log, but not more often than somebody reads it."""
        now, about = time.monotonic(), (name, what[:20])
        if now - self._logged_at.get(about, -_LOG_INTERVAL_SECONDS) >= _LOG_INTERVAL_SECONDS:
            self._logged_at[about] = now
            self._log.warning("source %s: %s", name, what)


async def confirm_link(link: str) -> bool:
    """Ask for an address and follow it nowhere; whether that was welcome."""
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_CONFIRM_TIMEOUT_SECONDS)) as session,
            session.get(link, allow_redirects=False) as answer,
        ):
            return 200 <= answer.status < 300
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
        return False


async def _send_continue(request: web.BaseRequest) -> None:
    """Let a source send its body that asks before it does."""
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0


def _response(status: int, sentence: str, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(status=status, text=f"{sentence}\n", headers={"Server": "teamsup", **(headers or {})})


def _retry_response(why: str) -> web.Response:
    return _response(503, f"{why}; come again.", {"Retry-After": str(_RETRY_AFTER_SECONDS)})


def _to_rejected(unreadable: UnreadablePart) -> NewRejectedPayload:
    try:
        part = json.dumps(unreadable.part, ensure_ascii=False)
    except (RecursionError, ValueError):
        part = ""
    return NewRejectedPayload(unreadable.reason, part.encode("utf-8", "replace"))


def _seconds(moment: datetime | None) -> float:
    return 0.0 if moment is None else moment.timestamp()


def _unreadable_alert(name: str, reason: str = "") -> Alert:
    """That a source is not understood, which may hide any other problem; without a reason: that it is again."""
    title = f"Some payloads of {name} could not be read" if reason else f"All payloads of {name} can be read again"
    text = f"{reason} What it was: teamsup alerts refused" if reason else ""
    return Alert(name, "refused", bool(reason), title, text=text, subject="refused", reuses_fingerprint=True)


class _MalformedRequestFilter(logging.Filter):
    """Leaves out what is wrong with requests that are no HTTP: anybody could fill the log with them."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        return not isinstance(error, HttpProcessingError | web.RequestPayloadError)


def _http_log() -> logging.Logger:
    log = logging.getLogger("monitor-bridge.http")
    log.filters = [_MalformedRequestFilter()]
    return log
