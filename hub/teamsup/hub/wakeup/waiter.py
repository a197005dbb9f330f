"""Decide when a waiting reader looks for deliveries, and how long it sleeps until the next look."""

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum, auto

from ..engines.engine import log_waiting
from ..errors import StoreBusy, StoreUnavailable, TeamsupError
from ..models import Delivery
from .doorbell import Doorbell

# Seconds between two comparisons of data_version (5 µs), in case both the doorbell and the watcher have failed.
_FALLBACK_CHECK_SECONDS = 1.0
_WATCH_CHECK_SECONDS = 1.0
# Seconds. A folder that is moved or mounted returns after a moment. A writer waits for a busy database as long.
_UNAVAILABLE_SECONDS = 10.0


class _MailboxState(Enum):
    """The result of a look."""

    NOTHING = auto()
    CLAIMABLE = auto()
    DUE = auto()
    """A deadline is due. Apply it before the next look."""


class BusyTolerance:
    """Tolerate a store that another program holds, while a listener waits at most ``timeout`` seconds."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._since: float | None = None

    @contextmanager
    def tolerate(self) -> Iterator[None]:
        """Ignore StoreBusy until ``timeout`` seconds after the first. Log the first StoreBusy."""
        try:
            yield
        except StoreBusy as error:
            now = time.monotonic()
            if self._since is None:
                self._since = now
                log_waiting(error)
            if now - self._since > self._timeout:
                raise
        else:
            self._since = None


@dataclass
class Waiter:
    """One wait for a claimable delivery. ``find_next_due`` returns -inf if a delivery is claimable, or the Unix second
    of the next deadline.
    """

    find_next_due: Callable[[], float]
    apply_deadlines: Callable[[], None]
    data_version: Callable[[], int]
    clock: Callable[[], float]
    start_watcher: Callable[[], bool]
    is_presence_due: Callable[[], bool]
    refresh_presence: Callable[[], None]
    timeout: float
    look_seconds: float | None = None
    """Seconds between two looks without a doorbell; None for the default."""
    is_ring_enough: bool = False
    """Whether a ring counts as a claimable delivery. The caller then claims, and waits again if it got none."""
    _version: int | None = None
    _next_due: float = math.inf
    _unavailable_since: float | None = None
    _deadline: float = field(init=False)
    _next_watch_check: float = field(init=False)

    def __post_init__(self) -> None:
        now = time.monotonic()
        self._deadline = now + self.timeout
        self._next_watch_check = now + _WATCH_CHECK_SECONDS

    def wait(self, bell: Doorbell) -> bool:
        """Block until a delivery is claimable, at most ``timeout`` seconds. Return whether one is."""
        if self.timeout > 0 and self.is_presence_due():
            self.refresh_presence()
        found = self._check_mailbox(forced=True)
        while found is not _MailboxState.CLAIMABLE:
            if found is _MailboxState.DUE:
                self._apply_deadlines()
                if self._check_mailbox(forced=True) is _MailboxState.CLAIMABLE:
                    break
            if self._deadline <= time.monotonic():
                return False
            if self.is_presence_due():
                self.refresh_presence()
            found = self._check_after_wait(bell.wait(self._seconds_to_next_check()))
        return True

    async def wait_async(self, bell: Doorbell) -> bool:
        """Do the same without blocking the event loop."""
        import asyncio  # programs without an event loop do not need it

        if self.timeout > 0 and self.is_presence_due():
            await asyncio.to_thread(self.refresh_presence)
        found = self._check_mailbox(forced=True)
        while found is not _MailboxState.CLAIMABLE:
            if found is _MailboxState.DUE:
                await asyncio.to_thread(self._apply_deadlines)
                if self._check_mailbox(forced=True) is _MailboxState.CLAIMABLE:
                    break
            if self._deadline <= time.monotonic():
                return False
            if self.is_presence_due():
                await asyncio.to_thread(self.refresh_presence)
            found = self._check_after_wait(await bell.wait_async(self._seconds_to_next_check()))
        return True

    def _seconds_to_next_check(self) -> float:
        """Return the seconds to listen for the doorbell before the next look."""
        until_due = self._next_due - self.clock()
        return min(
            self._deadline - time.monotonic(),
            self.look_seconds or _FALLBACK_CHECK_SECONDS,
            until_due if until_due > 0 else _FALLBACK_CHECK_SECONDS,
        )

    def _check_after_wait(self, rang: bool) -> _MailboxState:
        return _MailboxState.CLAIMABLE if rang and self.is_ring_enough else self._check_mailbox(forced=rang)

    def _apply_deadlines(self) -> None:
        with suppress(StoreUnavailable):  # the next look raises it
            self.apply_deadlines()

    def _check_mailbox(self, *, forced: bool = False) -> _MailboxState:
        """Look again while the team's folder is away for a moment. Raise StoreUnavailable if it stays away."""
        try:
            found = self._check_once(forced=forced)
        except StoreUnavailable:
            now = time.monotonic()
            self._unavailable_since = self._unavailable_since or now
            if now - self._unavailable_since > _UNAVAILABLE_SECONDS:
                raise
            self._version, self._next_due = None, math.inf
            return _MailboxState.NOTHING
        self._unavailable_since = None
        return found

    def _check_once(self, *, forced: bool) -> _MailboxState:
        """Look once. This is cheap if nothing has changed."""
        version = None if forced else self.data_version()
        if version is None or version != self._version:
            self._version = version
            self._next_due = self.find_next_due()
        else:
            self._take_over_watch()
        if self._next_due == -math.inf:
            return _MailboxState.CLAIMABLE
        return _MailboxState.DUE if self._next_due <= self.clock() else _MailboxState.NOTHING

    def _take_over_watch(self) -> None:
        """Become the team's watcher if its watcher has ended."""
        if time.monotonic() >= self._next_watch_check:
            self._next_watch_check = time.monotonic() + _WATCH_CHECK_SECONDS
            self.start_watcher()


class CancellableClaim:
    """A claim for an event loop. If the caller stops waiting for it, no delivery stays leased.

    ``claim`` and, if needed, ``release`` run in threads, because they wait for commits.
    """

    def __init__(self, claim: Callable[[], list[Delivery]], release: Callable[[Delivery], None]) -> None:
        self._claim = claim
        self._release = release
        self._lock = threading.Lock()
        self._is_cancelled = False
        self._claimed: list[Delivery] = []

    async def result(self) -> list[Delivery]:
        """Return the claimed deliveries. After one or more cancellations, release them."""
        import asyncio  # programs without an event loop do not need it

        # Use futures of the executor, not tasks: the end of the loop cancels its tasks, but waits for these futures.
        loop = asyncio.get_running_loop()
        try:
            return await asyncio.shield(loop.run_in_executor(None, self._run))
        except asyncio.CancelledError:
            await asyncio.shield(loop.run_in_executor(None, self._release_claimed))
            raise

    def _run(self) -> list[Delivery]:
        with self._lock:
            if not self._is_cancelled:
                self._claimed = self._claim()
            return self._claimed

    def _release_claimed(self) -> None:
        with self._lock:
            self._is_cancelled = True
            for delivery in self._claimed:
                # A delivery that cannot be released now returns when its lease ends.
                with suppress(TeamsupError):
                    self._release(delivery)
