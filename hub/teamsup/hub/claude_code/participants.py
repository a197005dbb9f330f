"""Who takes part in one Claude Code session: its agent, and subagents.

All of them share one MCP server. Who made a call is told by a hook just before it, by the call's tool_use_id, which no
model can choose; without hooks everybody counts as the session's agent. A subagent has a name and a mailbox of its own
where the team knows an agent named like its type; else it works on the session's mailbox, its own reads apart.
"""

import functools
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any, TypeVar

import anyio
import anyio.to_thread

from ..errors import CallerError, TeamsupError
from ..message_hub import MessageHub
from ..messages import ONLINE, PRESENT_SECONDS
from ..team import fold
from .reader import KEEP_EVERY, Reader

T = TypeVar("T")

_BEAT_SECONDS = min(PRESENT_SECONDS / 3, KEEP_EVERY)
_LOST_SECONDS = 900.0
"""A subagent that was interrupted ends without a word: after so long with neither call nor hook it is gone."""
_MAX_CALLS = 1000


async def in_hub(action: Callable[[], T]) -> T:
    """Run what may block in a thread. Shielded, so that a cancelled call leaves nothing behind half known."""
    with anyio.CancelScope(shield=True):
        result = await anyio.to_thread.run_sync(action)
    return result  # noqa: RET504 - a scope might swallow, says its type


class Participant:
    """One of them: its mailbox, what it has read, and its presence."""

    def __init__(self, hub: MessageHub, *, has_name: bool) -> None:
        self.hub = hub
        self.has_name = has_name
        """Whether it is the hub's agent, and does not only work for the session's."""
        self.status = ONLINE
        self.details: dict[str, Any] = {"pid": os.getpid()}
        self.heard = time.monotonic()
        self.holds = 0
        """How often its turn was kept from ending."""
        self._reader = Reader(hub)
        self._turn = anyio.Lock()
        self._calls = 0

    def enter(self) -> None:
        """Be online, and hear of everything that waits. Raises InvalidName when the name is a daemon's."""
        if self.has_name:
            self.hub.register(**self.details)
            self.hub.begin_ladder()

    @asynccontextmanager
    async def reader(self) -> AsyncIterator[Reader]:
        """What it has read, for one user at a time."""
        async with self._turn:
            yield self._reader

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
            async with self.reader() as reader:
                await in_hub(reader.keep)
            await self.beat()

    async def begin_turn(self) -> None:
        """A turn goes on, in which hooks announce; ``teamsup watch`` leaves it in peace."""
        async with self.reader() as reader:
            reader.see()
        if not self.details.get("in_turn"):
            self.details["in_turn"] = True
            await self.beat()

    async def forget_turn(self) -> None:
        """A turn that was broken off never says that it has ended; this says it."""
        if self.details.pop("in_turn", None):
            await self.beat()

    async def end_turn(self) -> None:
        """A turn has ended normally: what was read in it is done."""
        async with self.reader() as reader:
            await in_hub(reader.end_seen)
        await self.forget_turn()

    async def leave(self, *, is_last: bool) -> None:
        """Give back what is open, also what a call is just claiming; the ``is_last`` of its name also goes offline.

        May be cancelled, at the end of the process: then leases end by themselves.
        """
        async with self._turn:
            await anyio.to_thread.run_sync(lambda: self._leave(is_last=is_last), abandon_on_cancel=True)

    def _leave(self, *, is_last: bool) -> None:
        with suppress(TeamsupError):
            self._reader.end()
        if self.has_name:
            # What was announced to us and is not read, others of this name have to hear of.
            with suppress(TeamsupError):
                self.hub.begin_ladder()
        # Another session of this agent may have come meanwhile; its heartbeats carry its pid.
        with suppress(TeamsupError):
            if self.has_name and is_last and self._is_announced():
                self.hub.mark_offline(self.hub.agent)

    def _is_announced(self) -> bool:
        agent = self.hub.agent_named(self.hub.agent)
        return agent is not None and agent.metadata.get("pid") == os.getpid()


class Participants:
    """All of one session."""

    def __init__(self, hub: MessageHub) -> None:
        self.main = Participant(hub, has_name=True)
        self._subagents: dict[str, Participant] = {}
        self._callers: dict[str, tuple[str, str] | None] = {}
        # Claude Code sets it for the server of a plugin; ours comes with hooks.
        self._has_hooks = bool(os.environ.get("CLAUDE_PLUGIN_ROOT"))
        self._entrance = anyio.Lock()

    def expect(self, tool_use_id: str, subagent: tuple[str, str] | None) -> None:
        """The session, or the subagent of that id and type, is about to make that call."""
        self._callers[tool_use_id] = subagent
        while len(self._callers) > _MAX_CALLS:
            del self._callers[next(iter(self._callers))]

    async def caller(self, tool_use_id: object) -> Participant:
        """Who made a call. Raises CallerError when a hook should have told and has not: it may be anybody."""
        if not isinstance(tool_use_id, str):
            return self.main
        if tool_use_id in self._callers:
            subagent = self._callers[tool_use_id]
            return self.main if subagent is None else await self.subagent(*subagent)
        if self._has_hooks or "hooks" in self.main.details:
            # Where no hook was ever heard, only once: they may be switched off.
            self._has_hooks = False
            raise CallerError("Who makes this call was not told; please call again.")
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
        name = fold(agent_type.rpartition(":")[2])
        known = hub.agent_named(name)
        if name == hub.agent or known is None or known.kind != "agent":
            return Participant(hub, has_name=False)
        subagent = Participant(MessageHub(hub.team, agent=name, model=True), has_name=True)
        try:
            subagent.enter()
        except TeamsupError:
            subagent.hub.close()
            raise
        return subagent

    async def dismiss(self, agent_id: str) -> None:
        """A subagent has ended."""
        async with self._entrance:
            if (gone := self._subagents.pop(agent_id, None)) is not None:
                others = {other.hub.agent for other in self._subagents.values() if other.has_name}
                await gone.leave(is_last=gone.hub.agent not in others)
                if gone.has_name:
                    gone.hub.close()

    async def leave(self) -> None:
        """The session ends for all."""
        async with anyio.create_task_group() as tasks:
            for participant in (*self._subagents.values(), self.main):
                tasks.start_soon(functools.partial(participant.leave, is_last=True))

    async def hooks_heard(self) -> None:
        """The session's hooks reach us, which is worth knowing when somebody asks why an agent does not listen."""
        first = "hooks" not in self.main.details
        self.main.details["hooks"] = datetime.now(UTC).isoformat(timespec="seconds")
        if first:
            await self.main.beat()

    async def stay(self) -> None:
        """Keep everybody's leases and presence until cancelled."""
        while True:
            await anyio.sleep(_BEAT_SECONDS)
            for agent_id, participant in [*self._subagents.items(), ("", self.main)]:
                if agent_id and participant.is_lost:
                    await self.dismiss(agent_id)
                else:
                    await participant.keep()
