"""Who of the workers hangs, or has grown too large: what was seen, turned into events for their lifecycles."""

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
    def __init__(self, manager: ProcessManager) -> None:
        self._manager = manager

    def check_heartbeats(self, agents: Mapping[str, Agent]) -> None:
        """After a look at the hub that has succeeded."""
        now, usual = time.monotonic(), self._check_interval()
        for name, worker in self._manager.processes.items():
            worker.last_heartbeat = agents[name].last_heartbeat if name in agents else None
        for worker in list(self._with_heartbeats()):
            agent = agents.get(worker.name)
            heartbeat = None
            if agent is not None and agent.status != NOT_CONFIGURED and _is_from_process(agent, worker):
                heartbeat = agent.last_heartbeat
                self._manager.apply(worker, lifecycle.Ready())
            age = 0.0 if heartbeat is None else (datetime.now(UTC) - heartbeat).total_seconds()
            worker.heartbeat = heartbeats.observe(worker.heartbeat, heartbeat, age, now, usual)
            if worker.heartbeat.silent_seconds >= _deadline(worker):
                self._manager.apply(worker, lifecycle.Hung(f"no heartbeat for {worker.heartbeat.silent_seconds:.1f} s"))

    def reset_silence(self) -> None:
        """After a look that has failed."""
        for worker in self._with_heartbeats():
            worker.heartbeat = heartbeats.reset(worker.heartbeat, time.monotonic())

    def next_check_in(self) -> float:
        """Seconds until the next look, which is not later than the moment at which somebody may count as hung."""
        left = [_deadline(worker) - worker.heartbeat.silent_seconds for worker in self._with_heartbeats()]
        return max(_MIN_CHECK_SECONDS, min([self._check_interval(), *left]))

    async def check_memory(self) -> None:
        """Replace whoever uses more memory than it may."""
        for worker in list(self._manager.processes.values()):
            child, most = worker.child, worker.program.memory_max
            if child is None or most is None:
                continue
            used = await asyncio.to_thread(measure_tree_memory, child.pid)
            if used > most and worker.child is child:
                reason = f"it uses {used / 2**20:.0f} MiB of memory and may use {most / 2**20:.0f}"
                self._manager.apply(worker, lifecycle.MemoryExceeded(reason))

    def _check_interval(self) -> float:
        """Several looks in the time after which somebody counts as hung."""
        # Also of those who are about to be started again: a look that is already waited for cannot be had sooner.
        deadlines = [worker.program.heartbeat_seconds for worker in self._manager.processes.values() if worker.wanted]
        return min([_CHECK_SECONDS, *(deadline / _CHECKS_PER_DEADLINE for deadline in deadlines if deadline)])

    def _with_heartbeats(self) -> Iterator[ManagedProcess]:
        """Those whose heartbeat is expected."""
        for worker in self._manager.processes.values():
            if worker.process.state in ALIVE and worker.program.heartbeat_seconds is not None:
                yield worker


def _deadline(worker: ManagedProcess) -> float:
    """Seconds of silence after which it counts as hung."""
    if worker.process.state is State.STARTING:
        return worker.program.start_seconds
    return worker.program.heartbeat_seconds or 0.0


def _is_from_process(agent: Agent, worker: ManagedProcess) -> bool:
    """Whether this heartbeat comes from the process that runs now, or from one that it has started in its group."""
    pid = None if worker.child is None else worker.child.pid
    beating = agent.metadata.get("pid")
    if not isinstance(beating, int):
        return agent.last_heartbeat != worker.stale_heartbeat
    try:
        return beating == pid or os.getpgid(beating) == pid
    except (OSError, OverflowError):
        return False
