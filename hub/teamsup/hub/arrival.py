"""When a waiting reader looks, and how long it may sleep until the next look."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto

# In case a doorbell and the watcher both failed us: how often a waiting process compares data_version (5 µs).
_SLOW_LOOK = 1.0
_TAKE_OVER_WATCH = 1.0


class Found(Enum):
    """What a look has found."""

    NOTHING = auto()
    CLAIMABLE = auto()
    DUE = auto()
    """A lease, a backoff or a message has reached its end: to be settled before the next look."""


@dataclass
class Arrival:
    """One wait for something to claim. Its maker has armed a doorbell before.

    ``due_at`` looks: -inf when something can be claimed, else the Unix second of the next thing to settle.
    """

    due_at: Callable[[], float]
    data_version: Callable[[], int]
    clock: Callable[[], float]
    watch: Callable[[], bool]
    timeout: float
    _version: int = -1
    _due: float = math.inf
    _ends: float = field(init=False)
    _watch_at: float = field(init=False)

    def __post_init__(self) -> None:
        now = time.monotonic()
        self._ends = now + self.timeout
        self._watch_at = now + _TAKE_OVER_WATCH

    @property
    def seconds_left(self) -> float:
        return self._ends - time.monotonic()

    @property
    def pause(self) -> float:
        """Seconds to listen for the doorbell before the next look."""
        until_due = self._due - self.clock()
        return min(self.seconds_left, _SLOW_LOOK, until_due if until_due > 0 else _SLOW_LOOK)

    def look(self, *, rang: bool) -> Found:
        """Costs next to nothing when nothing has happened."""
        version = self.data_version()
        if rang or version != self._version:
            self._version = version
            self._due = self.due_at()
        else:
            self._keep_watch()
        if self._due == -math.inf:
            return Found.CLAIMABLE
        return Found.DUE if self._due <= self.clock() else Found.NOTHING

    def _keep_watch(self) -> None:
        """Become the team's watcher if the one it had is gone."""
        if time.monotonic() >= self._watch_at:
            self._watch_at = time.monotonic() + _TAKE_OVER_WATCH
            self.watch()
