"""The time of a Discord world, which tests can set, and the numbers made from it."""

import time
from datetime import UTC, datetime

_EPOCH = 1_420_070_400.0  # Discord's own, the first second of 2015


class SimulatedClock:
    """Runs like the real one, from another point in time."""

    def __init__(self, ago: float = 0.0) -> None:
        self._offset = -ago

    def now(self) -> float:
        return time.time() + self._offset

    def advance(self, seconds: float) -> None:
        self._offset += seconds


class SnowflakeGenerator:
    """Numbers that grow and carry their time, as Discord's do."""

    def __init__(self, clock: SimulatedClock) -> None:
        self._clock = clock
        self._last = 0

    def next_id(self) -> int:
        self._last = max(self._last + 1, int((self._clock.now() - _EPOCH) * 1000) << 22)
        return self._last


def format_iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")
