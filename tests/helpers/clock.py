"""A clock that a test sets."""

from dataclasses import dataclass


@dataclass
class ManualClock:
    """Return ``now``, in Unix seconds, until the test changes it."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now
