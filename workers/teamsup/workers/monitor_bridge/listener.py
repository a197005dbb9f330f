"""Hears the sources over HTTP. Whoever gets 200 can forget what they said: it is stored."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Mapping

import aiohttp
from aiohttp import web
from aiohttp.http import HttpProcessingError

from teamsup.hub import MessageHub, StoreError
from teamsup.hub.source_section import Address, SourceSection

from . import body
from .alert import Alert
from .intake import Intake, Take, TooMany
from .proof import CHALLENGE, Proof, proof_of
from .refused import keep, refused
from .sources import PARSERS, BadPayload, News, Request, confirmation

_IDLE_SECONDS = 30.0
"""Of a connection, and until the headers of a request must have come."""
_CONNECTIONS = 256
_RETRY_SECONDS = 5
_CONFIRM_SECONDS = 10
_LOG_SECONDS = 60.0

Confirm = Callable[[str], Awaitable[bool]]


class Listener:
    """The sources' end of monitor-bridge: http://HOST:PORT/NAME."""

    def __init__(
        self,
        hub: MessageHub,
        take: Take,
        listen: Address,
        sources: Mapping[str, SourceSection],
        *,
        confirm: Confirm | None = None,
    ) -> None:
        """Raises NotConfigured for a secret that cannot be read."""
        self.note = ""
        """What is wrong, for people; empty: nothing."""
        self.port = 0
        """Where it hears; 0: not yet."""
        self._hub = hub
        self._listen = listen
        self._kinds = {name: source.kind for name, source in sources.items()}
        self._proofs: dict[str, Proof] = {name: proof_of(name, source) for name, source in sources.items()}
        self._log = logging.getLogger("monitor-bridge")
        self._intake = Intake(hub, take)
        self._confirm = confirm or ask_once
        self._complained: dict[tuple[str, str], float] = {}
        self._misunderstood = {payload.source for payload in refused(hub)}
        """Sources of which the last that is known was refused, perhaps."""

    async def run(self) -> None:
        """Hear until cancelled."""
        application = web.Application(client_max_size=body.MAX_BYTES)
        application.router.add_get("/", self._health)
        application.router.add_route("*", "/{name}", self._answer)
        application.router.add_route("*", "/{name}/{rest:.*}", self._answer)
        runner = web.AppRunner(
            application, access_log=None, logger=_quiet_log(), keepalive_timeout=_IDLE_SECONDS, shutdown_timeout=5.0
        )
        await runner.setup()
        try:
            server = await self._bind(runner)
            try:
                await asyncio.Event().wait()
            finally:
                server.close()
        finally:
            self.port = 0
            await self._intake.close()
            await runner.cleanup()

    async def _bind(self, runner: web.AppRunner) -> asyncio.Server:
        """Take the port, when whoever else has it lets go of it."""
        http = runner.server
        assert http is not None  # noqa: S101 - after setup()

        def admit() -> asyncio.Protocol:
            return http() if len(http.connections) < _CONNECTIONS else _Full()

        place = f"{self._listen.host} port {self._listen.port}"
        while True:
            try:
                server = await asyncio.get_running_loop().create_server(admit, self._listen.host, self._listen.port)
            except OSError as error:
                if not self.note:
                    self._log.error("cannot hear the sources on %s: %s", place, error.strerror)
                self.note = f"cannot hear the sources on {place}: {error.strerror}"
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                self.note = ""
                self.port = server.sockets[0].getsockname()[1]
                self._log.info("sources are heard on %s port %d", self._listen.host, self.port)
                return server

    async def _health(self, _request: web.Request) -> web.Response:
        return _says(200, "ok")

    async def _answer(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        path = tuple(part for part in request.match_info.get("rest", "").split("/") if part)
        proof = self._proofs.get(name)
        if proof is None:
            return _says(404, "There is no source of this name.")
        if "Origin" in request.headers or "Sec-Fetch-Site" in request.headers:
            return _says(403, "A browser is no source: any page could have made it ask.")
        if not proof.accepts(request.headers.get("Authorization", ""), request.query):
            self._complain(name, "a request without the right secret was refused")
            return _says(401, "The secret is missing or wrong.", {"WWW-Authenticate": CHALLENGE})
        if request.method not in ("POST", "PUT") and not (path and request.method in ("GET", "HEAD")):
            return _says(405, "A source uses POST.", {"Allow": "POST"})
        try:
            return await self._hear(name, path, request)
        except (StoreError, TooMany) as error:
            self._complain(name, f"what it says could not be stored, and it was asked to come again: {error}")
            return _says(503, "It could not be stored; come again.", {"Retry-After": str(_RETRY_SECONDS)})

    async def _hear(self, name: str, path: tuple[str, ...], request: web.Request) -> web.Response:
        data = b""
        try:
            data = await body.read(request)
            return await self._understand(name, path, request, data)
        except TimeoutError:
            return _says(408, "The payload came too slowly.", {"Connection": "close"})
        except body.TooLarge as error:
            await self._refuse(name, str(error), error.beginning)
            return _says(413, str(error), {"Connection": "close"})
        except (aiohttp.ClientPayloadError, web.RequestPayloadError, ConnectionError):
            return _says(400, "The payload could not be read to its end.", {"Connection": "close"})
        except BadPayload as error:
            await self._refuse(name, str(error), data)
            return _says(400, str(error))
        except (StoreError, TooMany):
            raise
        except Exception as error:
            # A mistake of ours, in reading it or in storing it: a person should see what it was about.
            self._log.exception("what %s says could not be taken in", name)
            await self._refuse(name, f"It could not be taken in: {type(error).__name__}.", data)
            return _says(500, "It could not be taken in.")

    async def _understand(self, name: str, path: tuple[str, ...], request: web.Request, data: bytes) -> web.Response:
        headers = {header.lower(): value for header, value in request.headers.items()}
        asked = Request(name, headers=headers, path=path)
        if self._kinds[name] == "oracle_cloud" and (link := confirmation(asked)) is not None:
            return await self._subscribe(name, link)
        news = self._news(asked, data)
        again = (_misunderstanding(name),) if name in self._misunderstood else ()
        await self._intake.store(name, (*news, *again))
        self._misunderstood.discard(name)
        return _says(200, "Stored.")

    def _news(self, asked: Request, data: bytes) -> News:
        content = body.text(data) if asked.path else body.parsed(data)
        return PARSERS[self._kinds[asked.source]](Request(asked.source, content, asked.headers, asked.path))

    async def _subscribe(self, name: str, link: str) -> web.Response:
        if await self._confirm(link):
            self._log.info("%s has subscribed us, which was confirmed", name)
            return _says(200, "Confirmed.")
        self._complain(name, "its subscription could not be confirmed")
        return _says(503, "It could not be confirmed; come again.", {"Retry-After": str(_RETRY_SECONDS)})

    async def _refuse(self, name: str, reason: str, data: bytes) -> None:
        """Keep it for a person, and tell: it may have been an alert. Raises StoreError; then it is not refused yet."""
        await asyncio.to_thread(keep, self._hub, name, reason, data)
        self._complain(name, f"a payload was refused and kept: {reason}")
        self._misunderstood.add(name)
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


def _says(status: int, sentence: str, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(status=status, text=f"{sentence}\n", headers={"Server": "teamsup", **(headers or {})})


def _misunderstanding(name: str, reason: str = "") -> Alert:
    """That a source is not understood, which may hide any other problem; without a reason: that it is again."""
    title = f"What {name} sends is {'not understood' if reason else 'understood again'}"
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


class _Full(asyncio.Protocol):
    """For a connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)  # noqa: S101 - of a server
        with contextlib.suppress(OSError):
            transport.write(b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\n\r\n")
        transport.close()
