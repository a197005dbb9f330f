"""REST v10 over HTTP: the way of a request through faults, login, limits and its handler."""

import asyncio
import inspect
import json
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from email.utils import formatdate

from aiohttp import web

from ..faults import Fault, FaultPlan
from ..gateway.connection import reset_connection
from ..gateway.gateway import FakeGateway
from ..world.api_errors import ApiError, unauthorized, unknown_route
from ..world.models import Json
from ..world.payloads import signature
from ..world.world import FakeWorld
from .calls import Handler, RestAnswer, RestCall, read_body
from .rate_limits import VIA, RateLimitTracker, too_many_requests
from .routes import ROUTES, WITHOUT_LOGIN

_log = logging.getLogger(__name__)
API_PREFIX = "/api/v10"
_MAX_RECORDED = 20_000


@dataclass(frozen=True)
class RecordedRequest:
    """What the bot asked for, and how it went. 0: it got no answer."""

    at: float  # time.monotonic()
    method: str
    path: str
    status: int
    took: float  # this Discord's own time, without planned delays
    body: Json | list[Json]


class RestApi:
    def __init__(self, world: FakeWorld, gateway: FakeGateway, faults: FaultPlan) -> None:
        self._world = world
        self._gateway = gateway
        self._faults = faults
        self._limits = RateLimitTracker(world.rules)
        self.requests: deque[RecordedRequest] = deque(maxlen=_MAX_RECORDED)

    def add_to(self, app: web.Application) -> None:
        for routes, login in ((ROUTES, True), (WITHOUT_LOGIN, False)):
            for method, path, handler in routes:
                app.router.add_route(method, API_PREFIX + path, self._serve(handler, login=login))
        app.router.add_get("/attachments/{channel}/{attachment}/{filename}", self._download)
        app.router.add_route("*", API_PREFIX + "/{rest:.*}", self._serve(_no_content, login=True))
        for path in ("/gateway/", "/resume/"):
            app.router.add_get(path, self._socket)

    def _serve(self, handler: Handler, *, login: bool) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def serve(request: web.Request) -> web.StreamResponse:
            path = request.path.removeprefix(API_PREFIX)
            fault = self._faults.pick(f"{request.method} {path}")
            if fault is not None and (failed := await _fault_before(fault, request)) is not None:
                self._record(request, path, 0 if fault.kind == "reset" else failed.status, 0.0, {})
                return failed
            started = time.monotonic()
            response, body = await self._answer(request, path, handler, login=login)
            took = time.monotonic() - started
            if fault is not None and (failed := await _fault_after(fault, request)) is not None:
                response = failed
            lost = fault is not None and fault.kind == "lost reply"
            response.headers["Date"] = formatdate(self._world.clock.now(), usegmt=True)
            self._record(request, path, 0 if lost else response.status, took, body)
            return response

        return serve

    def _record(self, request: web.Request, path: str, status: int, took: float, body: Json | list[Json]) -> None:
        self.requests.append(RecordedRequest(time.monotonic(), request.method, path, status, took, body))

    async def _answer(
        self, request: web.Request, path: str, handler: Handler, *, login: bool
    ) -> tuple[web.Response, Json | list[Json]]:
        headers: dict[str, str] = {}
        body: Json | list[Json] = {}
        try:
            if login and request.headers.get("Authorization") != f"Bot {self._world.rules.token}":
                raise unauthorized()
            headers, refused = self._limits.count(request.method, path)
            if refused is not None:
                return refused, {}
            draft = await read_body(request)
            body = draft.fields
            call = RestCall(self._world, self._gateway, dict(request.match_info), dict(request.query), draft)
            answer = handler(call)
            return _json_response(200, await answer if inspect.isawaitable(answer) else answer, headers), body
        except ApiError as refusal:
            return _json_response(refusal.status, refusal.body, headers), body
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            # Not a 500: discord.py would try again, quietly and for long.
            _log.exception("%s %s with %s", request.method, path, body)
            return _json_response(400, {"message": f"Not understood: {error!r}", "code": 50035}, headers), body

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        fault = self._faults.pick(f"GET {request.path}")
        if fault is not None and (failed := await _fault_before(fault, request)) is not None:
            return failed
        return await self._gateway.serve(request)

    async def _download(self, request: web.Request) -> web.StreamResponse:
        """The CDN: no login, but a signed link that lives for a day."""
        names, ends = request.match_info, request.query.get("ex", "0")
        fault = self._faults.pick(f"GET {request.path}")
        if fault is not None and (failed := await _fault_before(fault, request)) is not None:
            return failed
        number = int(names["attachment"])
        valid = request.query.get("hm") == signature(number, ends) and int(ends, 16) > self._world.clock.now()
        channel = self._world.channels.get(int(names["channel"]))
        for message in channel.messages.values() if channel is not None and valid else ():
            for attachment in message.attachments:
                if attachment.id == number:
                    return web.Response(body=attachment.content, content_type=attachment.content_type)
        return web.Response(status=404, text="This content is no longer available.")


def _no_content(call: RestCall) -> RestAnswer:  # noqa: ARG001
    raise unknown_route()


def _json_response(status: int, answer: RestAnswer, headers: dict[str, str]) -> web.Response:
    if answer is None:
        return web.Response(status=204, headers={**VIA, **headers})
    # discord.py reads JSON only where exactly this stands, without a charset.
    kind = {"Content-Type": "application/json"}
    return web.Response(status=status, body=json.dumps(answer).encode(), headers={**VIA, **kind, **headers})


async def _fault_before(fault: Fault, request: web.Request) -> web.Response | None:
    """What is answered instead of doing anything."""
    if fault.kind == "reset":
        await request.read()
        reset_connection(request)
        return web.Response()
    if fault.kind in ("503 before", "500 before"):
        await request.read()
        return _service_unavailable(int(fault.kind[:3]))
    if fault.kind == "401 before":
        refusal = unauthorized()
        return _json_response(refusal.status, refusal.body, {})
    if fault.kind == "429":
        return too_many_requests(fault.seconds)
    if fault.kind == "429 everywhere":
        return too_many_requests(fault.seconds, everywhere=True)
    if fault.kind == "403 elsewhere":
        return web.Response(status=403, text="<html>Access denied</html>", content_type="text/html")
    if fault.kind == "cloudflare ban":
        return web.Response(status=429, text="<html>error 1015</html>", content_type="text/html")
    if fault.kind == "delay":
        await asyncio.sleep(fault.seconds)
    return None


async def _fault_after(fault: Fault, request: web.Request) -> web.Response | None:
    """What is answered instead of the truth, when all was done."""
    if fault.kind == "lost reply" and request.transport is not None:
        request.transport.abort()
        return web.Response()
    if fault.kind == "503 after":
        return _service_unavailable(503)
    if fault.kind == "slow reply":
        await asyncio.sleep(fault.seconds)
    return None


def _service_unavailable(status: int) -> web.Response:
    return web.Response(status=status, text="upstream connect error", content_type="text/plain", headers=VIA)
