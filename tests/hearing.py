"""What comes for somebody in the team, one message after another."""

from support import PATIENCE
from teamsup.hub import Delivery, Message, MessageHub


def read(hub: MessageHub) -> Delivery:
    """The next one, still to be acknowledged."""
    assert hub.wait(PATIENCE)
    (delivery,) = hub.claim()
    return delivery


def hear(hub: MessageHub, kind: str = "message") -> Message:
    """The next of that kind; what comes before is left behind."""
    while True:
        delivery = read(hub)
        hub.acknowledge(delivery)
        if delivery.message.message_type == kind:
            return delivery.message


def hear_next(hub: MessageHub) -> Message:
    """The next of any kind."""
    delivery = read(hub)
    hub.acknowledge(delivery)
    return delivery.message
