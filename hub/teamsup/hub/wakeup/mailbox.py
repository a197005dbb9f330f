"""The mailbox of one agent: its claimable deliveries, the next deadline, and the wait for both."""

import functools
import math
from collections.abc import AsyncGenerator, Iterator
from contextlib import suppress

from ..engines.repetition import repeat, repeated
from ..engines.statements import SELECT_ANY_CLAIMABLE, SELECT_FOR_CLAIM, SELECT_NEXT_DUE
from ..errors import StoreUnavailable
from ..models import Delivery, WakeStep
from ..presence import Presence
from ..session import HubSession
from ..tables import deliveries, delivery_states
from ..timestamps import format_time, parse_time
from ..validation import check_count, check_seconds, check_timeout, check_type
from .waiter import BusyTolerance, CancellableClaim, Waiter


class AgentMailbox:
    """The mailbox of one session's agent. ``reader_id`` begins the tokens of its leases."""

    def __init__(self, session: HubSession, presence: Presence, reader_id: str) -> None:
        self._session = session
        self._presence = presence
        self._reader_id = reader_id

    def claim(self, limit: int, lease: float, *, read: bool) -> list[Delivery]:
        if not self._session.store.is_in_transaction() and self.find_next_due() > self._session.clock():
            return []
        return self._claim_due(limit, lease, read=read)

    def release(self, delivery: Delivery, error: str | None = None, delay: float | None = None) -> None:
        def give_back() -> bool:
            with self._session.write_leased(delivery) as db:
                notified = deliveries.release(db, delivery, error, delay, self._session.clock())
                self._session.ring_after_commit(self._session.agent, *notified)
            return True

        read = self._session.store.read
        repeat(self._session.store, give_back, lambda: None if delivery_states.is_held(read, delivery) else True)

    def wait(self, timeout: float, step: WakeStep | None) -> bool:
        check_timeout(timeout)
        if step is not None:
            check_type("step", step, WakeStep)
        if self.find_next_due(step) == -math.inf:
            return True
        with self._session.open_doorbell() as bell:
            return self._make_waiter(timeout, step).wait(bell)

    async def wait_async(self, timeout: float) -> bool:  # noqa: ASYNC109 - the same verb as wait()
        check_timeout(timeout)
        if self.find_next_due() == -math.inf:
            return True
        with self._session.open_doorbell() as bell:
            return await self._make_waiter(timeout).wait_async(bell)

    def listen(self, timeout: float, lease: float) -> Iterator[Delivery]:
        check_timeout(timeout)
        with self._session.open_doorbell() as bell:
            hold_up = BusyTolerance(timeout)
            waiter = self._make_waiter(timeout, claims=True)
            while True:
                taken: list[Delivery] = []
                with hold_up.tolerate():
                    if not waiter.wait(bell):
                        return
                    # If the error lasts, the next wait raises it.
                    with suppress(StoreUnavailable):
                        taken = self._claim_due(1, lease)
                if taken:
                    yield from taken
                    waiter = self._make_waiter(timeout, claims=True)

    async def listen_async(self, timeout: float, lease: float, look: float | None) -> AsyncGenerator[Delivery, None]:  # noqa: ASYNC109
        check_timeout(timeout)
        with self._session.open_doorbell() as bell:
            hold_up = BusyTolerance(timeout)
            waiter = self._make_waiter(timeout, look_seconds=look, claims=True)
            while True:
                taken: list[Delivery] = []
                with hold_up.tolerate():
                    if not await waiter.wait_async(bell):
                        return
                    with suppress(StoreUnavailable):
                        claim = functools.partial(self._claim_due, 1, lease)
                        taken = await CancellableClaim(claim, self.release).result()
                for delivery in taken:
                    yield delivery
                    waiter = self._make_waiter(timeout, look_seconds=look, claims=True)

    def find_next_due(self, step: WakeStep | None = None) -> float:
        """Return the Unix second of the next deadline; -inf if a delivery is claimable now."""
        session = self._session
        me = {"me": session.agent, "now": format_time(session.clock()), "steps": step and int(step.ended_by)}
        if session.store.read_on_writer(SELECT_ANY_CLAIMABLE, me):
            return -math.inf
        if session.clock_went_back():
            return 0.0
        (text,) = session.store.read_on_writer(SELECT_NEXT_DUE, me)[0]
        due = parse_time(text)
        return math.inf if text is None else due.timestamp() if due is not None else 0.0

    def _claim_due(self, limit: int, lease: float, *, read: bool = True) -> list[Delivery]:
        """Claim deliveries after a look has found one."""
        claimed: list[Delivery] = []  # known even if the server does not confirm it

        def find_claimed() -> list[Delivery] | None:
            return [each for each in claimed if delivery_states.is_held(self._session.store.read, each)] or None

        return repeat(self._session.store, lambda: self._claim_once(claimed, limit, lease, read=read), find_claimed)

    def _claim_once(self, claimed: list[Delivery], limit: int, lease: float, *, read: bool) -> list[Delivery]:
        check_seconds("lease", lease)
        check_count("limit", limit)
        session = self._session
        for has_settled in (False, True):
            with session.write(durable=False, shared=True) as db:
                self._presence.refresh(listening=False)
                # A server gets both questions at once.
                due = db.execute(SELECT_NEXT_DUE, {"me": session.agent})
                ready = db.execute(SELECT_FOR_CLAIM, (session.agent, limit))
                (next_due,), now = due.fetchone(), session.clock()
                if has_settled or next_due is None or next_due > format_time(now):
                    rows = ready.fetchall()
                    claimed[:] = deliveries.claim(db, rows, session.agent, self._reader_id, lease, now, read=read)
                    return claimed
            self._apply_deadlines()
        return []

    @repeated
    def _apply_deadlines(self) -> None:
        session = self._session
        with session.write(durable=False) as db:
            notified = deliveries.apply_deadlines(db, session.agent, session.clock(), session.reads_expired)
            session.ring_after_commit(*notified)

    def _make_waiter(
        self, timeout: float, step: WakeStep | None = None, look_seconds: float | None = None, *, claims: bool = False
    ) -> Waiter:
        return Waiter(
            find_next_due=functools.partial(self.find_next_due, step),
            apply_deadlines=self._apply_deadlines,
            data_version=self._session.store.data_version,
            clock=self._session.clock,
            start_watcher=self._session.start_watcher,
            # A waiter for a step of the wake ladder watches the mailbox of another reader.
            is_presence_due=lambda: step is None and self._presence.is_due(listening=True),
            refresh_presence=functools.partial(self._presence.refresh, listening=True),
            timeout=timeout,
            look_seconds=look_seconds,
            is_ring_enough=claims and not self._session.store.has_cheap_looks,
        )
