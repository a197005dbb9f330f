"""The rules of delivery in plain Python, to hold the hub against."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from teamsup.hub.models import MAX_ATTEMPTS

URGENCY = {"urgent": 0, "high": 1, "normal": 2, "low": 3}
Key = tuple[int, str]


@dataclass
class ModelDelivery:
    message: int
    recipient: str
    sender: str
    conversation: str | None
    urgency: int
    expires: float | None
    state: str = "ready"
    attempts: int = 0
    lease_ends: float | None = None
    token: str | None = None
    backoff: tuple[float, float] | None = None
    """Between which two moments the backoff must end."""
    asks: bool = False
    born: float = 0.0
    life: float = 0.0
    lease: float = 0.0
    """For how long it was leased last."""


@dataclass
class DeliveryModel:
    now: float
    deliveries: dict[Key, ModelDelivery] = field(default_factory=dict)
    messages: list[int] = field(default_factory=list)
    notified: list[tuple[str, int]] = field(default_factory=list)
    """Whom the hub must have told of the fate of which message, since last looked at."""

    def store(
        self,
        message: int,
        sender: str,
        recipients: Iterable[str],
        *,
        priority: str = "normal",
        conversation: str | None = None,
        expires: float | None = None,
        asks: bool = False,
    ) -> None:
        self.messages.append(message)
        for recipient in recipients:
            self.deliveries[message, recipient] = ModelDelivery(
                message,
                recipient,
                sender,
                conversation,
                URGENCY[priority],
                expires,
                asks=asks,
                born=self.now,
                life=(expires or self.now) - self.now,
            )

    def apply_deadlines(self, mailbox: str | None = None) -> None:
        for delivery in list(self.deliveries.values()):
            if mailbox in (None, delivery.recipient):
                if delivery.state == "ready" and delivery.expires is not None and delivery.expires <= self.now:
                    self.end(delivery, "expired", tell=delivery.asks)
                elif delivery.state == "leased" and delivery.lease_ends is not None and delivery.lease_ends <= self.now:
                    self.fail(delivery)

    def claimable(self, mailbox: str, backoffs: dict[Key, float]) -> list[ModelDelivery]:
        """In the order of claiming. ``backoffs`` says when those that are in backoff really end."""
        heads: dict[str, ModelDelivery] = {}
        ready = []
        for delivery in sorted(self.deliveries.values(), key=lambda delivery: delivery.message):
            if delivery.recipient != mailbox or delivery.state not in ("ready", "leased"):
                continue
            if delivery.conversation is not None:
                if delivery.conversation in heads:
                    continue
                heads[delivery.conversation] = delivery
            if delivery.state == "ready" and backoffs.get((delivery.message, mailbox), 0) <= self.now:
                ready.append(delivery)
        return sorted(ready, key=lambda delivery: (delivery.urgency, delivery.message))

    def claim(self, delivery: ModelDelivery, token: str, lease: float) -> None:
        delivery.state, delivery.token, delivery.lease_ends = "leased", token, self.now + lease
        delivery.attempts += 1
        delivery.lease = lease
        delivery.backoff = None

    def clock_went_back(self) -> None:
        """Nothing lasts longer than it would if it began now."""
        for delivery in self.deliveries.values():
            if delivery.lease_ends is not None:
                delivery.lease_ends = min(delivery.lease_ends, self.now + delivery.lease)
            if delivery.backoff is not None:
                first, last = delivery.backoff
                delivery.backoff = min(first, self.now), min(last, self.now + last - first)
            if delivery.state == "ready" and delivery.expires is not None and delivery.born > self.now:
                delivery.expires = min(delivery.expires, self.now + delivery.life)

    def fail(self, delivery: ModelDelivery) -> None:
        if delivery.attempts >= MAX_ATTEMPTS:
            self.end(delivery, "dead", tell=True)
        else:
            self.return_to_queue(delivery)
            delivery.backoff = (self.now, self.now + 0.5 * 2**delivery.attempts)

    def release(self, delivery: ModelDelivery) -> None:
        self.return_to_queue(delivery)
        delivery.attempts -= 1

    def return_to_queue(self, delivery: ModelDelivery) -> None:
        delivery.state, delivery.token, delivery.lease_ends, delivery.backoff = "ready", None, None, None

    def end(self, delivery: ModelDelivery, state: str, *, tell: bool = False) -> None:
        delivery.state, delivery.token, delivery.lease_ends = state, None, None
        if tell and delivery.sender != "hub":
            self.notified.append((delivery.sender, delivery.message))

    def requeue_dead(self, delivery: ModelDelivery) -> None:
        self.return_to_queue(delivery)
        delivery.attempts = 0

    def delete(self, message: int) -> None:
        self.messages.remove(message)
        for key in [key for key in self.deliveries if key[0] == message]:
            del self.deliveries[key]

    def has_ended(self, message: int) -> bool:
        return not any(
            delivery.state in ("ready", "leased") for key, delivery in self.deliveries.items() if key[0] == message
        )
