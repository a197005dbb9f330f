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

from teamsup.hub import MessageHub, StoreError
from teamsup.hub.clock import to_text
from teamsup.hub.source_section import Address, SourceSection, stale_seconds

from . import admission, body
from .alert import Alert
from .connections import Connections
from .incident import last_heard
from .intake import Intake, Prepare, Take, TooMany
from .port import trouble
from .proof import CHALLENGE, Secrets
from .refused import KEPT_BYTES, Rejected, keep, refused
from .sources import PARSERS, BadPayload, News, Request, Unreadable, confirmation

_RETRY_SECONDS = 5
_FIRST_SECONDS, _LONGEST_SECONDS = 1.0, 30.0
"""Until a port that is taken, or a secret that cannot be read, is tried again: at first, and at last."""
_CONFIRM_SECONDS = 10
_LOG_SECONDS = 60.0
_IN_GROUPS = ("alertmanager", "grafana")
"""Kinds of sources that send each group of problems by itself, again and again."""
_SHORT = 64 * 2**10
"""So much is read sooner than a thread has begun."""
_PING_BYTES = 64 * 2**10
"""Of a ping's log, which may be as long as it wants."""

REHEARSAL = "Teamsup-Rehearsal"
"""The header with which doctor asks for a test alert to be stored and taken back."""
_TEST = Alert("", "teamsup doctor", True, "A test alert of teamsup doctor", severity="info")

Confirm = Callable[[str], Awaitable[bool]]
Report = Callable[[str, str], Awaitable[None]]
"""Says what cannot be done, by its cause; an empty reason: it can."""


