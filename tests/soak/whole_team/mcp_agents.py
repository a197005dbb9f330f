"""Agents with a session: real MCP servers over stdio, and a model that follows a script. A session whose server is
killed begins again.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from helpers.mcp_session import SessionModel, open_session
from teamsup.hub import Team

from .alert_sources import NONCE as ALERT
from .alert_sources import AlertSources
from .book import Book

_MESSAGE = re.compile(r"<message (\S+) #(\d+) from ([^,]+), [^>]*>\n(.*?)\n</message \1>", re.DOTALL)
_QUESTION = re.compile(r"(?:how about|question|answer to) (?P<nonce>(ask|talk)-\d+)\b")
"""At the beginning of a message. A reminder of a question quotes it later, and gets no second answer."""
_INCIDENT = re.compile(r"Incident \d+")
_WAIT_SECONDS = 5.0
_PAUSE_SECONDS = 0.5


@dataclass
class McpAgents:
    """``lead`` answers people and ``scout``; ``watch`` acknowledges alerts."""

    team: Team
    environment: dict[str, str]
    people: Book
    alerts: AlertSources
    book: Book = field(default_factory=lambda: Book("MCP agents"))
    sessions: int = 0
    to_send: int = 0
    """How many messages scout may still send now."""
    _troubles: dict[str, int] = field(default_factory=dict)

    def tasks(self) -> list[asyncio.Task[None]]:
        """Start the sessions."""
        work = {"lead": self._lead, "scout": self._scout, "watch": self._watch}
        return [asyncio.create_task(self._keep_session(name, act)) for name, act in work.items()]

    async def _keep_session(self, agent: str, work: Callable[[SessionModel], Awaitable[None]]) -> None:
        while True:
            self.sessions += 1
            try:
                async with open_session(self.team, agent, **self.environment) as model:
                    await work(model)
            except Exception as error:  # after any end of a session its model starts a new one
                name = describe_error(error)
                self._troubles[name] = self._troubles.get(name, 0) + 1
            await asyncio.sleep(_PAUSE_SECONDS)

    @property
    def troubles(self) -> dict[str, int]:
        """What ended sessions, and how often."""
        return dict(self._troubles)

    async def _lead(self, model: SessionModel) -> None:
        while True:
            for number, content in await _read(model):
                if found := _QUESTION.match(content):
                    nonce, kind = found.groups()
                    (self.people if kind == "ask" else self.book).deliver(nonce, number)
                    await model.call("team_send_message", reply_to=f"#{number}", content=f"answer to {nonce}")

    async def _scout(self, model: SessionModel) -> None:
        while True:
            if self.to_send:
                self.to_send -= 1
                nonce = f"talk-{len(self.book.sent) + 1}"
                self.book.begin(nonce)
                # A model that gets an error does not know whether the message is stored, and does not send it again.
                await model.call("team_send_message", recipient="lead", content=f"question {nonce}")
                self.book.confirm(nonce)
            for number, content in await _read(model, 1.0):
                if found := _QUESTION.match(content):
                    self.book.answer(found["nonce"], number)

    async def _watch(self, model: SessionModel) -> None:
        while True:
            for number, content in await _read(model):
                found = ALERT.search(content)
                if found and not self.alerts.is_acknowledged(found[0]):
                    # A reminder of an incident is not another incident.
                    incident = _INCIDENT.match(content)
                    self.alerts.book.deliver(found[0], incident[0] if incident else f"#{number}")
                    await model.call("team_send_message", reply_to=f"#{number}", content=f"ack {found[0]}")
                    self.alerts.acknowledge(found[0])


async def _read(model: SessionModel, seconds: float = _WAIT_SECONDS) -> list[tuple[str, str]]:
    text = await model.call("team_read_messages", wait_seconds=seconds)
    return [(number, content) for _, number, _, content in _MESSAGE.findall(text)]


def describe_error(error: BaseException) -> str:
    """Return the first error of a group, in one line."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}".split("\n")[0][:160]
