"""The HTTP server of the page: permissions, whole pages, single regions, streams, and forms."""

import asyncio
import functools
import logging
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import unquote, urlencode

from aiohttp import web

from teamsup.hub import CallerError, MessageHub, StoreError

from .access.authenticator import TOKEN_FIELD, Authenticator, accepts_token
from .access.request_check import SAFE_METHODS, check_host, check_origin, find_client, is_local_path
from .access.sessions import SESSION_SECONDS, Session
from .live.live_pages import LivePages
from .live.stream import Stream
from .page import REGION_QUERY, Form, Page, PageContext, RenderedRegion, Viewer
from .pages import FORMS, PAGES
from .pages.plain_pages import render_error, render_sign_in
from .run_files import remove_link
from .sections import WebSection
from .static_files import read_static_files

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
        " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    # With no-referrer a browser would hide from us where a form comes from.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Server": "teamsup",
}
STREAM_QUERY = "stream"
"""The key of a query that asks for the page's stream."""
MAX_STREAMS = 200
_SESSION_CHECK_SECONDS = 15.0
_MAX_NOTICES = 1000
MAX_FORMS = 8
"""The maximum number of forms that are handled at the same time; others wait."""
_MAX_BODY_BYTES = 2**20
_CLOSE_SECONDS = 2.0
_RETRY_SECONDS = 5

