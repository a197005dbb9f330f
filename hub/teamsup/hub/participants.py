"""Who takes part in one Claude Code session: its agent, and subagents.

All of them share one MCP server. Who made a call is told by a hook just before it, by the call's tool_use_id, which no
model can choose; without hooks everybody counts as the session's agent. A subagent has a name and a mailbox of its own
where the team knows an agent named like its type; else it works on the session's mailbox, its own reads apart.
"""

import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any, TypeVar

import anyio
import anyio.to_thread

from .errors import TeamsupError
from .message_hub import MessageHub
from .messages import ONLINE, PRESENT_SECONDS
from .session import KEEP_EVERY, Session

T = TypeVar("T")

_BEAT_SECONDS = min(PRESENT_SECONDS / 3, KEEP_EVERY)
_LAST_CALL_SECONDS = 0.8
_LOST_SECONDS = 900.0
"""A subagent that was interrupted ends without a word: after so long with neither call nor hook it is gone."""
_MAX_CALLS = 1000


async def in_hub(action: Callable[[], T]) -> T:
    """Run what may block in a thread. Shielded, so that a cancelled call leaves nothing behind half known."""
    with anyio.CancelScope(shield=True):
        return await anyio.to_thread.run_sync(action)
    raise AssertionError("a shielded scope is never cancelled")


class Participant:
    """One of them: its mailbox, what it has read, and its presence."""

    def __init__(self, hub: MessageHub, *, has_name: bool) -> None:
        self.hub = hub
        self.has_name = has_name
        """Whether the hub's agent is it alone, and not the session's agent for it."""
        self.status = ONLINE
        self.details: dict[str, Any] = {"pid": os.getpid()}
        self.heard = time.monotonic()
        self._session = Session(hub)
        self._turn = anyio.Lock()
        self._calls = 0

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """Its session, for one user at a time."""
        async with self._turn:
            yield self._session

    @asynccontextmanager
    async def calling(self) -> AsyncIterator[None]:
        """For the time of a call it is here, however long that waits."""
        self._calls += 1
        try:
            yield
        finally:
            self._calls -= 1
            self.heard = time.monotonic()

    @property
    def is_lost(self) -> bool:
        return not self._calls and time.monotonic() - self.heard > _LOST_SECONDS

    async def beat(self) -> None:
        """Say how we are."""
        if self.has_name:
            await in_hub(lambda: self.hub.heartbeat(self.status, **self.details))

    async def keep(self) -> None:
        """The session lives: keep its leases and its presence."""
        with suppress(TeamsupError):
            async with self.session() as session:
                await in_hub(session.keep)
            await self.beat()

    async def end_turn(self) -> None:
        """A turn has ended normally: what was read in it is done."""
        async with self.session() as session:
            await in_hub(session.end_last_read)

    async def leave(self) -> None:
        """Give back what is open, and be offline."""
        with suppress(TeamsupError):
            async with self.session() as session:
                await in_hub(session.end)
        if self.has_name:
            with suppress(TeamsupError):
                await in_hub(self._go_offline)

    def _go_offline(self) -> None:
        # Another session of this agent may have come meanwhile; its heartbeats carry its pid.
        if any(agent.metadata.get("pid") == os.getpid() for agent in self.hub.agents(self.hub.agent)):
            self.hub.mark_offline(self.hub.agent)


class Participants:
    """All of one session."""

    def __init__(self, hub: MessageHub) -> None:
        self.main = Participant(hub, has_name=True)
        self._subagents: dict[str, Participant] = {}
        self._callers: dict[str, tuple[str, str]] = {}
        self._entrance = anyio.Lock()

    @asynccontextmanager
    async def present(self) -> AsyncIterator[None]:
        """All take part for as long as the context lasts."""
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._stay)
                yield
                tasks.cancel_scope.cancel()
        finally:
            with anyio.move_on_after(_LAST_CALL_SECONDS, shield=True):
                await self.leave()

    def expect(self, tool_use_id: str, agent_id: str, agent_type: str) -> None:
        """A subagent is about to make that call."""
        self._callers[tool_use_id] = (agent_id, agent_type)
        while len(self._callers) > _MAX_CALLS:
            del self._callers[next(iter(self._callers))]

    async def caller(self, tool_use_id: object) -> Participant:
        """Who made a call."""
        if isinstance(tool_use_id, str) and tool_use_id in self._callers:
            return await self.subagent(*self._callers[tool_use_id])
        return self.main

    async def subagent(self, agent_id: str, agent_type: str) -> Participant:
        """The subagent of that id, who takes part from its first word on."""
        async with self._entrance:
            if agent_id not in self._subagents:
                self._subagents[agent_id] = await in_hub(lambda: self._enter(agent_type))
            found = self._subagents[agent_id]
        found.heard = time.monotonic()
        return found

    def _enter(self, agent_type: str) -> Participant:
        hub = self.main.hub
        # A plugin's agents are called plugin:name.
        name = agent_type.rpartition(":")[2].strip().lower()
        if name == hub.agent or not any(agent.kind == "agent" for agent in hub.agents(name)):
            return Participant(hub, has_name=False)
        own = MessageHub(hub.team, agent=name)
        own.register(pid=os.getpid())
        own.begin_ladder()
        return Participant(own, has_name=True)

    async def dismiss(self, agent_id: str) -> None:
        """A subagent has ended."""
        if (gone := self._subagents.pop(agent_id, None)) is not None:
            await gone.leave()
            if gone.has_name:
                gone.hub.close()

    async def leave(self) -> None:
        """The session ends for all."""
        for agent_id in list(self._subagents):
            await self.dismiss(agent_id)
        await self.main.leave()

    async def begin_ladders(self) -> None:
        """What was announced to them may not have been heard."""
        for participant in (self.main, *self._subagents.values()):
            with suppress(TeamsupError):
                await in_hub(participant.hub.begin_ladder)

    async def hooks_heard(self) -> None:
        """The session's hooks reach us, which is worth knowing when somebody asks why an agent does not listen."""
        first = "hooks" not in self.main.details
        self.main.details["hooks"] = datetime.now(UTC).isoformat(timespec="seconds")
        if first:
            await self.main.beat()

    async def _stay(self) -> None:
        while True:
            await anyio.sleep(_BEAT_SECONDS)
            for agent_id, participant in [*self._subagents.items(), ("", self.main)]:
                if agent_id and participant.is_lost:
                    await self.dismiss(agent_id)
                else:
                    await participant.keep()
