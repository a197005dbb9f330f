"""One LLM agent's session with the hub: what it has read and not yet answered for.

An LLM agent acknowledges by acting. What a read returned stays leased to its session and is kept so while the session
lives; a reply ends the one delivery it answers, the next read ends the rest, and what a session leaves open when it
ends goes back unread.
"""

from collections.abc import Callable
from contextlib import suppress

from .errors import CallerError, StaleLease
from .message_hub import LEASE_SECONDS, MessageHub
from .messages import Delivery, Message

_MAX_CHARACTERS = 50_000
"""What one read returns at most, unless its first message alone is longer."""

KEEP_EVERY = LEASE_SECONDS / 3
"""Seconds between two calls of keep()."""


class Session:
    """Not for several threads at once."""

    def __init__(self, hub: MessageHub) -> None:
        self.hub = hub
        self._open: dict[str, Delivery] = {}

    def end_last_read(self) -> None:
        """What was returned before is done. This begins a read, so of two reads side by side neither ends what the
        other is about to return."""
        self._each(self.hub.acknowledge)
        self._open.clear()

    def read(self, limit: int) -> list[Delivery]:
        """Claim what is next, as far as one result can hold it."""
        claimed = self.hub.claim(limit, read=False)
        fitting = _fitting(claimed)
        self.give_back(claimed[fitting:])
        return claimed[:fitting]

    def returned(self, claimed: list[Delivery]) -> None:
        """The result of a read has reached its reader."""
        for delivery in claimed:
            self._open[delivery.message.message_id] = delivery
        with self.hub.transaction():
            for delivery in claimed:
                with suppress(StaleLease):
                    self.hub.mark_read(delivery)

    def give_back(self, claimed: list[Delivery]) -> None:
        """The result of a read has not reached its reader."""
        for delivery in claimed:
            self._open.pop(delivery.message.message_id, None)
            with suppress(StaleLease):
                self.hub.release(delivery)

    def keep(self) -> None:
        """Prolong the leases: the session lives."""
        self._each(self.hub.extend)

    def end(self) -> None:
        """The session is over: what it leaves open is unread again."""
        self._each(self.hub.release)
        self._open.clear()

    def send(
        self, recipient: str | None, content: str, *, message_type: str, priority: str, reply_to: str | None
    ) -> Message:
        """Send; a reply goes to whoever sent the message it answers, and ends that delivery."""
        if reply_to is None:
            return self.hub.send(recipient or "", content, message_type=message_type, priority=priority)
        answered = self.hub.message(reply_to)
        if recipient is not None and recipient.strip().lower() != answered.sender.strip().lower():
            raise CallerError(f"{reply_to} came from {answered.sender}; leave out recipient, or reply_to.")
        delivery = self._open.get(answered.message_id)
        if delivery is None:
            return self.hub.answer(answered, content, message_type=message_type, priority=priority)
        sent = self.hub.reply(delivery, content, message_type=message_type, priority=priority)
        self._open.pop(answered.message_id, None)
        return sent

    def _each(self, verb: Callable[[Delivery], object]) -> None:
        for message_id, delivery in list(self._open.items()):
            try:
                verb(delivery)
            except StaleLease:
                self._open.pop(message_id, None)


def _fitting(claimed: list[Delivery]) -> int:
    """How many of them one read may return."""
    total = 0
    for count, delivery in enumerate(claimed):
        total += len(delivery.message.content)
        if total > _MAX_CHARACTERS and count:
            return count
    return len(claimed)
