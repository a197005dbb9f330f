"""Whether the hub takes writes, and who prevents it. Pure.

What counts is observed time, as for heartbeats: of the time between two looks no more than a punctual supervisor would
have spent. A commit by any process shows that nobody holds the database.
"""

from dataclasses import dataclass, replace

from .write_lock import LockOwner

LATE = 1.5
"""Of the time between two looks, at most this many times the usual one counts."""


@dataclass(frozen=True, slots=True)
class Outage:
    """A time in which the supervisor's own write waits or fails. Seconds; ``looked_at`` is monotonic."""

    looked_at: float
    version: int | None
    """Changes with every commit of anybody; None while the hub cannot be read."""
    owner: LockOwner | None = None
    seconds: float = 0.0
    """Observed without a commit of anybody."""
    held: float = 0.0
    """Observed with the same owner of the write lock."""


def look(before: Outage | None, version: int | None, owner: LockOwner | None, now: float, usual: float) -> Outage:
    """Return what one more look shows. ``usual`` is the time between two looks."""
    if before is None or before.version != version:
        return Outage(now, version, owner)
    passed = min(now - before.looked_at, LATE * usual)
    seen = replace(before, looked_at=now, owner=owner, seconds=before.seconds + passed)
    return replace(seen, held=before.held + passed if owner is not None and owner == before.owner else 0.0)
