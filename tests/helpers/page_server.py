"""The page: its server on a thread of the test, its worker as a process, and a client that speaks HTTP as it likes."""

import asyncio
import contextlib
import http.client
import json
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlencode, urlsplit

from helpers.support import TIMEOUT_SECONDS, clean_environment, eventually
from teamsup.config.components import installed_tables
from teamsup.hub import MessageHub, Team
from teamsup.workers.web.access.authenticator import owner_name
from teamsup.workers.web.access.sessions import create_link
from teamsup.workers.web.page import Form, Page
from teamsup.workers.web.pages import FORMS, PAGES
from teamsup.workers.web.sections import WebSection
from teamsup.workers.web.server import PageServer


@dataclass(frozen=True)
class PageAnswer:
    status: int
    headers: Mapping[str, str]
    text: str


@dataclass
class PageClient:
    """A browser without a window: it keeps cookies, and says where a form comes from."""

    port: int
    cookies: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, **headers: str) -> PageAnswer:
        return self.request("GET", path, headers=headers)

    def post(self, path: str, fields: Mapping[str, str], **headers: str) -> PageAnswer:
        own = {"Origin": f"http://127.0.0.1:{self.port}", "Content-Type": "application/x-www-form-urlencoded"}
        return self.request("POST", path, urlencode(fields), own | headers)

    def request(self, method: str, path: str, body: str = "", headers: Mapping[str, str] | None = None) -> PageAnswer:
        """One request. A header that is empty is not sent."""
        cookies = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        given = {name: value for name, value in (cookies | dict(headers or {})).items() if value}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            connection.request(method, path, body or None, given)
            answer = connection.getresponse()
            for header in answer.headers.get_all("Set-Cookie", []):
                self.cookies |= {name: morsel.value for name, morsel in SimpleCookie(header).items()}
            return PageAnswer(answer.status, dict(answer.headers), answer.read().decode())

    @contextlib.contextmanager
    def stream(self, path: str) -> Iterator["EventReader"]:
        """The events of the page at that path."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_SECONDS)
        with contextlib.closing(connection):
            cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
            connection.request("GET", path, headers={"Cookie": cookies})
            answer = connection.getresponse()
            assert answer.status == 200, answer.read()
            yield EventReader(answer)

    def sign_in(self, secret: str) -> PageAnswer:
        return self.post("/sign-in", {"secret": secret})


@dataclass(frozen=True)
class EventReader:
    """Reads the events of a stream, one after another."""

    answer: http.client.HTTPResponse

    def next(self) -> tuple[str, dict[str, Any]] | None:
        """The name and the data of the next event; None at the end of the stream."""
        name = ""
        while line := self.answer.readline().decode():
            key, _, value = line.rstrip("\n").partition(": ")
            if key == "event":
                name = value
            elif key == "data":
                return name, json.loads(value)
        return None

    def until(self, name: str) -> dict[str, Any]:
        """The data of the next event of that name."""
        while (event := self.next()) is not None:
            if event[0] == name:
                return event[1]
        raise AssertionError(f"the stream has ended without {name}")


@dataclass(frozen=True)
class ServedPages:
    """Pages that are served by a thread of the test."""

    hub: MessageHub
    server: PageServer
    port: int

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, person: str = "") -> PageClient:
        """A client that is signed in as this person, by default as the owner."""
        client = PageClient(self.port)
        assert client.sign_in(create_link(self.hub, person or owner_name(), time.time())).status == 303
        return client


@contextlib.contextmanager
def served_pages(
    hub: MessageHub,
    section: WebSection | None = None,
    pages: tuple[Page, ...] = PAGES,
    forms: tuple[Form, ...] = FORMS,
) -> Iterator[ServedPages]:
    """The server, until the context ends."""
    started: list[tuple[asyncio.AbstractEventLoop, asyncio.Event, PageServer, int]] = []

    async def run() -> None:
        server = PageServer(hub, section or WebSection(), logging.getLogger("web"), pages, forms)
        port = await server.start((0,))
        stopping = asyncio.Event()
        started.append((asyncio.get_running_loop(), stopping, server, port))
        await stopping.wait()
        await server.close()

    thread = threading.Thread(target=asyncio.run, args=[run()])
    thread.start()
    try:
        eventually(lambda: started, "the pages are served")
        yield ServedPages(hub, *started[0][2:])
    finally:
        loop, stopping, *_ = started[0]
        loop.call_soon_threadsafe(stopping.set)
        thread.join(TIMEOUT_SECONDS)
        assert not thread.is_alive()


@dataclass
class WebProcess:
    """The worker as a process of its own, without a supervisor. It can be ended and started again."""

    team: Team
    hub: MessageHub
    stderr: int | None = None
    process: subprocess.Popen[bytes] | None = None

    def start(self, *, is_served: bool = True) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "teamsup.workers.web", "--team", self.team.name],
            env={
                **clean_environment(),
                "TEAMSUP_HOME": str(self.team.folder.parent),
            },
            stderr=self.stderr,
        )
        pid = self.process.pid
        if is_served:
            eventually(lambda: self._presence().get("pid") == pid and self.address, "the page is served")

    def stop(self) -> None:
        assert self.process is not None
        self.process.terminate()
        assert self.process.wait(TIMEOUT_SECONDS) == 0
        self.process = None

    @property
    def address(self) -> str:
        return str(self._presence().get("address", ""))

    @property
    def port(self) -> int:
        return urlsplit(self.address).port or 0

    def link(self, person: str = "") -> str:
        """A link as ``teamsup open`` prints it."""
        return f"{self.address}/sign-in#{create_link(self.hub, person or owner_name(), time.time())}"

    def _presence(self) -> Mapping[str, Any]:
        agent = self.hub.find_agent("web")
        return {} if agent is None else agent.metadata


@contextlib.contextmanager
def web_process(team: Team, *, is_served: bool = True, stderr: int | None = None) -> Iterator[WebProcess]:
    """The worker of a team until the context ends; it has then ended well."""
    with MessageHub(team, agent="observer") as hub:
        for tables in installed_tables():
            hub.maintenance.migrate_component(tables)
        web = WebProcess(team, hub, stderr)
        web.start(is_served=is_served)
        try:
            yield web
        finally:
            if web.process is not None:
                web.stop()
