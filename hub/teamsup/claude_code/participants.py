"""The participants of one Claude Code session: its agent, and subagents.

All of them share one MCP server. Just before a call, a hook reports the caller with the call's tool_use_id, which a
model cannot choose. Without hooks every call counts as the session's agent. If the team knows an agent with the name of
a subagent's type, that subagent has its own name and mailbox. Otherwise it uses the session's mailbox, with its own
list of reads.
"""

import functools
import os
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any, TypeVar

import anyio
import anyio.to_thread

from teamsup.config.startable_agents import OWN_NOTE, RUN
from teamsup.hub.engines.choice import find_host_identity
from teamsup.hub.engines.hosts.team_hosts import HOST
from teamsup.hub.errors import CallerError, TeamsupError
from teamsup.hub.message_hub import MessageHub
from teamsup.hub.models import ONLINE, PRESENCE_TIMEOUT_SECONDS

from .native_teammates import agent_of_type
from .read_tracker import RENEW_SECONDS, ReadTracker
from .rendering import render_failure

T = TypeVar("T")

_RENEW_INTERVAL_SECONDS = min(PRESENCE_TIMEOUT_SECONDS / 3, RENEW_SECONDS)
_SUBAGENT_TIMEOUT_SECONDS = 900.0
"""Seconds without a call or hook after which a subagent counts as gone. An interrupted subagent does not report its
end."""
_MAX_CALLS = 1000
_RUN_MARK = re.compile(r":(\d{1,18})#[^#:]*\Z")


def run_number(mark: str) -> int | None:
    """Return the number of the run whose processes have this mark, or None."""
    found = _RUN_MARK.search(mark)
    return int(found[1]) if found else None


async def run_in_thread(action: Callable[[], T]) -> T:
    """Run a blocking action in a thread, to its end even if the call is cancelled."""
    with anyio.CancelScope(shield=True):
        result = await anyio.to_thread.run_sync(action)
    return result  # noqa: RET504 - a scope might swallow, says its type


