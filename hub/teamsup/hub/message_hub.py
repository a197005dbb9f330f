"""MessageHub: the verbs of the hub, one meaning each."""

import functools
import math
import sqlite3
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import AbstractContextManager, closing, suppress
from typing import Any

from .agent_registry import AgentRegistry
from .errors import StoreUnavailable
from .maintenance import Maintenance
from .models import Delivery, Message, WakeStep
from .tables import deliveries, messages
from .tables.messages import NewMessage
from .timestamps import format_time, parse_time
from .validation import check_timeout, check_type
from .wake_ladder import WakeLadder
from .wakeup.cancellable_claim import CancellableClaim
from .wakeup.doorbell import Doorbell
from .wakeup.waiter import BusyTolerance, Waiter

LEASE_SECONDS = 60.0
BROADCAST_EXPIRY_SECONDS = 86400.0


class MessageHub(AgentRegistry, Maintenance, WakeLadder):
    """The team's messages, as one agent sees them.

    May be shared by threads; a process that forks must open its own. Errors are CallerError (the request is wrong) or
    StoreError (the database could not serve it; nothing was stored).

    ``team`` is a name (by default $TEAMSUP_TEAM or "default") or a Team. ``agent`` is in whose name everything is
    sent and read; without it the hub only shows. ``durability`` is what a send that returned survives: "full" a power
    loss, "normal" the death of the process, which is faster. ``clock`` gives Unix seconds.
    ``model``: a language model sends, which may storm or talk to another for ever, so its sends are bounded
    (RateLimited, ReplyLoop).
    """

    def send(
        self,
        recipient: str,
        content: str,
        *,
        message_type: str = "message",
        priority: str = "normal",
        metadata: Mapping[str, Any] | None = None,
        message_id: str | None = None,
        conversation_id: str | None = None,
        reply_to: str | None = None,
        expires_in: float | None = None,
    ) -> Message:
        """Store a message for one known agent; when this returns it is on disk.

        A ``message_id`` sent twice is one message. ``reply_to`` is the message_id that this answers. A message that
        nobody has claimed ``expires_in`` seconds from now is not delivered any more.

        Raises UnknownRecipient, InvalidMessage (empty, over 256 KiB with its metadata, no such priority),
        MessageConflict (that message_id said something else), UnknownMessage (nothing to reply to), ReplyLoop (two
        agents have answered each other more than 8 times).
        """
        draft = NewMessage(
            sender=self.agent,
            sender_kind=self._kind or "agent",
            is_rate_limited=self._is_model,
            recipient=recipient,
            content=content,
            message_type=message_type,
            priority=priority,
            metadata=metadata or {},
            message_id=message_id,
            conversation_id=conversation_id,
            reply_to=reply_to,
            expires_in=expires_in,
        )
        return self._insert(draft)

    def broadcast(
        self,
        content: str,
        *,
        message_type: str = "message",
        priority: str = "normal",
        metadata: Mapping[str, Any] | None = None,
        message_id: str | None = None,
        expires_in: float = BROADCAST_EXPIRY_SECONDS,
    ) -> Message:
        """Store a message for every agent that is here or was within seven days, but for ourselves, consoles and the
        supervisor; errors as in send. An agent that was enrolled in these days and has not come yet gets it too.

        Who has not claimed it ``expires_in`` seconds from now does not get it any more.
        """
        draft = NewMessage(
            sender=self.agent,
            sender_kind=self._kind or "agent",
            is_rate_limited=self._is_model,
            recipient=None,
            content=content,
            message_type=message_type,
            priority=priority,
            metadata=metadata or {},
            message_id=message_id,
            expires_in=expires_in,
        )
        return self._insert(draft)

    def reply(
        self,
        delivery: Delivery,
        content: str,
        *,
        message_type: str = "message",
        priority: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Message:
        """Answer a delivery and end it, in one transaction.

        Raises StaleLease when the delivery is no longer ours; then nothing was sent.
        """
        with self._write_leased(delivery):
            self.acknowledge(delivery, outcome="answered")
            return self.answer(
                delivery.message, content, message_type=message_type, priority=priority, metadata=metadata
            )

    def answer(
        self,
        message: Message,
        content: str,
        *,
        message_type: str = "message",
        priority: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        expires_in: float | None = None,
    ) -> Message:
        """Send to whoever sent ``message``, in its conversation and by default with its priority; errors as in send.

        An answer to a name that nobody has enrolled, such as a shell's, is kept for it.
        """
        check_type("message", message, Message)
        draft = NewMessage(
            sender=self.agent,
            sender_kind=self._kind or "agent",
            is_rate_limited=self._is_model,
            recipient=message.sender,
            content=content,
            message_type=message_type,
            priority=priority or message.priority,
            metadata=metadata or {},
            conversation_id=message.conversation_id,
            reply_to=message.message_id,
            answered_id=message.id,
            expires_in=expires_in,
        )
        return self._insert(draft, known_only=False)

    def claim(self, limit: int = 1, *, lease: float = LEASE_SECONDS, read: bool = True) -> list[Delivery]:
        """Lease up to ``limit`` of our deliveries for ``lease`` seconds, the most urgent first, or none.

        A conversation is read in order: its next message comes only when the one before has ended. ``read=False`` is
        for a reader that only passes on; it says mark_read when the result has arrived.
        """
        if not self._store.is_in_transaction() and self._find_next_due() > self._clock():
            return []
        return self._claim_due(limit, lease, read=read)

    def mark_read(self, delivery: Delivery) -> None:
        """Say that a delivery claimed with ``read=False`` has reached its reader. Raises StaleLease."""
        with self._write(durable=False) as db:
            deliveries.mark_read(db, delivery, self._clock())

    def acknowledge(self, delivery: Delivery, *, outcome: str | None = None) -> None:
        """End a delivery as done. Raises StaleLease when it is no longer ours."""
        with self._write_leased(delivery) as db:
            deliveries.acknowledge(db, delivery, outcome, self._clock())
            if delivery.message.conversation_id is not None:
                self._ring_after_commit(self.agent)

    def complete_unclaimed(self, message: Message, *, outcome: str) -> bool:
        """End our delivery of a message as done although we have not claimed it; whether it was still unread."""
        with self._write() as db:
            ended = deliveries.complete_unclaimed(db, message, self.agent, outcome, self._clock())
            if ended and message.conversation_id is not None:
                self._ring_after_commit(self.agent)
        return ended

    def extend(self, delivery: Delivery, lease: float = LEASE_SECONDS) -> None:
        """Keep a delivery for ``lease`` seconds from now. Raises StaleLease."""
        with self._write_leased(delivery, durable=False) as db:
            deliveries.extend_lease(db, delivery, lease, self._clock())

    def release(self, delivery: Delivery, *, error: str | None = None, delay: float | None = None) -> None:
        """Give a delivery back unread, for ourselves or another reader of this agent. Raises StaleLease.

        With an ``error`` it comes back after ``delay`` seconds, by default exponentially later at every attempt, and
        after 5 failed attempts it is a dead letter and its sender is told. Without one the attempt does not count.
        """
        with self._write_leased(delivery) as db:
            self._ring_after_commit(self.agent, *deliveries.release(db, delivery, error, delay, self._clock()))

    def cancel(self, message_id: str, *, even_if_read: bool = False) -> list[str]:
        """Withdraw a message from everybody who has not read it, or from all who have not ended it.

        Returns the recipients that no longer get it. A reader who has it learns at its next step, by StaleLease.
        Raises UnknownMessage.
        """
        message = self.message(message_id)
        with self._write() as db:
            withdrawn = deliveries.cancel(db, message, even_if_read=even_if_read, now=self._clock())
            self._ring_after_commit(*withdrawn)
        return withdrawn

    def release_abandoned(self) -> int:
        """Give back what an earlier process of this agent had claimed; returns how many deliveries.

        Only for an agent with one reader at a time, which says this before its first claim.
        """
        with self._write() as db:
            return db.execute(
                "UPDATE deliveries SET lease_expires_at = ? WHERE recipient = ? AND state = 'leased'",
                (format_time(self._clock()), self.agent),
            ).rowcount

    def wait(self, timeout: float = math.inf, *, step: WakeStep | None = None) -> bool:
        """Block until there is something to claim, at most ``timeout`` seconds; whether there is.

        With a ``step``: until there is something to announce() on that step.
        """
        check_timeout(timeout)
        if step is not None:
            check_type("step", step, WakeStep)
        if self._find_next_due(step) == -math.inf:
            return True
        with closing(self._make_doorbell()) as bell:
            return self._make_waiter(timeout, step).wait(bell)

    async def wait_async(self, timeout: float = math.inf) -> bool:  # noqa: ASYNC109 - the same verb as wait()
        """The same on an event loop, which goes on meanwhile."""
        check_timeout(timeout)
        if self._find_next_due() == -math.inf:
            return True
        with closing(self._make_doorbell()) as bell:
            return await self._make_waiter(timeout).wait_async(bell)

    def listen(self, timeout: float = math.inf, *, lease: float = LEASE_SECONDS) -> Iterator[Delivery]:
        """Claim one delivery after another as they come, until none has come for ``timeout`` seconds.

        Another program that holds the store is waited for, which is said once on the log. Raises StoreBusy when it has
        held the store for ``timeout`` seconds.
        """
        check_timeout(timeout)
        with closing(self._make_doorbell()) as bell:
            hold_up = BusyTolerance(timeout)
            while True:
                taken: list[Delivery] = []
                with hold_up.tolerate():
                    if not self._make_waiter(timeout).wait(bell):
                        return
                    # The next wait raises it when that lasts.
                    with suppress(StoreUnavailable):
                        taken = self._claim_due(1, lease)
                yield from taken

    async def listen_async(
        self,
        timeout: float = math.inf,  # noqa: ASYNC109 - the same verb as listen()
        *,
        lease: float = LEASE_SECONDS,
    ) -> AsyncGenerator[Delivery, None]:
        """The same on an event loop, which no commit holds up."""
        check_timeout(timeout)
        with closing(self._make_doorbell()) as bell:
            hold_up = BusyTolerance(timeout)
            while True:
                taken: list[Delivery] = []
                with hold_up.tolerate():
                    if not await self._make_waiter(timeout).wait_async(bell):
                        return
                    with suppress(StoreUnavailable):
                        taken = await CancellableClaim(
                            functools.partial(self._claim_due, 1, lease), self.release
                        ).result()
                for delivery in taken:
                    yield delivery

    def start_watcher(self) -> bool:
        """Hear foreign writers for the whole team from now on; False when another process does already."""
        self._store.data_version()  # refuses a file that must not be opened
        return self._watcher.start_if_free()

    def data_version(self) -> int:
        """A number that changes when anybody has committed."""
        return self._store.data_version()

    def _insert(self, draft: NewMessage, *, known_only: bool = True) -> Message:
        with self._write() as db:
            message = messages.insert_message(db, draft, self._clock(), known_only=known_only)
            self._mark_offered_after_commit(message, messages.recipients_of(db, message))
            return message

    def _claim_due(self, limit: int, lease: float, *, read: bool = True) -> list[Delivery]:
        """What claim() does once it has seen that there is something."""
        with self._write(durable=False) as db:
            self._refresh_presence(listening=False)
            now = self._clock()
            if deliveries.has_deadlines(db, self.agent, now):
                self._ring_after_commit(*deliveries.apply_deadlines(db, self.agent, now))
            return deliveries.claim(db, self.agent, self._reader_id, limit, lease, now, read=read)

    def _write_leased(self, delivery: Delivery, *, durable: bool = True) -> AbstractContextManager[sqlite3.Connection]:
        """A transaction about a delivery that we hold.

        It waits for a busy store for as long as the lease lasts, so that work that was done is not done again.
        """
        check_type("delivery", delivery, Delivery)
        left = delivery.lease_expires_at.timestamp() - self._clock()
        return self._write(durable=durable, patience=left)

    def _make_doorbell(self) -> Doorbell:
        return Doorbell(self.team.run, self.agent)

    def _apply_deadlines(self) -> None:
        with self._write(durable=False) as db:
            self._ring_after_commit(*deliveries.apply_deadlines(db, self.agent, self._clock()))

    def _find_next_due(self, step: WakeStep | None = None) -> float:
        """When something happens in our mailbox, in Unix seconds: -inf when something can be claimed now."""
        me = {"me": self.agent, "now": format_time(self._clock()), "steps": step and step.ended_by}
        if self._store.read_on_writer(deliveries.SELECT_ANY_CLAIMABLE, me):
            return -math.inf
        if self._clock_went_back():
            return 0.0
        (text,) = self._store.read_on_writer(deliveries.SELECT_NEXT_DUE, me)[0]
        due = parse_time(text)
        return math.inf if text is None else due.timestamp() if due is not None else 0.0

    def _make_waiter(self, timeout: float, step: WakeStep | None = None) -> Waiter:
        return Waiter(
            find_next_due=functools.partial(self._find_next_due, step),
            apply_deadlines=self._apply_deadlines,
            data_version=self.data_version,
            clock=self._clock,
            start_watcher=self.start_watcher,
            # Who waits for a step of the wake ladder watches a mailbox for somebody else.
            is_presence_due=lambda: step is None and self._is_presence_due(listening=True),
            refresh_presence=functools.partial(self._refresh_presence, listening=True),
            timeout=timeout,
        )
