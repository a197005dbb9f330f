"""When a waiting reader looks, and how long it may sleep until the next look."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum, auto

from .doorbell import Doorbell
from .errors import StoreAway, StoreBusy
from .store_errors import say_held

# In case a doorbell and the watcher both failed us: how often a waiting process compares data_version (5 µs).
_SLOW_LOOK = 1.0
_TAKE_OVER_WATCH = 1.0
# A folder that is moved or mounted is back after a moment; a writer waits as long for a busy database.
_AWAY_SECONDS = 10.0


class _Found(Enum):
    """What a look has found."""

    NOTHING = auto()
    CLAIMABLE = auto()
    DUE = auto()
    """A lease, a backoff or a message has reached its end: to be settled before the next look."""


class HoldUp:
    """A store that another program holds, while somebody listens for at most ``timeout`` seconds without anything."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._since: float | None = None

    @contextmanager
    def ridden_out(self) -> Iterator[None]:
        """Swallow StoreBusy, and say so the first time, until ``timeout`` seconds after that."""
        try:
            yield
        except StoreBusy as error:
            now = time.monotonic()
            if self._since is None:
                self._since = now
                say_held(error)
            if now - self._since > self._timeout:
                raise
        else:
            self._since = None


@dataclass
class Arrival:
    """One wait for something to claim.

    ``due_at`` looks: -inf when something can be claimed, else the Unix second of the next thing to ``settle``.
    """

    due_at: Callable[[], float]
    settle: Callable[[], None]
    data_version: Callable[[], int]
    clock: Callable[[], float]
    watch: Callable[[], bool]
    is_unseen: Callable[[], bool]
    be_seen: Callable[[], None]
    timeout: float
    _version: int | None = None
    _due: float = math.inf
    _away_since: float | None = None
    _ends: float = field(init=False)
    _watch_at: float = field(init=False)

    def __post_init__(self) -> None:
        now = time.monotonic()
        self._ends = now + self.timeout
        self._watch_at = now + _TAKE_OVER_WATCH

    def wait(self, bell: Doorbell) -> bool:
        """Block until there is something to claim, at most ``timeout`` seconds; whether there is."""
        if self.timeout > 0 and self.is_unseen():
            self.be_seen()
        found = self._look(anew=True)
        while found is not _Found.CLAIMABLE:
            if found is _Found.DUE:
                self._settle()
                if self._look(anew=True) is _Found.CLAIMABLE:
                    break
            if self._ends <= time.monotonic():
                return False
            if self.is_unseen():
                self.be_seen()
            found = self._look(anew=bell.wait(self._pause()))
        return True

    async def wait_async(self, bell: Doorbell) -> bool:
        """The same on an event loop, which goes on meanwhile."""
        import asyncio  # not for those who have no event loop

        if self.timeout > 0 and self.is_unseen():
            await asyncio.to_thread(self.be_seen)
        found = self._look(anew=True)
        while found is not _Found.CLAIMABLE:
            if found is _Found.DUE:
                await asyncio.to_thread(self._settle)
                if self._look(anew=True) is _Found.CLAIMABLE:
                    break
            if self._ends <= time.monotonic():
                return False
            if self.is_unseen():
                await asyncio.to_thread(self.be_seen)
            found = self._look(anew=await bell.wait_async(self._pause()))
        return True

    def _pause(self) -> float:
        """Seconds to listen for the doorbell before the next look."""
        until_due = self._due - self.clock()
        return min(self._ends - time.monotonic(), _SLOW_LOOK, until_due if until_due > 0 else _SLOW_LOOK)

    def _settle(self) -> None:
        with suppress(StoreAway):  # the next look says so
            self.settle()

    def _look(self, *, anew: bool = False) -> _Found:
        """Look again and again while the team's folder is away for a moment. Raises StoreAway when it stays away."""
        try:
            found = self._look_once(anew=anew)
        except StoreAway:
            now = time.monotonic()
            self._away_since = self._away_since or now
            if now - self._away_since > _AWAY_SECONDS:
                raise
            self._version, self._due = None, math.inf
            return _Found.NOTHING
        self._away_since = None
        return found

    def _look_once(self, *, anew: bool) -> _Found:
        """Costs next to nothing when nothing has happened, unless somebody says that something has."""
        version = None if anew else self.data_version()
        if version is None or version != self._version:
            self._version = version
            self._due = self.due_at()
        else:
            self._keep_watch()
        if self._due == -math.inf:
            return _Found.CLAIMABLE
        return _Found.DUE if self._due <= self.clock() else _Found.NOTHING

    def _keep_watch(self) -> None:
        """Become the team's watcher if the one it had is gone."""
        if time.monotonic() >= self._watch_at:
            self._watch_at = time.monotonic() + _TAKE_OVER_WATCH
            self.watch()
