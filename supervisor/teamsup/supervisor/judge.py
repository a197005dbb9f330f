"""Who of the crew hangs, or has grown too large: what was seen, turned into events for their lifecycles."""

import asyncio
import os
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from teamsup.hub import Agent
from teamsup.hub.messages import NOT_CONFIGURED, PRESENT_SECONDS

from . import lifecycle, pulse
from .crew import Crew
from .lifecycle import ALIVE, State
from .member import Member
from .usage import memory_of

WEIGH_SECONDS = 5.0
_LOOK_SECONDS = PRESENT_SECONDS / 6
_LOOKS_PER_DEADLINE = 4
_SOONEST_LOOK = 0.05


class Judge:
    def __init__(self, crew: Crew) -> None:
        self._crew = crew

    def look(self, agents: Mapping[str, Agent]) -> None:
        """After a look at the hub that has succeeded."""
        now, usual = time.monotonic(), self._usual_pause()
        for name, member in self._crew.members.items():
            member.beat = agents[name].last_heartbeat if name in agents else None
        for member in list(self._beating()):
            agent = agents.get(member.name)
            beat = None
            if agent is not None and agent.status != NOT_CONFIGURED and _is_of(agent, member):
                beat = agent.last_heartbeat
                self._crew.apply(member, lifecycle.Ready())
            age = 0.0 if beat is None else (datetime.now(UTC) - beat).total_seconds()
            member.pulse = pulse.look(member.pulse, beat, age, now, usual)
            if member.pulse.silent >= _patience(member):
                self._crew.apply(member, lifecycle.Hung(f"no heartbeat for {member.pulse.silent:.1f} s"))

    def forgive(self) -> None:
        """After a look that has failed."""
        for member in self._beating():
            member.pulse = pulse.forgive(member.pulse, time.monotonic())

    def pause(self) -> float:
        """Seconds until the next look, which is not later than the moment at which somebody may count as hung."""
        left = [_patience(member) - member.pulse.silent for member in self._beating()]
        return max(_SOONEST_LOOK, min([self._usual_pause(), *left]))

    async def weigh(self) -> None:
        """Replace whoever uses more memory than it may."""
        for member in list(self._crew.members.values()):
            child, most = member.child, member.program.memory_max
            if child is None or most is None:
                continue
            used = await asyncio.to_thread(memory_of, child.pid)
            if used > most and member.child is child:
                reason = f"it uses {used / 2**20:.0f} MiB of memory and may use {most / 2**20:.0f}"
                self._crew.apply(member, lifecycle.TooLarge(reason))

    def _usual_pause(self) -> float:
        """Several looks in the time after which somebody counts as hung."""
        # Also of those who are about to be started again: a look that is already waited for cannot be had sooner.
        deadlines = [member.program.heartbeat_seconds for member in self._crew.members.values() if member.wanted]
        return min([_LOOK_SECONDS, *(deadline / _LOOKS_PER_DEADLINE for deadline in deadlines if deadline)])

    def _beating(self) -> Iterator[Member]:
        """Those whose heartbeat is expected."""
        for member in self._crew.members.values():
            if member.process.state in ALIVE and member.program.heartbeat_seconds is not None:
                yield member


def _patience(member: Member) -> float:
    """Seconds of silence after which it counts as hung."""
    if member.process.state is State.STARTING:
        return member.program.start_seconds
    return member.program.heartbeat_seconds or 0.0


def _is_of(agent: Agent, member: Member) -> bool:
    """Whether this heartbeat comes from the process that runs now, or from one that it has started in its group."""
    pid = None if member.child is None else member.child.pid
    beating = agent.metadata.get("pid")
    if not isinstance(beating, int):
        return agent.last_heartbeat != member.stale_beat
    try:
        return beating == pid or os.getpgid(beating) == pid
    except (OSError, OverflowError):
        return False