class Listener:
    """The sources' end of monitor-bridge: http://HOST:PORT/NAME."""

    def __init__(
        self,
        hub: MessageHub,
        take: Take,
        listen: Address,
        sources: Mapping[str, SourceSection],
        *,
        hosts: Collection[str] = (),
        trusted_proxies: Collection[str] = (),
        report: Report | None = None,
        prepare: Prepare = lambda news: news,
        confirm: Confirm | None = None,
    ) -> None:
        self.note = ""
        """What is wrong, for people; empty: nothing."""
        self.port = 0
        """Where it hears; 0: not yet."""
        self._hub = hub
        self._listen = listen
        self._hosts = {admission.called(host) for host in ("localhost", listen.host, *hosts)}
        self._trusted_proxies = trusted_proxies
        self._kinds = {name: source.kind for name, source in sources.items()}
        self._secrets = Secrets(sources)
        self._log = logging.getLogger("monitor-bridge")
        self._intake = Intake(hub, take, prepare)
        self._memory = body.Memory()
        self._report = report
        self._confirm = confirm or ask_once
        self._complained: dict[tuple[str, str], float] = {}
        self.heard = {name: at for name, at in last_heard(hub).items() if name in sources}
        """When each source has said something last, as the hub keeps times."""
        self._misunderstood = {each.source: _seconds(each.last_at) for each in reversed(refused(hub))}
        """Sources of which the last that is known was refused, perhaps; and when, in Unix seconds."""
        self._repeats = {name: stale_seconds(source) for name, source in sources.items() if source.kind in _IN_GROUPS}

    @property
    def misunderstood(self) -> str:
        """Of whom not all is understood, for people."""
        names = ", ".join(sorted(self._misunderstood.keys() & self._kinds.keys()))
        return f"some payloads of {names} could not be read: teamsup alerts refused" if names else ""

    async def run(self) -> None:
        """Hear until cancelled."""
        connections = Connections(self._answer, self._trusted_proxies, _quiet_log())
        runner = web.ServerRunner(connections, shutdown_timeout=5.0)
        await runner.setup()
        reading = asyncio.create_task(self._read_secrets())
        try:
            server = await self._bind(connections)
            try:
                await asyncio.Event().wait()
            finally:
                server.close()
        finally:
            self.port = 0
            reading.cancel()
            await self._intake.close()
            await runner.cleanup()

    async def _bind(self, connections: Connections) -> asyncio.Server:
        """Take the port, as soon as whoever else has it lets go of it."""
        self._connections = connections
        loop, seconds = asyncio.get_running_loop(), _FIRST_SECONDS
        while True:
            try:
                server = await loop.create_server(connections, self._listen.host, self._listen.port)
            except OSError as error:
                self.note = await asyncio.to_thread(trouble, self._listen, error)
                await self._say("port", self.note)
                await asyncio.sleep(seconds)
                seconds = min(2 * seconds, _LONGEST_SECONDS)
            else:
                self.port = server.sockets[0].getsockname()[1]
                self._log.info("sources are heard on %s port %d", self._listen.host, self.port)
                self.note = ""
                await self._say("port", "")
                return server

    async def _read_secrets(self) -> None:
        """Until there are all."""
        seconds = _FIRST_SECONDS
        while why := await asyncio.to_thread(self._secrets.read):
            await self._say("secrets", why)
            await asyncio.sleep(seconds)
            seconds = min(2 * seconds, _LONGEST_SECONDS)
        await self._say("secrets", "")

    async def _say(self, cause: str, reason: str) -> None:
        if self._report is not None:
            await self._report(cause, reason)

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        answer = await self._respond(request)
        if answer.status != 200 or request.path == "/":
            # Who proves nothing has no use for the connection; others make a new one.
            answer.force_close()
        return answer

    async def _respond(self, request: web.BaseRequest) -> web.Response:
        name, _, rest = request.path.removeprefix("/").partition("/")
        path = tuple(part for part in rest.split("/") if part)
        if not name:
            return _says(200, "ok") if request.method in ("GET", "HEAD") else _says(405, "A source has a name.")
        if (refusal := admission.refusal(request.headers, self._names(request))) is not None:
            return _says(*refusal)
        if name not in self._kinds:
            return _says(404, "There is no source of this name.")
        if (proof := self._secrets.of(name)) is None:
            return _come_again("The secret of this source cannot be read here")
        if not proof.accepts(request.headers.get("Authorization", ""), request.query):
            self._complain(name, "a request without the right secret was refused")
            return _says(401, "The secret is missing or wrong.", {"WWW-Authenticate": CHALLENGE})
        if request.method not in ("POST", "PUT") and not (path and request.method in ("GET", "HEAD")):
            return _says(405, "A source uses POST.", {"Allow": "POST"})
        self._connections.prove(request.protocol)
        try:
            if REHEARSAL in request.headers:
                await self._intake.rehearse(name, (_TEST,))
                return _says(200, "Stored, and taken back.")
            return await self._hear(name, path, request)
        except (StoreError, TooMany) as error:
            self._complain(name, f"what it says could not be stored, and it was asked to come again: {error}")
            return _come_again("It could not be stored")
        except body.NoRoom:
            self._complain(name, "it was asked to come again, as too much is being heard at once")
            return _come_again("Too much is being heard at once")
        except TimeoutError:
            self._complain(name, "it was asked to come again, as its payload came too slowly")
            return _come_again("The payload came too slowly")

    def _names(self, request: web.BaseRequest) -> set[str]:
        """By which it may have called us: also by the address at which it has reached us."""
        here = None if request.transport is None else request.transport.get_extra_info("sockname")
        return self._hosts | {admission.plain_address(here[0])} if here else self._hosts

    async def _hear(self, name: str, path: tuple[str, ...], request: web.BaseRequest) -> web.Response:
        with self._memory.share() as share:
            try:
                await _continue(request)
                kept, longest = (_PING_BYTES, _PING_BYTES) if path else (KEPT_BYTES, body.MAX_BYTES)
                sent = await body.read(request, share, kept, longest)
            except (aiohttp.ClientPayloadError, web.RequestPayloadError, ConnectionError):
                return _says(400, "The payload could not be read to its end.")
            if sent.is_cut and not path:
                size = f"larger than {body.MAX_BYTES // 2**20} MiB"
                await self._reject(name, [Rejected(f"The payload is {size}; this is its beginning.", sent.data)])
                return _says(200, f"It is {size}: only its beginning is kept, for a person.")
            try:
                return await self._understand(name, path, request, sent.data)
            except BadPayload as error:
                await self._reject(name, [Rejected(str(error), sent.data)])
                return _says(400, str(error))
            except (StoreError, TooMany):
                raise
            except Exception as error:
                # A mistake of ours, in reading it or in storing it: a person should see what it was about.
                self._log.exception("what %s says could not be taken in", name)
                await self._reject(name, [Rejected(f"It could not be taken in: {type(error).__name__}.", sent.data)])
                return _says(500, "It could not be taken in.")

    async def _understand(
        self, name: str, path: tuple[str, ...], request: web.BaseRequest, data: bytes
    ) -> web.Response:
        headers = {header.lower(): value for header, value in request.headers.items()}
        asked = Request(name, headers=headers, path=path)
        if self._kinds[name] == "oracle_cloud" and (link := confirmation(asked)) is not None:
            return await self._subscribe(name, link)
        is_short = len(data) <= _SHORT
        news, rejected = self._read(asked, data) if is_short else await asyncio.to_thread(self._read, asked, data)
        if rejected and not news:
            raise BadPayload(rejected[0].reason)
        if is_read_again := not rejected and self._is_read_again(name):
            news = (*news, _misunderstanding(name))
        await self._intake.store(name, news)
        self._note_heard(name)
        if rejected:
            await self._reject(name, rejected)
            return _says(200, f"Stored, but for {len(rejected)} that could not be read: {rejected[0].reason}")
        if is_read_again and self._is_read_again(name):  # nothing was refused meanwhile
            del self._misunderstood[name]
        return _says(200, "Stored.")

    def _is_read_again(self, name: str) -> bool:
        """Whether a payload that can be read means that all can. One group says nothing of another, which was refused;
        that one would have come again in this time."""
        last = self._misunderstood.get(name)
        return last is not None and not 0 <= time.time() - last < self._repeats.get(name, 0.0)

    def _read(self, asked: Request, data: bytes) -> tuple[News, list[Rejected]]:
        """What it says, and what of it cannot be read. Raises BadPayload."""
        content = body.text(data) if asked.path else body.parsed(data)
        found = PARSERS[self._kinds[asked.source]](Request(asked.source, content, asked.headers, asked.path))
        news = tuple(each for each in found if not isinstance(each, Unreadable))
        return news, [_rejected(each) for each in found if isinstance(each, Unreadable)]

    async def _subscribe(self, name: str, link: str) -> web.Response:
        if await self._confirm(link):
            self._log.info("%s has subscribed us, which was confirmed", name)
            return _says(200, "Confirmed.")
        self._complain(name, "its subscription could not be confirmed")
        return _come_again("It could not be confirmed")

    def _note_heard(self, name: str) -> None:
        self.heard[name] = to_text(time.time())

    async def _reject(self, name: str, rejected: Sequence[Rejected]) -> None:
        """Keep it for a person, and tell: it may have been an alert. Raises StoreError; then it is not refused yet."""
        await asyncio.to_thread(keep, self._hub, name, rejected)
        self._note_heard(name)
        reason = rejected[0].reason
        self._complain(name, f"a payload was refused and kept: {reason}")
        self._misunderstood[name] = time.time()
        try:
            await self._intake.store(name, (_misunderstanding(name, reason),))
        except (StoreError, TooMany):
            raise
        except Exception:
            self._log.exception("that %s was not understood cannot be told", name)

    def _complain(self, name: str, what: str) -> None:
        """In the log, but not more often than somebody reads it."""
        now, about = time.monotonic(), (name, what[:20])
        if now - self._complained.get(about, -_LOG_SECONDS) >= _LOG_SECONDS:
            self._complained[about] = now
            self._log.warning("source %s: %s", name, what)