class Participant:
    """One participant: its mailbox, its reads, and its presence."""

    def __init__(self, hub: MessageHub, *, has_name: bool, run: int | None = None, can_read: bool = True) -> None:
        self.hub = hub
        self.can_read = can_read
        """Whether it has the tool that reads messages. Without it no message is announced to it."""
        self._run = run
        self.has_own_mailbox = has_name
        """Whether it has its own name instead of the session's name."""
        self._status = ONLINE
        self.presence_details: dict[str, Any] = {"pid": os.getpid()} if run is None else {RUN: run}
        if (host := find_host_identity(hub.team)) is not None:
            self.presence_details[HOST] = host
        self._last_activity = time.monotonic()
        self.blocked_stops = 0
        """The number of times that a hook has prolonged this turn of the session."""
        self._read_tracker = ReadTracker(hub)
        self._read_lock = anyio.Lock()
        self._calls = 0

    def record_activity(self) -> None:
        """Note that a call or a hook has just happened."""
        self._last_activity = time.monotonic()

    def record_blocked_stop(self) -> None:
        """Note that a hook has prolonged the session's turn once more."""
        self.blocked_stops += 1

    def reset_blocked_stops(self) -> None:
        """Count from 0 in a new turn."""
        self.blocked_stops = 0

    def join(self) -> None:
        """Go online, and announce all waiting messages. Raise InvalidName when the name is a daemon's."""
        if self.has_own_mailbox:
            if not self._is_beside_session():
                self.hub.register(**self._all_details())
            self.hub.wake_ladder.reset_wake_steps()

    @asynccontextmanager
    async def use_read_tracker(self) -> AsyncIterator[ReadTracker]:
        """Yield the tracker of its reads to one user at a time."""
        async with self._read_lock:
            yield self._read_tracker

    @asynccontextmanager
    async def during_call(self) -> AsyncIterator[None]:
        """Keep the participant present during a call, even during a long call."""
        self._calls += 1
        try:
            yield
        finally:
            self._calls -= 1
            self.record_activity()

    @property
    def has_timed_out(self) -> bool:
        return not self._calls and time.monotonic() - self._last_activity > _SUBAGENT_TIMEOUT_SECONDS

    async def send_heartbeat(self) -> None:
        """Send a heartbeat."""
        if self.has_own_mailbox:
            await run_in_thread(self._send_heartbeat)

    def _send_heartbeat(self) -> None:
        if not self._is_beside_session():
            self.hub.heartbeat(self._status, **self._all_details())

    def _is_beside_session(self) -> bool:
        """Return whether this process belongs to a run, while a session that a person has opened reports the agent's
        presence.
        """
        known = None if self._run is None else self.hub.find_agent(self.hub.agent)
        return known is not None and known.is_present(datetime.now(UTC)) and not known.metadata.get(RUN)

    def set_status(self, status: str, note: str) -> None:
        """Set the status, and the note for people, of the next heartbeat. In a run, the runner's note stays."""
        self._status = status
        if self._run is None:
            self.presence_details["note"] = note
            return
        self.presence_details.pop("note", None)
        self.presence_details |= {OWN_NOTE: note, **({"note": note} if note else {})}

    def _all_details(self) -> dict[str, Any]:
        """Return the details of a heartbeat. In a run the runner also reports, so keep its note."""
        if self._run is None:
            return self.presence_details
        known = self.hub.find_agent(self.hub.agent)
        said = known.metadata if known is not None and known.metadata.get(RUN) == self._run else {}
        return {**said, **self.presence_details}

    async def report_failure(self, error: str, words: str) -> None:
        """Tell the senders of read but unanswered messages why the turn has ended. Tell each sender once."""
        async with self.use_read_tracker() as reader:
            await run_in_thread(lambda: reader.report_failure(render_failure(self.hub.agent, error, words)))
        await self.clear_turn()

    async def renew(self) -> None:
        """Renew its leases and its presence."""
        with suppress(TeamsupError):
            async with self.use_read_tracker() as reader:
                await run_in_thread(reader.renew_leases)
            await self.send_heartbeat()

    async def begin_turn(self) -> None:
        """Note that a turn has begun. Hooks announce messages in a turn, and ``teamsup watch`` is silent
        until its end.
        """
        async with self.use_read_tracker() as reader:
            reader.mark_delivered_to_model()
        if not self.presence_details.get("in_turn"):
            self.presence_details["in_turn"] = True
            await self.send_heartbeat()

    async def clear_turn(self) -> None:
        """End a turn that was interrupted. Such a turn does not report its own end."""
        if self.presence_details.pop("in_turn", None):
            await self.send_heartbeat()

    async def end_turn(self) -> None:
        """End a turn normally: complete the deliveries that were read in it."""
        async with self.use_read_tracker() as reader:
            await run_in_thread(reader.complete_delivered)
        await self.clear_turn()

    async def leave(self, *, is_last: bool) -> None:
        """Release open deliveries, including those that a call is claiming. With ``is_last`` the name also goes
        offline.

        The end of the process may cancel this. Then the leases end at their deadlines.
        """
        async with self._read_lock:
            await anyio.to_thread.run_sync(lambda: self._leave(is_last=is_last), abandon_on_cancel=True)

    def _leave(self, *, is_last: bool) -> None:
        # The end of a run is not a failed attempt: a run has limits, and it ends its process when it must wait for
        # people.
        why = "its session ended before it answered or read on" if self._run is None else None
        with suppress(TeamsupError):
            self._read_tracker.release_all(why)
        if self.has_own_mailbox:
            # Other participants of this name must learn of messages that were announced to us and are unread.
            with suppress(TeamsupError):
                self.hub.wake_ladder.reset_wake_steps()
        # Another session of this agent may have started; its heartbeats have its own pid.
        with suppress(TeamsupError):
            if self.has_own_mailbox and is_last and self._owns_presence():
                self.hub.maintenance.mark_offline(self.hub.agent)

    def _owns_presence(self) -> bool:
        agent = self.hub.find_agent(self.hub.agent)
        return agent is not None and agent.metadata.get("pid") == os.getpid()


