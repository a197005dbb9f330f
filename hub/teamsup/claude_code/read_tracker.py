"""Track the deliveries that one participant has read and not yet completed.

An LLM agent acknowledges a message by acting on it. A delivery that it has read stays leased while the session lives. A
reply completes the delivery that it answers. The next read or the end of the turn completes the rest. When a session
ends, its open deliveries become unread again. After a pause of the machine a lease may have ended although no other
reader has claimed the delivery. Such a delivery is completed as if the lease had not ended.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from teamsup.config.people_protocol import DECISION_REQUEST
from teamsup.hub.errors import CallerError, StaleLease
from teamsup.hub.message_hub import LEASE_SECONDS, MessageHub
from teamsup.hub.models import Delivery, Message
from teamsup.hub.team import fold_case

from .rendering import MAX_MESSAGE_CHARACTERS, render_name

_MAX_READ_CHARACTERS = 40_000
"""The maximum number of characters of all messages that one read returns."""

RENEW_SECONDS = LEASE_SECONDS / 3
"""Seconds between two calls of keep()."""


class ReadTracker:
    """The reads of one participant. Not safe for several threads."""

    def __init__(self, hub: MessageHub) -> None:
        self.hub = hub
        self._open: dict[str, Delivery] = {}
        self._delivered: set[str] = set()
        self._reported: set[str] = set()

    def complete_last_read(self) -> None:
        """Complete the results of earlier reads. Call this when a read begins, so that two parallel reads do not
        complete each other's results.
        """
        self._for_each(self._complete, self._open)
        self._open.clear()
        self._delivered.clear()
        self._reported.clear()

    def mark_delivered_to_model(self) -> None:
        """Note that the model has all results so far. Claude Code may hold back the result of a background call until
        the next turn.
        """
        self._delivered.update(self._open)

    def complete_delivered(self) -> None:
        """Complete the deliveries that the model has received, because a turn has ended normally."""
        seen = {message_id: delivery for message_id, delivery in self._open.items() if message_id in self._delivered}
        self._for_each(self._complete, seen)
        self._open = {message_id: self._open[message_id] for message_id in self._open if message_id not in seen}
        self._delivered.clear()

    def read(self, limit: int) -> list[Delivery]:
        """Claim the next deliveries, as many as fit in one result."""
        claimed = self.hub.claim(limit, read=False)
        fitting = _count_fitting(claimed)
        self.release(claimed[fitting:])
        return claimed[:fitting]

    def track(self, claimed: list[Delivery]) -> None:
        """Note that the result of a read has reached its reader."""
        for delivery in claimed:
            self._open[delivery.message.message_id] = delivery
        with self.hub.transaction():
            for delivery in claimed:
                with suppress(StaleLease):
                    self.hub.mark_read(delivery)

    def release(self, claimed: list[Delivery]) -> None:
        """Release the result of a read that has not reached its reader."""
        if claimed:
            with self.hub.transaction():
                for delivery in claimed:
                    self._open.pop(delivery.message.message_id, None)
                    with suppress(StaleLease):
                        self.hub.release(delivery)

    def renew_leases(self) -> None:
        """Renew the leases while the session lives."""
        self._for_each(self.hub.extend, self._open)

    def release_all(self, error: str | None = None) -> None:
        """Release all open deliveries after the end of the session, so that they become unread at once. With an
        ``error`` this counts as a failed attempt, so a message that ends every session becomes a dead letter.
        """
        self._for_each(lambda delivery: self.hub.release(delivery, error=error, delay=0), self._open)
        self._open.clear()

    def reread(self, message_id: str) -> Message:
        """Return a message that this participant has sent or received. Raise CallerError for a message between other
        agents.
        """
        message = self.hub.queries.message(message_id)
        ours = {message.sender, *(state.recipient for state in self.hub.queries.trace(message_id))}
        if self.hub.agent not in ours:
            raise CallerError(f"Message #{message.id} is between others. Read only your own messages.")
        return message

    def reply(
        self,
        message_id: str,
        content: str,
        *,
        recipient: str | None = None,
        message_type: str = "message",
        priority: str | None = None,
        expires_in: float | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Message:
        """Answer a message, and complete its delivery in the same transaction. A status_report does not complete the
        delivery.

        Raise StaleLease, and send nothing, if the delivery was withdrawn or another reader has claimed it. A second
        attempt sends the answer anyway.
        """
        answered = self.reread(message_id)
        if answered.sender == self.hub.agent:
            raise CallerError(f"#{answered.id} is your own message; send a new one to its recipient instead.")
        if recipient is not None and fold_case(recipient) != fold_case(answered.sender):
            raise CallerError(
                f"#{answered.id} came from {render_name(answered.sender)}; leave out recipient, or reply_to."
            )
        is_report = message_type == "status_report"
        delivery = None if is_report else self._open.get(answered.message_id)
        try:
            with self.hub.transaction():
                if is_report:
                    pass
                elif delivery is not None:
                    self._complete(delivery, "answered")
                else:
                    # The model may have answered after a preview, or after it has read the message by its id.
                    self.hub.complete_unclaimed(answered, outcome="answered")
                sent = self.hub.answer(
                    answered,
                    content,
                    message_type=message_type,
                    priority=priority,
                    expires_in=expires_in,
                    metadata=metadata,
                )
        except StaleLease:
            del self._open[answered.message_id]
            raise
        if not is_report:
            self._open.pop(answered.message_id, None)
        return sent

    def report_failure(self, sentence: str) -> None:
        """Notify the senders of read but unanswered messages, once for each message. Raise the hub's errors."""
        with self.hub.transaction():
            for message_id, delivery in self._open.items():
                if message_id not in self._reported and _waits_for_answer(delivery.message):
                    self.hub.answer(delivery.message, sentence, message_type="status_report")
        self._reported.update(self._open)

    def _complete(self, delivery: Delivery, outcome: str | None = None) -> None:
        """End a delivery. This also works if its lease has ended, but no other reader has claimed it since then. Raise
        StaleLease.
        """
        try:
            self.hub.acknowledge(delivery, outcome=outcome)
        except StaleLease:
            if not self.hub.complete_unclaimed(delivery.message, outcome=outcome or "read"):
                raise

    def _for_each(self, verb: Callable[[Delivery], object], some: Mapping[str, Delivery]) -> None:
        if some:
            with self.hub.transaction():
                for delivery in some.values():
                    with suppress(StaleLease):
                        verb(delivery)


def _waits_for_answer(message: Message) -> bool:
    """Return whether the sender of the message may wait for an answer."""
    return message.recipient is not None and message.message_type in ("message", "task_request", DECISION_REQUEST)


def _count_fitting(claimed: list[Delivery]) -> int:
    """Return the number of messages that fit in one read."""
    total = 0
    for count, delivery in enumerate(claimed):
        total += min(len(delivery.message.content), MAX_MESSAGE_CHARACTERS)
        if total > _MAX_READ_CHARACTERS:
            return count
    return len(claimed)
