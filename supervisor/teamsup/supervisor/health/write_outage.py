"""Decide whether the hub accepts writes, and which process prevents them. Pure.

Only observed time counts, as for heartbeats: at most one and a half usual intervals between two checks. A commit of any
process shows that no process holds the database.
"""

from dataclasses import dataclass, replace

from .write_lock import LockOwner

MAX_INTERVAL_RATIO = 1.5
"""The longest time that counts between two checks, as a multiple of the usual interval."""


@dataclass(frozen=True, slots=True)
class WriteOutage:
    """A period in which the supervisor's own write waits or fails. Times are seconds; ``looked_at`` is monotonic."""

    observed_at: float
    data_version: int | None
    """A number that changes with every commit of any process; None while the hub cannot be read."""
    owner: LockOwner | None = None
    seconds: float = 0.0
    """Observed seconds without a commit of any process."""
    held_seconds: float = 0.0
    """Observed seconds with the same owner of the write lock."""


def observe(
    before: WriteOutage | None, version: int | None, owner: LockOwner | None, now: float, usual: float
) -> WriteOutage:
    """Return the outage after one more check. ``usual`` is the interval of checks."""
    if before is None or before.data_version != version:
        return WriteOutage(now, version, owner)
    passed = min(now - before.observed_at, MAX_INTERVAL_RATIO * usual)
    seen = replace(before, observed_at=now, owner=owner, seconds=before.seconds + passed)
    return replace(
        seen, held_seconds=before.held_seconds + passed if owner is not None and owner == before.owner else 0.0
    )
