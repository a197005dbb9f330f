"""Watch whether the hub accepts writes. Name the process that prevents writes. If it is a worker, replace it."""

import asyncio
import time
from contextlib import suppress

from teamsup.hub import MessageHub, TeamsupError
from teamsup.hub.engines import maintenance_progress
from teamsup.hub.engines.maintenance_progress import MaintenanceProgress

from ..processes import lifecycle, orphans
from ..processes.managed_process import ManagedProcess
from ..processes.process_manager import ProcessManager
from . import write_outage
from .troubles import Troubles
from .write_lock import LockOwner, find_lock_owner
from .write_outage import WriteOutage

CHECK_SECONDS = 1.0
_CAUSE = "write lock"
_HEARTBEATS_TO_WAIT = 3
_HEARTBEAT_SECONDS = 5.0
_HEARTBEATS_PER_DEADLINE = 4
_STALLED_SECONDS = 60.0
"""Seconds. Maintenance without progress for this time counts as hung."""


class HubMonitor:
    """The state of the supervisor's writes to the hub; the obstacle is reported to ``troubles``."""

    def __init__(self, hub: MessageHub, manager: ProcessManager, troubles: Troubles) -> None:
        self._hub = hub
        self._manager = manager
        self._troubles = troubles
        self._waiting_since: float | None = None
        self._outage: WriteOutage | None = None

    @property
    def outage_seconds(self) -> float:
        """Return the observed seconds since the hub last accepted a write."""
        return 0.0 if self._outage is None else self._outage.seconds

    def begin_write(self) -> None:
        """Note that the supervisor begins a write. The next check sees whether the write waits or has failed."""
        if self._waiting_since is None:
            self._waiting_since = time.monotonic()

    def end_write(self) -> None:
        """Note that the write succeeded."""
        self._waiting_since = self._outage = None
        self._troubles.end(_CAUSE)

    async def check(self) -> None:
        """Check once; the caller does this every LOOK_SECONDS."""
        if self._waiting_since is None or time.monotonic() - self._waiting_since < CHECK_SECONDS:
            return
        version, owner = await asyncio.to_thread(self._observe)
        if self._waiting_since is None:
            return
        self._outage = found = write_outage.observe(self._outage, version, owner, time.monotonic(), CHECK_SECONDS)
        deadline = self._deadline()
        if found.seconds < deadline:
            return
        pid = None if owner is None else owner.pid
        work = await asyncio.to_thread(maintenance_progress.read_maintenance, self._hub.team.run, pid)
        if work is not None and work.seconds_without_progress(time.time()) < _STALLED_SECONDS:
            self._troubles.begin(_CAUSE, _describe_progress(work))
        elif owner is None:
            self._troubles.begin(_CAUSE, "The hub does not accept writes, and no program holds it. Look at its disk.")
        elif found.held_seconds >= deadline:
            await self._resolve(owner.pid, work)

    def _observe(self) -> tuple[int | None, LockOwner | None]:
        version = None
        with suppress(TeamsupError):
            version = self._hub.data_version()
        try:
            return version, find_lock_owner(self._hub.team.database)
        except Exception:
            # Continue after any error, and report that the holder is unknown.
            return version, LockOwner(None)

    def _deadline(self) -> float:
        """Return three heartbeats of the worker with the shortest interval, in seconds."""
        deadlines = (worker.program.heartbeat_seconds for worker in self._manager.processes.values() if worker.wanted)
        return _HEARTBEATS_TO_WAIT * min(
            [_HEARTBEAT_SECONDS, *(seconds / _HEARTBEATS_PER_DEADLINE for seconds in deadlines if seconds)]
        )

    async def _resolve(self, pid: int | None, stalled: MaintenanceProgress | None) -> None:
        """Kill or replace a process of the team that holds the lock; name any other process."""
        if pid is None:
            text = "A process that the system does not name, perhaps in a container, holds the hub's write lock."
            self._troubles.begin(_CAUSE, text)
            return
        lineage = await asyncio.to_thread(orphans.find_lineage, pid)
        what = f"holds the hub's write lock{f' for a {stalled.kind} that makes no progress' if stalled else ''}."
        if (worker := self._find_worker(lineage)) is not None:
            self._troubles.begin(_CAUSE, f"{worker.name} (pid {pid}) {what} It is replaced.")
            self._manager.apply(worker, lifecycle.Hung("it held the hub's write lock and did not release it"))
        elif lineage.is_supervisor:
            text = f"The supervisor itself (pid {pid}) {what} Stop the team and start it again."
            self._troubles.begin(_CAUSE, text)
        elif lineage.is_adopted:
            self._troubles.begin(_CAUSE, f"Pid {pid}, which a worker left behind, {what} It is killed.")
            await asyncio.to_thread(orphans.kill_tree, pid)
        else:
            self._troubles.begin(_CAUSE, f"Pid {pid} ({lineage.command}) {what} End that program.")

    def _find_worker(self, lineage: orphans.ProcessLineage) -> ManagedProcess | None:
        """Return the worker that this process, or an ancestor of it, belongs to."""
        for worker in self._manager.processes.values():
            if worker.child is not None and (
                worker.child.pid in (*lineage.pids, lineage.group) or lineage.tag == worker.tag
            ):
                return worker
        return None


def _describe_progress(work: MaintenanceProgress) -> str:
    """Return the progress in tenths, so that the log stays short."""
    done = f", {work.done * 10 // work.total * 10} %" if work.total else ""
    return f"The hub does not accept writes while pid {work.pid} works on it ({work.kind}{done})."
