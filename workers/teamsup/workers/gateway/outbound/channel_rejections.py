"""Channels that refuse what is said there, each with the time of its first refusal in a row."""

import time
from collections.abc import Callable
from dataclasses import dataclass

_MAX_GAP_SECONDS = 300.0  # between two refusals of one row


@dataclass(frozen=True, slots=True)
class _RejectionStreak:
    first: float
    last: float
    reason: str


class ChannelRejections:
    """Kept in memory: after a restart a channel has all its time again."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._streaks: dict[int, _RejectionStreak] = {}

    def record_rejection(self, channel: int, why: str) -> float:
        """Note one more refusal; return the seconds since the first of the row."""
        now, row = self._clock(), self._streaks.get(channel)
        first = now if row is None or now - row.last > _MAX_GAP_SECONDS else row.first
        self._streaks[channel] = _RejectionStreak(first, now, why)
        return now - first

    def clear(self, channel: int) -> None:
        """Note that something was taken there."""
        self._streaks.pop(channel, None)

    def seconds_rejecting(self, channel: int) -> float:
        """Return for how long it has refused everything; 0: it has not."""
        row = self._streaks.get(channel)
        return 0.0 if row is None else self._clock() - row.first

    def last_reason(self, channel: int) -> str:
        """Return Discord's words of the last refusal; empty: there is none."""
        row = self._streaks.get(channel)
        return "" if row is None else row.reason