async def ask_once(link: str) -> bool:
    """Ask for an address and follow it nowhere; whether that was welcome."""
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_CONFIRM_SECONDS)) as session,
            session.get(link, allow_redirects=False) as answer,
        ):
            return 200 <= answer.status < 300
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
        return False


async def _continue(request: web.BaseRequest) -> None:
    """Let a source send its body that asks before it does."""
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0


def _says(status: int, sentence: str, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(status=status, text=f"{sentence}\n", headers={"Server": "teamsup", **(headers or {})})


def _come_again(why: str) -> web.Response:
    return _says(503, f"{why}; come again.", {"Retry-After": str(_RETRY_SECONDS)})


def _rejected(unreadable: Unreadable) -> Rejected:
    try:
        part = json.dumps(unreadable.part, ensure_ascii=False)
    except (RecursionError, ValueError):
        part = ""
    return Rejected(unreadable.reason, part.encode("utf-8", "replace"))


def _seconds(moment: datetime | None) -> float:
    return 0.0 if moment is None else moment.timestamp()


def _misunderstanding(name: str, reason: str = "") -> Alert:
    """That a source is not understood, which may hide any other problem; without a reason: that it is again."""
    title = f"Some payloads of {name} could not be read" if reason else f"All payloads of {name} can be read again"
    text = f"{reason} What it was: teamsup alerts refused" if reason else ""
    return Alert(name, "refused", bool(reason), title, text=text, thing="refused", key_returns=True)


class _Strangers(logging.Filter):
    """Leaves out what is wrong with requests that are no HTTP: anybody could fill the log with them."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        return not isinstance(error, HttpProcessingError | web.RequestPayloadError)


def _quiet_log() -> logging.Logger:
    log = logging.getLogger("monitor-bridge.http")
    log.filters = [_Strangers()]
    return log
