"""One LLM agent's session with the hub: what it has read and not yet answered for.

An LLM agent acknowledges by acting. What a read returned stays leased to its session and is kept so while the session
lives; a reply ends the one delivery it answers, the next read ends the rest, and what a session leaves open when it
ends goes back unread.
"""

from collections.abc import Mapping
from typing import Any

from .errors import StaleLease
from .message_hub import LEASE_SECONDS, MessageHub
from .messages import Delivery, Message

KEEP_EVERY = LEASE_SECONDS / 3
"""Seconds between two calls of keep()."""


class Session:
    """Not for several threads at once."""

    def __init__(self, hub: MessageHub) -> None:
        self.hub = hub
        self._open: dict[str, Delivery] = {}

    def read(self, limit: int) -> list[Delivery]:
        """End what the last read returned, and claim what is next."""
        self._each(self.hub.acknowledge)
        self._open.clear()
        claimed = self.hub.claim(limit)
        self._open = {delivery.message.message_id: delivery for delivery in claimed}
        return claimed

    def give_back(self) -> None:
        """Nobody has seen, or will act on, what is open: it becomes unread again."""
        self._each(self.hub.release)
        self._open.clear()

    def keep(self) -> None:
        """Prolong the leases: the session lives."""
        self._each(self.hub.extend)

    def send(
        self,
        recipient: str | None,
        content: str,
        *,
        message_type: str,
        priority: str,
        reply_to: str | None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Message:
        """Send; a reply goes to whoever sent the message it answers, and ends that delivery."""
        if reply_to is None:
            return self.hub.send(
                recipient or "", content, message_type=message_type, priority=priority, metadata=metadata
            )
        answered = self.hub.message(reply_to)
        delivery = self._open.get(answered.message_id)
        if delivery is not None:
            sent = self.hub.reply(delivery, content, message_type=message_type, metadata=metadata)
            del self._open[answered.message_id]
            return sent
        return self.hub.answer(answered, content, message_type=message_type, metadata=metadata)

    def _each(self, verb: Any) -> None:  # noqa: ANN401 - a bound method of the hub with a delivery as its only need
        for message_id, delivery in list(self._open.items()):
            try:
                verb(delivery)
            except StaleLease:
                del self._open[message_id]