_SENTENCES = {
    404: "There is no such page.",
    405: "This address does not accept this request.",
    413: "The request is too long.",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class RefusedForm(CallerError):
    """The person may not send this form, or another site has made the browser send it."""


class PageServer:
    """Serves the pages until it is closed."""

    def __init__(
        self,
        hub: MessageHub,
        section: WebSection,
        log: logging.Logger,
        pages: tuple[Page, ...] = PAGES,
        forms: tuple[Form, ...] = FORMS,
    ) -> None:
        self._hub = hub
        self._section = section
        self._log = log
        self._access = Authenticator(hub, section.operators)
        self._notices: dict[tuple[str, str], str] = {}
        """The sentences about sent forms, by session and by the next address. So another tab does not show the
        sentence.
        """
        self._state_file = hub.team.folder / "supervisor.json"
        # A form may wait for an answer. Pages and heartbeats must not wait for a thread that such a form holds.
        self._form_threads = ThreadPoolExecutor(MAX_FORMS, "form")
        self.live = LivePages(self._find_change, log)
        application = web.Application(middlewares=[self._guard], client_max_size=_MAX_BODY_BYTES, logger=log)
        application.add_routes(
            [
                web.get("/static/{name}", self._send_static),
                web.get("/favicon.ico", self._send_no_icon),
                web.get("/sign-in", self._ask_to_sign_in),
                web.post("/sign-in", self._sign_in),
                web.post("/sign-out", self._sign_out),
                *(web.get(page.route, functools.partial(self._show, page)) for page in pages),
                *(web.post(form.route, functools.partial(self._submit, form)) for form in forms),
            ]
        )
        # A page that is closed ends its stream at once.
        self._runner = web.AppRunner(
            application, access_log=None, handler_cancellation=True, shutdown_timeout=_CLOSE_SECONDS
        )

    async def start(self, ports: tuple[int, ...]) -> int:
        """Listen at the first free port of these, and return the port. Raise OSError if all of them are in use."""
        if self._runner.server is None:
            await self._runner.setup()
        for port in ports:
            site = web.TCPSite(self._runner, self._section.address.host, port)
            try:
                await site.start()
            except OSError:
                if port == ports[-1]:
                    raise
            else:
                break
        return int(self._runner.addresses[0][1])

    async def close(self) -> None:
        """End the streams, answer open requests, and close the port."""
        self.live.close()
        await self._runner.cleanup()
        self._form_threads.shutdown(wait=False, cancel_futures=True)

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Check each request, and add the headers that protect the page to each answer."""
        try:
            response = await self._answer(request, handler)
        except web.HTTPException as error:
            response = _explain(request, error.status, error.reason, _SENTENCES.get(error.status, ""))
        except RefusedForm as error:
            response = _explain(request, 403, "Not done", str(error))
        except CallerError as error:
            status, title = (404, "Not here") if request.method in SAFE_METHODS else (409, "Not done")
            response = _explain(request, status, title, str(error))
        except StoreError as error:
            # The trouble may pass, so a page that was only read loads itself again.
            again = _RETRY_SECONDS if request.method in SAFE_METHODS else 0
            response = _explain(request, 503, "Not known now", str(error), again)
        except Exception:
            # The path has no secret: a secret is after # or in the body.
            self._log.exception("%s %s failed", request.method, request.rel_url.path)
            response = _explain(request, 500, "Not shown", "This page has a fault. The log of web says more.")
        if not response.prepared:
            response.headers.update(SECURITY_HEADERS)
            response.headers.setdefault("Cache-Control", "no-store")
        return response

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if refusal := check_host(request.headers, self._section.hosts):
            return _explain(request, 421, "Not this address", refusal)
        if refusal := check_origin(request.method, request.headers):
            raise RefusedForm(refusal)
        return await handler(request)

    async def _send_static(self, request: web.Request) -> web.Response:
        file = read_static_files().get(request.match_info["name"])
        if file is None:
            raise web.HTTPNotFound
        is_pinned = request.query.get("v") == file.version
        headers = {"Cache-Control": "max-age=31536000, immutable" if is_pinned else "no-cache"}
        return web.Response(body=file.content, content_type=file.content_type, charset="utf-8", headers=headers)

    async def _send_no_icon(self, _request: web.Request) -> web.Response:
        return web.Response(status=204)

    async def _ask_to_sign_in(self, request: web.Request, status: int = 200, trouble: str = "") -> web.Response:
        wanted = "/" if request.path == "/sign-in" else request.path_qs
        return _html(render_sign_in(self._hub.team.name, wanted, trouble), status)

    async def _sign_in(self, request: web.Request) -> web.Response:
        fields = await _read_fields(request)
        address = find_client(
            request.remote or "", request.headers.getall("X-Forwarded-For", ()), self._section.trusted_proxies
        )
        if wait := self._access.seconds_to_wait(address):
            seconds = int(wait) + 1
            response = await self._ask_to_sign_in(request, 429, f"Too many tries. Try again in {seconds} s.")
            response.headers["Retry-After"] = str(seconds)
            return response
        session = await self._access.sign_in(fields.get("secret", ""), address, request.headers.get("User-Agent", ""))
        if session is not None:
            await asyncio.to_thread(remove_link, self._hub.team.run, fields.get("secret", "").strip())
        else:
            return await self._ask_to_sign_in(request, 403, "This link is wrong, too old, or was used already.")
        wanted = fields.get("next", "/")
        response = _redirect(wanted if is_local_path(wanted) else "/")
        response.set_cookie(
            self._access.cookie,
            session.secret,
            max_age=int(SESSION_SECONDS),
            httponly=True,
            samesite="Lax",
            # Behind a proxy with TLS only the browser's Origin shows that it used TLS.
            secure=request.headers.get("Origin", "").startswith("https:"),
        )
        return response

    async def _sign_out(self, request: web.Request) -> web.Response:
        session = await self._find_session(request)
        if session is not None:
            _check_token(session, await _read_fields(request))
            await self._access.sign_out(session)
        response = _redirect("/sign-in")
        response.del_cookie(self._access.cookie)
        return response

    async def _show(self, page: Page, request: web.Request) -> web.StreamResponse:
        session = await self._find_session(request, is_recent_enough=REGION_QUERY in request.query)
        if session is None:
            if STREAM_QUERY in request.query or REGION_QUERY in request.query:
                return _plain(401, "Sign in first.")
            return await self._ask_to_sign_in(request, 401)
        viewer = self._access.viewer_of(session)
        if STREAM_QUERY in request.query:
            return await self._stream(page, request, viewer)
        if region := request.query.get(REGION_QUERY):
            return await self._send_region(page, region, request, viewer)
        context = self._context_of(
            request, viewer, self._notices.pop((session.csrf_token, unquote(request.raw_path)), "")
        )
        return _html(await asyncio.to_thread(page.show, context))

    async def _send_region(self, page: Page, name: str, request: web.Request, viewer: Viewer) -> web.Response:
        region = page.find_region(name)
        if region is None:
            return _plain(404, "There is no such region.")
        shown = self.live.find_region(_key_of(request, viewer), name)
        if shown is None:
            shown = await asyncio.to_thread(region.show, self._context_of(request, viewer))
        response = _html(shown.html)
        response.headers["Region-Version"] = shown.version
        return response

    async def _stream(self, page: Page, request: web.Request, viewer: Viewer) -> web.StreamResponse:
        if self.live.count >= MAX_STREAMS:
            return _plain(503, "Too many pages are open.")

        def render() -> dict[str, RenderedRegion]:
            context = self._context_of(request, viewer)
            return {region.id: region.show(context) for region in page.regions}

        headers = {**SECURITY_HEADERS, "Content-Type": "text/event-stream", "Cache-Control": "no-store"}
        response = web.StreamResponse(headers=headers)
        async with self.live.follow(_key_of(request, viewer), render) as stream:
            await response.prepare(request)
            checking = asyncio.create_task(self._check_session(request, stream))
            try:
                async for event in stream.events(time.time):
                    await response.write(event)
            finally:
                checking.cancel()
        return response

    async def _check_session(self, request: web.Request, stream: Stream) -> None:
        """Close the stream of a browser that has signed out elsewhere."""
        while True:
            await asyncio.sleep(_SESSION_CHECK_SECONDS)
            try:
                session = await self._find_session(request)
            except StoreError:
                continue
            if session is None:
                stream.close()
                return

    async def _submit(self, form: Form, request: web.Request) -> web.StreamResponse:
        session = await self._find_session(request)
        if session is None:
            return await self._ask_to_sign_in(request, 401)
        viewer = self._access.viewer_of(session)
        fields = await _read_fields(request)
        _check_token(session, fields)
        if not (viewer.may_act or form.is_for_all):
            raise RefusedForm(f"{viewer.name} may look, but not act. See operators in [web] of teamsup.toml.")
        context, loop = self._context_of(request, viewer), asyncio.get_running_loop()
        outcome = await loop.run_in_executor(self._form_threads, form.submit, context, fields)
        if _wants_text(request):
            return _plain(200, outcome.sentence)
        if outcome.sentence:
            self._notices[session.csrf_token, unquote(outcome.address.partition("#")[0])] = outcome.sentence
            while len(self._notices) > _MAX_NOTICES:
                del self._notices[next(iter(self._notices))]
        return _redirect(outcome.address)

    async def _find_session(self, request: web.Request, *, is_recent_enough: bool = False) -> Session | None:
        return await self._access.find_session(request.cookies, is_recent_enough=is_recent_enough)

    def _context_of(self, request: web.Request, viewer: Viewer, notice: str = "") -> PageContext:
        return PageContext(
            self._hub, self._hub.team, viewer, dict(request.match_info), _filters_of(request), time.time(), notice
        )

    def _find_change(self) -> object:
        """Return a value that differs after each commit, and after each change of the supervisor's state."""
        try:
            stat = os.stat(self._state_file)
        except OSError:
            return self._hub.data_version(), 0, 0
        return self._hub.data_version(), stat.st_mtime_ns, stat.st_ino


def _check_token(session: Session, fields: Mapping[str, str]) -> None:
    if not accepts_token(session, fields.get(TOKEN_FIELD, "")):
        raise RefusedForm("This form is from an earlier session. Load the page again.")


def _key_of(request: web.Request, viewer: Viewer) -> tuple[str, str, Viewer]:
    return request.path, urlencode(_filters_of(request)), viewer


def _filters_of(request: web.Request) -> Mapping[str, str]:
    return {key: value for key, value in request.query.items() if key not in (REGION_QUERY, STREAM_QUERY)}


async def _read_fields(request: web.Request) -> Mapping[str, str]:
    return {key: value for key, value in (await request.post()).items() if isinstance(value, str)}


def _html(text: str, status: int = 200) -> web.Response:
    return web.Response(status=status, text=text, content_type="text/html")


def _plain(status: int, sentence: str) -> web.Response:
    return web.Response(status=status, text=f"{sentence}\n")


def _explain(request: web.Request, status: int, title: str, sentence: str, retry_seconds: int = 0) -> web.Response:
    if _wants_text(request):
        return _plain(status, sentence)
    return _html(render_error(title, sentence, retry_seconds), status)


def _wants_text(request: web.Request) -> bool:
    """Return whether a script has sent the form. It shows the sentence beside the form."""
    return request.headers.get("Accept") == "text/plain"


def _redirect(address: str) -> web.Response:
    return web.Response(status=303, headers={"Location": address})
