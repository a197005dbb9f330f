"""MessageHub: the verbs of the hub, one meaning each."""

import functools
import math
import sqlite3
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import AbstractContextManager, closing, suppress
from typing import Any

from . import deliveries, sending
from .arrival import Arrival, HoldUp
from .checks import check_kind_of, check_timeout
from .clock import from_text, to_text
from .doorbell import Doorbell
from .errors import StoreAway
from .membership import Membership
from .messages import Delivery, Message, Step
from .sending import Draft
from .taking import Taking
from .upkeep import Upkeep
from .wake_ladder import WakeLadder

LEASE_SECONDS = 60.0
BROADCAST_SECONDS = 86400.0


class MessageHub(Membership, Upkeep, WakeLadder):
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
        draft = Draft(
            sender=self.agent,
            kind=self._kind or "agent",
            is_limited=self._is_model,
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
        return self._send(draft)

    def broadcast(
        self,
        content: str,
        *,
        message_type: str = "message",
        priority: str = "normal",
        metadata: Mapping[str, Any] | None = None,
        message_id: str | None = None,
        expires_in: float = BROADCAST_SECONDS,
    ) -> Message:
        """Store a message for every agent that is here or was within seven days, but for ourselves, consoles and the
        supervisor; errors as in send. An agent that was enrolled in these days and has not come yet gets it too.

        Who has not claimed it ``expires_in`` seconds from now does not get it any more.
        """
        draft = Draft(
            sender=self.agent,
            kind=self._kind or "agent",
            is_limited=self._is_model,
            recipient=None,
            content=content,
            message_type=message_type,
            priority=priority,
            metadata=metadata or {},
            message_id=message_id,
            expires_in=expires_in,
        )
        return self._send(draft)

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
        with self._write_for(delivery):
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
        check_kind_of("message", message, Message)
        draft = Draft(
            sender=self.agent,
            kind=self._kind or "agent",
            is_limited=self._is_model,
            recipient=message.sender,
            content=content,
            message_type=message_type,
            priority=priority or message.priority,
            metadata=metadata or {},
            conversation_id=message.conversation_id,
            reply_to=message.message_id,
            answers=message.id,
            expires_in=expires_in,
        )
        return self._send(draft, known_only=False)

    def claim(self, limit: int = 1, *, lease: float = LEASE_SECONDS, read: bool = True) -> list[Delivery]:
        """Lease up to ``limit`` of our deliveries for ``lease`` seconds, the most urgent first, or none.

        A conversation is read in order: its next message comes only when the one before has ended. ``read=False`` is
        for a reader that only passes on; it says mark_read when the result has arrived.
        """
        if not self._store.is_writing() and self._due_at() > self._clock():
            return []
        return self._take(limit, lease, read=read)

    def mark_read(self, delivery: Delivery) -> None:
        """Say that a delivery claimed with ``read=False`` has reached its reader. Raises StaleLease."""
        with self._write(durable=False) as db:
            deliveries.mark_read(db, delivery, self._clock())

    def acknowledge(self, delivery: Delivery, *, outcome: str | None = None) -> None:
        """End a delivery as done. Raises StaleLease when it is no longer ours."""
        with self._write_for(delivery) as db:
            deliveries.acknowledge(db, delivery, outcome, self._clock())
            if delivery.message.conversation_id is not None:
                self._ring_later(self.agent)

    def end_unread(self, message: Message, *, outcome: str) -> bool:
        """End our delivery of a message as done although we have not claimed it; whether it was still unread."""
        with self._write() as db:
            ended = deliveries.end_unread(db, message, self.agent, outcome, self._clock())
            if ended and message.conversation_id is not None:
                self._ring_later(self.agent)
        return ended

    def extend(self, delivery: Delivery, lease: float = LEASE_SECONDS) -> None:
        """Keep a delivery for ``lease`` seconds from now. Raises StaleLease."""
        with self._write_for(delivery, durable=False) as db:
            deliveries.extend(db, delivery, lease, self._clock())

    def release(self, delivery: Delivery, *, error: str | None = None, delay: float | None = None) -> None:
        """Give a delivery back unread, for ourselves or another reader of this agent. Raises StaleLease.

        With an ``error`` it comes back after ``delay`` seconds, by default exponentially later at every attempt, and
        after 5 failed attempts it is a dead letter and its sender is told. Without one the attempt does not count.
        """
        with self._write_for(delivery) as db:
            self._ring_later(self.agent, *deliveries.release(db, delivery, error, delay, self._clock()))

    def cancel(self, message_id: str, *, even_if_read: bool = False) -> list[str]:
        """Withdraw a message from everybody who has not read it, or from all who have not ended it.

        Returns the recipients that no longer get it. A reader who has it learns at its next step, by StaleLease.
        Raises UnknownMessage.
        """
        message = self.message(message_id)
        with self._write() as db:
            withdrawn = deliveries.cancel(db, message, even_if_read=even_if_read, now=self._clock())
            self._ring_later(*withdrawn)
        return withdrawn

    def recover(self) -> int:
        """Give back what an earlier process of this agent had claimed; returns how many deliveries.

        Only for an agent with one reader at a time, which says this before its first claim.
        """
        with self._write() as db:
            return db.execute(
                "UPDATE deliveries SET lease_expires_at = ? WHERE recipient = ? AND state = 'leased'",
                (to_text(self._clock()), self.agent),
            ).rowcount

    def wait(self, timeout: float = math.inf, *, step: Step | None = None) -> bool:
        """Block until there is something to claim, at most ``timeout`` seconds; whether there is.

        With a ``step``: until there is something to announce() on that step.
        """
        check_timeout(timeout)
        if step is not None:
            check_kind_of("step", step, Step)
        if self._due_at(step) == -math.inf:
            return True
        with closing(self._doorbell()) as bell:
            return self._arrival(timeout, step).wait(bell)

    async def wait_async(self, timeout: float = math.inf) -> bool:  # noqa: ASYNC109 - the same verb as wait()
        """The same on an event loop, which goes on meanwhile."""
        check_timeout(timeout)
        if self._due_at() == -math.inf:
            return True
        with closing(self._doorbell()) as bell:
            return await self._arrival(timeout).wait_async(bell)

    def listen(self, timeout: float = math.inf, *, lease: float = LEASE_SECONDS) -> Iterator[Delivery]:
        """Claim one delivery after another as they come, until none has come for ``timeout`` seconds.

        Another program that holds the store is waited for, which is said once on the log. Raises StoreBusy when it has
        held the store for ``timeout`` seconds.
        """
        check_timeout(timeout)
        with closing(self._doorbell()) as bell:
            hold_up = HoldUp(timeout)
            while True:
                taken: list[Delivery] = []
                with hold_up.ridden_out():
                    if not self._arrival(timeout).wait(bell):
                        return
                    # The next wait raises it when that lasts.
                    with suppress(StoreAway):
                        taken = self._take(1, lease)
                yield from taken

    async def listen_async(
        self,
        timeout: float = math.inf,  # noqa: ASYNC109 - the same verb as listen()
        *,
        lease: float = LEASE_SECONDS,
    ) -> AsyncGenerator[Delivery, None]:
        """The same on an event loop, which no commit holds up."""
        check_timeout(timeout)
        with closing(self._doorbell()) as bell:
            hold_up = HoldUp(timeout)
            while True:
                taken: list[Delivery] = []
                with hold_up.ridden_out():
                    if not await self._arrival(timeout).wait_async(bell):
                        return
                    with suppress(StoreAway):
                        taken = await Taking(functools.partial(self._take, 1, lease), self.release).result()
                for delivery in taken:
                    yield delivery

    def watch(self) -> bool:
        """Hear foreign writers for the whole team from now on; False when another process does already."""
        self._store.data_version()  # refuses a file that must not be opened
        return self._watcher.start_if_free()

    def data_version(self) -> int:
        """A number that changes when anybody has committed."""
        return self._store.data_version()

    def _send(self, draft: Draft, *, known_only: bool = True) -> Message:
        with self._write() as db:
            message = sending.store_message(db, draft, self._clock(), known_only=known_only)
            self._offer_later(message, sending.recipients_of(db, message))
            return message

    def _take(self, limit: int, lease: float, *, read: bool = True) -> list[Delivery]:
        """What claim() does once it has seen that there is something."""
        with self._write(durable=False) as db:
            self._be_seen(listening=False)
            now = self._clock()
            if deliveries.is_due(db, self.agent, now):
                self._ring_later(*deliveries.settle(db, self.agent, now))
            return deliveries.claim(db, self.agent, self._reader, limit, lease, now, read=read)

    def _write_for(self, delivery: Delivery, *, durable: bool = True) -> AbstractContextManager[sqlite3.Connection]:
        """A transaction about a delivery that we hold.

        It waits for a busy store for as long as the lease lasts, so that work that was done is not done again.
        """
        check_kind_of("delivery", delivery, Delivery)
        left = delivery.lease_expires_at.timestamp() - self._clock()
        return self._write(durable=durable, patience=left)

    def _doorbell(self) -> Doorbell:
        return Doorbell(self.team.run, self.agent)

    def _settle(self) -> None:
        with self._write(durable=False) as db:
            self._ring_later(*deliveries.settle(db, self.agent, self._clock()))

    def _due_at(self, step: Step | None = None) -> float:
        """When something happens in our mailbox, in Unix seconds: -inf when something can be claimed now."""
        me = {"me": self.agent, "now": to_text(self._clock()), "steps": step and step.ends_with}
        if self._store.look(deliveries.CLAIMABLE, me):
            return -math.inf
        if self._clock_went_back():
            return 0.0
        (text,) = self._store.look(deliveries.NEXT_DUE, me)[0]
        due = from_text(text)
        return math.inf if text is None else due.timestamp() if due is not None else 0.0

    def _arrival(self, timeout: float, step: Step | None = None) -> Arrival:
        return Arrival(
            due_at=functools.partial(self._due_at, step),
            settle=self._settle,
            data_version=self.data_version,
            clock=self._clock,
            watch=self.watch,
            # Who waits for a step of the wake ladder watches a mailbox for somebody else.
            is_unseen=lambda: step is None and self._is_unseen(listening=True),
            be_seen=functools.partial(self._be_seen, listening=True),
            timeout=timeout,
        )
