"""Find workers that hang or use too much memory, and turn that into events for their lifecycles."""

import asyncio
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from teamsup.hub import Agent
from teamsup.hub.models import NOT_CONFIGURED, PRESENCE_TIMEOUT_SECONDS
from teamsup.status.process_state import ALIVE, State
from teamsup.status.process_stats import measure_memory, measure_tree_memory

from ..processes import lifecycle
from ..processes.managed_process import ManagedProcess
from ..processes.process_manager import ProcessManager
from . import heartbeats
from .heartbeats import Heartbeat

MEMORY_CHECK_SECONDS = 5.0
_CHECK_SECONDS = PRESENCE_TIMEOUT_SECONDS / 6
_CHECKS_PER_DEADLINE = 4
_MIN_CHECK_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class _Observed:
    """The observed heartbeats of the process with this tag."""

    tag: str
    heartbeat: Heartbeat
    stale: datetime | None
    """The last heartbeat of an earlier process."""


class HealthMonitor:
    """Keeps the observations of each worker, and requests the replacement of workers from the process manager."""

    def __init__(self, manager: ProcessManager) -> None:
        self._manager = manager
        self._observed: dict[str, _Observed] = {}
        self._last_seen: dict[str, datetime | None] = {}
        """The last heartbeat of each worker that the last successful check found in the hub."""

    def check_heartbeats(self, agents: Mapping[str, Agent]) -> None:
        """Check the workers' heartbeats, which the hub has just returned."""
        now, usual = time.monotonic(), self._check_interval()
        for worker in list(self._with_heartbeats()):
            observed, agent = self._observed_of(worker), agents.get(worker.name)
            seen = None
            if agent is not None and agent.status != NOT_CONFIGURED and _is_from_process(agent, worker, observed.stale):
                seen = agent.last_heartbeat
                self._manager.apply(worker, lifecycle.Ready())
            age = 0.0 if seen is None else (datetime.now(UTC) - seen).total_seconds()
            heartbeat = heartbeats.observe(observed.heartbeat, seen, age, now, usual)
            self._observed[worker.name] = replace(observed, heartbeat=heartbeat)
            if heartbeat.silent_seconds >= _deadline(worker):
                self._manager.apply(worker, lifecycle.Hung(f"no heartbeat for {heartbeat.silent_seconds:.1f} s"))
        names = self._manager.processes.keys()
        self._last_seen = {name: agents[name].last_heartbeat for name in names if name in agents}
        self._observed = {name: observed for name, observed in self._observed.items() if name in names}

    def reset_silence(self) -> None:
        """Forget the observed silence of all workers, because the hub could not be read."""
        now = time.monotonic()
        for worker in self._with_heartbeats():
            observed = self._observed_of(worker)
            self._observed[worker.name] = replace(observed, heartbeat=heartbeats.reset(observed.heartbeat, now))

    def next_check_in(self) -> float:
        """Return the seconds until the next check: at the latest when a worker may count as hung."""
        left = [
            _deadline(worker) - self._observed_of(worker).heartbeat.silent_seconds for worker in self._with_heartbeats()
        ]
        return max(_MIN_CHECK_SECONDS, min([self._check_interval(), *left]))

    async def check_memory(self) -> None:
        """Replace each worker that uses more memory than its limit."""
        for worker in list(self._manager.processes.values()):
            child, most = worker.child, worker.program.memory_max
            if child is None or most is None:
                continue
            measure = measure_memory if worker.program.has_guests else measure_tree_memory
            used = await asyncio.to_thread(measure, child.pid)
            if used > most and worker.child is child:
                reason = f"it uses {used / 2**20:.0f} MiB of memory and may use {most / 2**20:.0f}"
                self._manager.apply(worker, lifecycle.MemoryExceeded(reason))

    def _check_interval(self) -> float:
        """Return the usual seconds between two checks. There are several checks within the shortest deadline."""
        # Include workers that are about to start again, because a check that is already scheduled cannot come sooner.
        deadlines = [worker.program.heartbeat_seconds for worker in self._manager.processes.values() if worker.wanted]
        return min([_CHECK_SECONDS, *(deadline / _CHECKS_PER_DEADLINE for deadline in deadlines if deadline)])

    def _with_heartbeats(self) -> Iterator[ManagedProcess]:
        """Yield the workers whose heartbeat is expected."""
        for worker in self._manager.processes.values():
            if worker.process.state in ALIVE and worker.program.heartbeat_seconds is not None:
                yield worker

    def _observed_of(self, worker: ManagedProcess) -> _Observed:
        """Return the observations of the worker's process. Those of a new process contain only its start."""
        observed = self._observed.get(worker.name)
        if observed is None or observed.tag != worker.tag:
            observed = _Observed(worker.tag, Heartbeat(worker.spawned_at), self._last_seen.get(worker.name))
            self._observed[worker.name] = observed
        return observed


def _deadline(worker: ManagedProcess) -> float:
    """Return the seconds of silence after which the worker counts as hung."""
    if worker.process.state is State.STARTING:
        return worker.program.start_seconds
    return worker.program.heartbeat_seconds or 0.0


def _is_from_process(agent: Agent, worker: ManagedProcess, stale: datetime | None) -> bool:
    """Return whether the heartbeat comes from the present process, or from a process that it has started in its group.

    ``stale`` is the last heartbeat of an earlier process.
    """
    pid = None if worker.child is None else worker.child.pid
    sender = agent.metadata.get("pid")
    if not isinstance(sender, int):
        return agent.last_heartbeat != stale
    try:
        return sender == pid or os.getpgid(sender) == pid
    except (OSError, OverflowError):
        return False
