"""Channels that refuse what is said there, each with the time of its first refusal in a row."""

import time
from collections.abc import Callable
from dataclasses import dataclass

_ROW_SECONDS = 300.0  # between two refusals of one row


@dataclass(frozen=True, slots=True)
class _Refusals:
    first: float
    last: float
    why: str


class Refusing:
    """Kept in memory: after a restart a channel has all its time again."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._rows: dict[int, _Refusals] = {}

    def refuses(self, channel: int, why: str) -> float:
        """Note one more refusal; return the seconds since the first of the row."""
        now, row = self._clock(), self._rows.get(channel)
        first = now if row is None or now - row.last > _ROW_SECONDS else row.first
        self._rows[channel] = _Refusals(first, now, why)
        return now - first

    def takes(self, channel: int) -> None:
        """Note that something was taken there."""
        self._rows.pop(channel, None)

    def seconds(self, channel: int) -> float:
        """Return for how long it has refused everything; 0: it has not."""
        row = self._rows.get(channel)
        return 0.0 if row is None else self._clock() - row.first

    def why(self, channel: int) -> str:
        """Return Discord's words of the last refusal; empty: there is none."""
        row = self._rows.get(channel)
        return "" if row is None else row.why
