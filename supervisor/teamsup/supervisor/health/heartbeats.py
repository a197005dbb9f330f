"""Whether a worker hangs, judged by its heartbeats. Pure.

What counts is silence that was observed: the monotonic time between two successful looks at the hub, and no more of it
than a punctual supervisor would have spent. So a suspended machine, a clock that jumps, a supervisor that was stopped
and a hub that nobody can write to make nobody silent.
"""

from dataclasses import dataclass, replace
from datetime import datetime

MAX_INTERVAL_RATIO = 1.5
"""Of the time between two looks, so many times the usual one counts at most."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """What is known of one process. Times are seconds; ``looked_at`` is monotonic."""

    observed_at: float
    silent_seconds: float = 0.0
    last_heartbeat: datetime | None = None
    """The last heartbeat, as the hub has it: compared for being another one, never with a clock."""


def observe(pulse: Heartbeat, beat: datetime | None, age: float, now: float, usual: float) -> Heartbeat:
    """What a successful look shows: the heartbeat, and how old that is by the wall clock.

    ``usual`` is the time between two looks.
    """
    passed = min(now - pulse.observed_at, MAX_INTERVAL_RATIO * usual)
    if beat is not None and beat != pulse.last_heartbeat:
        return Heartbeat(now, min(max(0.0, age), passed), beat)
    return replace(pulse, observed_at=now, silent_seconds=pulse.silent_seconds + passed)


def reset(pulse: Heartbeat, now: float) -> Heartbeat:
    """After a look that failed: while the hub cannot be written, no heartbeat can come."""
    return replace(pulse, observed_at=now, silent_seconds=0.0)
