"""Decide by heartbeats whether a worker hangs. Pure.

Only observed silence counts: the monotonic time between two successful checks of the hub. Of a longer time, only one
and a half usual intervals count. So no worker becomes silent because the machine was suspended, the clock jumped, the
supervisor was stopped, or the hub was not writable.
"""

from dataclasses import dataclass, replace
from datetime import datetime

MAX_INTERVAL_RATIO = 1.5
"""The longest time that counts between two checks, as a multiple of the usual interval."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The observed heartbeats of one process. Times are seconds; ``observed_at`` is monotonic."""

    observed_at: float
    silent_seconds: float = 0.0
    last_heartbeat: datetime | None = None
    """The last heartbeat in the hub. It is compared with the next heartbeat, never with a clock."""


def observe(known: Heartbeat, seen: datetime | None, age: float, now: float, usual: float) -> Heartbeat:
    """Return the observations after a successful check.

    ``seen`` is the heartbeat in the hub and ``age`` its age by the wall clock; ``usual`` is the interval of checks.
    """
    passed = min(now - known.observed_at, MAX_INTERVAL_RATIO * usual)
    if seen is not None and seen != known.last_heartbeat:
        return Heartbeat(now, min(max(0.0, age), passed), seen)
    return replace(known, observed_at=now, silent_seconds=known.silent_seconds + passed)


def reset(known: Heartbeat, now: float) -> Heartbeat:
    """Return the observations after a failed check: no heartbeat can arrive while the hub is not writable."""
    return replace(known, observed_at=now, silent_seconds=0.0)
