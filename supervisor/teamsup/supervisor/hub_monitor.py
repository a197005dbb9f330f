"""Watches whether the hub takes writes: names the process that prevents it, and replaces a worker that does."""

import asyncio
import time
from contextlib import suppress

from teamsup.hub import MessageHub, TeamsupError, maintenance
from teamsup.hub.maintenance import Maintenance

from . import leftovers, lifecycle, outage
from .crew import Crew
from .degradation import Troubles
from .outage import Outage
from .write_lock import LockOwner, find_owner

LOOK_SECONDS = 1.0
_CAUSE = "write lock"
_HEARTBEATS = 3
_BEAT_SECONDS = 5.0
_BEATS_PER_DEADLINE = 4
_STALLED_SECONDS = 60.0
"""Maintenance without progress for so long is taken for a hang."""


class HubMonitor:
    """What the supervisor knows of its writes to the hub; ``troubles`` says what prevents them."""

    def __init__(self, hub: MessageHub, crew: Crew, troubles: Troubles) -> None:
        self._hub = hub
        self._crew = crew
        self._troubles = troubles
        self._waiting_since: float | None = None
        self._outage: Outage | None = None

    @property
    def seconds(self) -> float:
        """How long the hub has been seen to take no write."""
        return 0.0 if self._outage is None else self._outage.seconds

    def begin_write(self) -> None:
        """A write of the supervisor's own begins: the next look may find that it waits, or has failed."""
        if self._waiting_since is None:
            self._waiting_since = time.monotonic()

    def end_write(self) -> None:
        """It has ended well."""
        self._waiting_since = self._outage = None
        self._troubles.end(_CAUSE)

    async def look(self) -> None:
        """Look once, every LOOK_SECONDS."""
        if self._waiting_since is None or time.monotonic() - self._waiting_since < LOOK_SECONDS:
            return
        version, owner = await asyncio.to_thread(self._observe)
        if self._waiting_since is None:
            return
        self._outage = found = outage.look(self._outage, version, owner, time.monotonic(), LOOK_SECONDS)
        patience = self._patience()
        if found.seconds < patience:
            return
        pid = None if owner is None else owner.pid
        work = await asyncio.to_thread(maintenance.read, self._hub.team.run, pid)
        if work is not None and work.seconds_without_progress(time.time()) < _STALLED_SECONDS:
            self._troubles.begin(_CAUSE, _progress(work))
        elif owner is None:
            self._troubles.begin(_CAUSE, "The hub takes no writes, and no program holds it. Look at its disk.")
        elif found.held >= patience:
            await self._act(owner.pid, work)

    def _observe(self) -> tuple[int | None, LockOwner | None]:
        version = None
        with suppress(TeamsupError):
            version = self._hub.data_version()
        try:
            return version, find_owner(self._hub.team.database)
        except Exception:
            # Whatever it is: the supervisor goes on, and says that it does not know.
            return version, LockOwner(None)

    def _patience(self) -> float:
        """Three heartbeats of the worker that sends them most often."""
        deadlines = (member.program.heartbeat_seconds for member in self._crew.members.values() if member.wanted)
        return _HEARTBEATS * min([_BEAT_SECONDS, *(seconds / _BEATS_PER_DEADLINE for seconds in deadlines if seconds)])

    async def _act(self, pid: int | None, stalled: Maintenance | None) -> None:
        """Free the hub from a process of ours; name any other."""
        if pid is None:
            text = "A process that the system does not name, perhaps in a container, holds the hub's write lock."
            self._troubles.begin(_CAUSE, text)
            return
        lineage = await asyncio.to_thread(leftovers.lineage, pid)
        what = f"holds the hub's write lock{f' for a {stalled.kind} that does not progress' if stalled else ''}."
        if (member := self._crew.member_of(lineage)) is not None:
            self._troubles.begin(_CAUSE, f"{member.name} (pid {pid}) {what} It is replaced.")
            self._crew.apply(member, lifecycle.Hung("it held the hub's write lock and did not let go"))
        elif lineage.is_our_own:
            text = f"The supervisor itself (pid {pid}) {what} Stop the team and start it again."
            self._troubles.begin(_CAUSE, text)
        elif lineage.is_adopted:
            self._troubles.begin(_CAUSE, f"Pid {pid}, which a worker left behind, {what} It is killed.")
            await asyncio.to_thread(leftovers.end, pid)
        else:
            self._troubles.begin(_CAUSE, f"Pid {pid} ({lineage.command}) {what} End that program.")


def _progress(work: Maintenance) -> str:
    """In tenths, so that the log does not fill up with them."""
    done = f", {work.done * 10 // work.total * 10} %" if work.total else ""
    return f"The hub takes no writes while pid {work.pid} works on it ({work.kind}{done})."