class Participants:
    """All participants of one session."""

    def __init__(self, hub: MessageHub, *, can_read: bool = True) -> None:
        run = run_number(os.environ.get("TEAMSUP_RUN", ""))
        self.main = Participant(hub, has_name=True, run=run, can_read=can_read)
        self._subagents: dict[str, Participant] = {}
        self._callers: dict[str, tuple[str, str] | None] = {}
        # Claude Code sets this variable for the server of a plugin. Our plugin has hooks.
        self._has_hooks = bool(os.environ.get("CLAUDE_PLUGIN_ROOT"))
        self._subagents_lock = anyio.Lock()

    @property
    def has_seen_hook(self) -> bool:
        """Return whether hooks run in this session. Only a hook reports the end of a turn."""
        return bool(self._callers) or "hooks" in self.main.presence_details

    def announce_call(self, tool_use_id: str, subagent: tuple[str, str] | None) -> None:
        """Note that the session, or the subagent with this id and type, is about to make a call."""
        self._callers[tool_use_id] = subagent
        while len(self._callers) > _MAX_CALLS:
            del self._callers[next(iter(self._callers))]

    async def find_caller(self, tool_use_id: object) -> Participant:
        """Return the caller of a call. Raise CallerError if a hook should have reported it but has not."""
        if not isinstance(tool_use_id, str):
            return self.main
        if tool_use_id in self._callers:
            subagent = self._callers[tool_use_id]
            return self.main if subagent is None else await self.find_subagent(*subagent)
        if self._has_hooks or self.has_seen_hook:
            # If no hook has ever run, refuse only one call, because hooks may be switched off.
            self._has_hooks = False
            raise CallerError("The caller of this tool is not known yet. Please call again.")
        return self.main

    async def find_subagent(self, agent_id: str, agent_type: str) -> Participant:
        """Return the subagent with this id. It takes part from its first call on."""
        async with self._subagents_lock:
            if agent_id not in self._subagents:
                self._subagents[agent_id] = await run_in_thread(lambda: self._add_subagent(agent_type))
            found = self._subagents[agent_id]
        found.record_activity()
        return found

    def _add_subagent(self, agent_type: str) -> Participant:
        hub = self.main.hub
        name = agent_of_type(agent_type)
        known = hub.find_agent(name)
        if name == hub.agent or known is None or known.kind != "agent":
            return Participant(hub, has_name=False)
        own = MessageHub(hub.team, agent=name, model=True)
        subagent = Participant(own, has_name=True, can_read=self.main.can_read)
        try:
            subagent.join()
        except TeamsupError:
            subagent.hub.close()
            raise
        return subagent

    async def remove_subagent(self, agent_id: str) -> None:
        """Remove a subagent that has ended."""
        async with self._subagents_lock:
            if (gone := self._subagents.pop(agent_id, None)) is not None:
                others = {other.hub.agent for other in self._subagents.values() if other.has_own_mailbox}
                await gone.leave(is_last=gone.hub.agent not in others)
                if gone.has_own_mailbox:
                    gone.hub.close()

    async def leave(self) -> None:
        """End the session for all participants."""
        async with anyio.create_task_group() as tasks:
            for participant in (*self._subagents.values(), self.main):
                tasks.start_soon(functools.partial(participant.leave, is_last=True))

    async def record_hook(self) -> None:
        """Record that a hook has reached this server. If an agent does not get its messages, doctor shows the
        time of its last hook.
        """
        first = "hooks" not in self.main.presence_details
        self.main.presence_details["hooks"] = datetime.now(UTC).isoformat(timespec="seconds")
        if first:
            await self.main.send_heartbeat()

    async def renewal_loop(self) -> None:
        """Renew all leases and presences until cancelled."""
        while True:
            await anyio.sleep(_RENEW_INTERVAL_SECONDS)
            for agent_id, participant in [*self._subagents.items(), ("", self.main)]:
                if agent_id and participant.has_timed_out:
                    await self.remove_subagent(agent_id)
                else:
                    await participant.renew()
