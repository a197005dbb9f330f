"""The queue of work for workers: events, and workers that may be ready to start or stop.

A step does not call the next step, because thousands of steps may follow one another in a large team. Long work
continues in the next turns of the event loop.
"""

import asyncio
import heapq
import time
from collections import deque
from collections.abc import Callable

from .lifecycle import Event, Process
from .managed_process import ManagedProcess

_TURN_SECONDS = 0.05

AfterEvent = Callable[[Process], None]
"""Called after an event, with the process as it was before."""


class WorkQueue:
    """``decide`` handles an event, ``advance`` starts or stops a worker if possible. Both may add work.

    ``log`` writes a line to the log; ``on_step`` is called after each step.
    """

    def __init__(
        self,
        decide: Callable[[ManagedProcess, Event, AfterEvent | None], None],
        advance: Callable[[ManagedProcess], None],
        on_step: Callable[[ManagedProcess], None],
        log: Callable[[str], None],
    ) -> None:
        self._decide = decide
        self._advance = advance
        self._on_step = on_step
        self._log = log
        self._events: deque[tuple[ManagedProcess, Event, AfterEvent | None]] = deque()
        self._order: list[tuple[int, str]] = []
        """A heap of queued workers: each after its dependencies."""
        self._to_reconsider: dict[str, ManagedProcess] = {}
        self._is_working = False

    def __bool__(self) -> bool:
        return bool(self._events or self._to_reconsider)

    def add_event(
        self, worker: ManagedProcess, event: Event, after: AfterEvent | None = None, *, first: bool = False
    ) -> None:
        """Queue an event, after all other events or before them."""
        if first:
            self._events.appendleft((worker, event, after))
        else:
            self._events.append((worker, event, after))

    def reconsider(self, rank: int, worker: ManagedProcess) -> None:
        """Queue a worker for a check after all events, and after workers of a lower rank."""
        if self._to_reconsider.get(worker.name) is not worker:
            self._to_reconsider[worker.name] = worker
            heapq.heappush(self._order, (rank, worker.name))

    def is_pending(self, worker: ManagedProcess) -> bool:
        """Return whether work for this worker waits."""
        return any(each is worker for each, *_ in self._events) or self._to_reconsider.get(worker.name) is worker

    def run(self) -> None:
        """Do all waiting work, at once or in the next turns of the event loop."""
        if self._is_working:
            return
        self._is_working = True
        ends = time.monotonic() + _TURN_SECONDS
        while self:
            if time.monotonic() > ends:
                asyncio.get_running_loop().call_soon(self._continue)
                return
            self._step()
        self._is_working = False

    def _next_process(self) -> ManagedProcess:
        while (name := heapq.heappop(self._order)[1]) not in self._to_reconsider:
            pass  # the worker was queued twice, with two ranks
        return self._to_reconsider.pop(name)

    def _continue(self) -> None:
        self._is_working = False
        self.run()

    def _step(self) -> None:
        try:
            if self._events:
                worker, event, after = self._events.popleft()
                self._decide(worker, event, after)
            else:
                worker = self._next_process()
                self._advance(worker)
        except Exception as error:
            # A bug in the work for one worker must not end all others.
            self._log(f"{worker.name}: {type(error).__name__}: {error}")
        self._on_step(worker)
