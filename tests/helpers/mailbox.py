"""What comes for somebody in the team, one message after another."""

from helpers.support import TIMEOUT_SECONDS
from teamsup.hub import Delivery, Message, MessageHub


def claim_next(hub: MessageHub) -> Delivery:
    """The next one, still to be acknowledged."""
    assert hub.wait(TIMEOUT_SECONDS)
    (delivery,) = hub.claim()
    return delivery


def receive(hub: MessageHub, kind: str = "message") -> Message:
    """The next of that kind; what comes before is left behind."""
    while True:
        delivery = claim_next(hub)
        hub.acknowledge(delivery)
        if delivery.message.message_type == kind:
            return delivery.message


def receive_next(hub: MessageHub) -> Message:
    """The next of any kind."""
    delivery = claim_next(hub)
    hub.acknowledge(delivery)
    return delivery.message
