"""Who of the crew hangs, or has grown too large: what was seen, turned into events for their lifecycles."""

import asyncio
import os
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from teamsup.hub import Agent
from teamsup.hub.models import NOT_CONFIGURED, PRESENCE_TIMEOUT_SECONDS

from ..processes import lifecycle
from ..processes.lifecycle import ALIVE, State
from ..processes.managed_process import ManagedProcess
from ..processes.process_manager import ProcessManager
from ..processes.process_stats import measure_tree_memory
from . import heartbeats

MEMORY_CHECK_SECONDS = 5.0
_CHECK_SECONDS = PRESENCE_TIMEOUT_SECONDS / 6
_CHECKS_PER_DEADLINE = 4
_MIN_CHECK_SECONDS = 0.05


class HealthMonitor:
    def __init__(self, crew: ProcessManager) -> None:
        self._manager = crew

    def check_heartbeats(self, agents: Mapping[str, Agent]) -> None:
        """After a look at the hub that has succeeded."""
        now, usual = time.monotonic(), self._check_interval()
        for name, member in self._manager.processes.items():
            member.last_heartbeat = agents[name].last_heartbeat if name in agents else None
        for member in list(self._with_heartbeats()):
            agent = agents.get(member.name)
            beat = None
            if agent is not None and agent.status != NOT_CONFIGURED and _is_from_process(agent, member):
                beat = agent.last_heartbeat
                self._manager.apply(member, lifecycle.Ready())
            age = 0.0 if beat is None else (datetime.now(UTC) - beat).total_seconds()
            member.heartbeat = heartbeats.observe(member.heartbeat, beat, age, now, usual)
            if member.heartbeat.silent_seconds >= _deadline(member):
                self._manager.apply(member, lifecycle.Hung(f"no heartbeat for {member.heartbeat.silent_seconds:.1f} s"))

    def reset_silence(self) -> None:
        """After a look that has failed."""
        for member in self._with_heartbeats():
            member.heartbeat = heartbeats.reset(member.heartbeat, time.monotonic())

    def next_check_in(self) -> float:
        """Seconds until the next look, which is not later than the moment at which somebody may count as hung."""
        left = [_deadline(member) - member.heartbeat.silent_seconds for member in self._with_heartbeats()]
        return max(_MIN_CHECK_SECONDS, min([self._check_interval(), *left]))

    async def check_memory(self) -> None:
        """Replace whoever uses more memory than it may."""
        for member in list(self._manager.processes.values()):
            child, most = member.child, member.program.memory_max
            if child is None or most is None:
                continue
            used = await asyncio.to_thread(measure_tree_memory, child.pid)
            if used > most and member.child is child:
                reason = f"it uses {used / 2**20:.0f} MiB of memory and may use {most / 2**20:.0f}"
                self._manager.apply(member, lifecycle.MemoryExceeded(reason))

    def _check_interval(self) -> float:
        """Several looks in the time after which somebody counts as hung."""
        # Also of those who are about to be started again: a look that is already waited for cannot be had sooner.
        deadlines = [member.program.heartbeat_seconds for member in self._manager.processes.values() if member.wanted]
        return min([_CHECK_SECONDS, *(deadline / _CHECKS_PER_DEADLINE for deadline in deadlines if deadline)])

    def _with_heartbeats(self) -> Iterator[ManagedProcess]:
        """Those whose heartbeat is expected."""
        for member in self._manager.processes.values():
            if member.process.state in ALIVE and member.program.heartbeat_seconds is not None:
                yield member


def _deadline(member: ManagedProcess) -> float:
    """Seconds of silence after which it counts as hung."""
    if member.process.state is State.STARTING:
        return member.program.start_seconds
    return member.program.heartbeat_seconds or 0.0


def _is_from_process(agent: Agent, member: ManagedProcess) -> bool:
    """Whether this heartbeat comes from the process that runs now, or from one that it has started in its group."""
    pid = None if member.child is None else member.child.pid
    beating = agent.metadata.get("pid")
    if not isinstance(beating, int):
        return agent.last_heartbeat != member.stale_heartbeat
    try:
        return beating == pid or os.getpgid(beating) == pid
    except (OSError, OverflowError):
        return False
