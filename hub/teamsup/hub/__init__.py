"""The message hub, which every process of a team opens.

from teamsup.hub import MessageHub

with MessageHub("default", agent="deployer") as hub:
    hub.send("lead", "v1.2 is out")
"""

from .errors import (
    CallerError,
    InvalidDuration,
    InvalidMessage,
    InvalidName,
    InvalidValue,
    MessageConflict,
    NotConfigured,
    OptionalNotConfigured,
    RateLimited,
    ReplyLoop,
    SchemaTooNew,
    StaleLease,
    StoreBusy,
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreReadOnly,
    StoreReplaced,
    StoreUnavailable,
    TeamsupError,
    UnknownMessage,
    UnknownRecipient,
)
from .message_hub import MessageHub
from .models import Agent, Delivery, DeliveryState, Message, Stats
from .team import Team

__all__ = [
    "Agent",
    "CallerError",
    "Delivery",
    "DeliveryState",
    "InvalidDuration",
    "InvalidMessage",
    "InvalidName",
    "InvalidValue",
    "Message",
    "MessageConflict",
    "MessageHub",
    "NotConfigured",
    "OptionalNotConfigured",
    "RateLimited",
    "ReplyLoop",
    "SchemaTooNew",
    "StaleLease",
    "Stats",
    "StoreBusy",
    "StoreCorrupt",
    "StoreError",
    "StoreFull",
    "StoreReadOnly",
    "StoreReplaced",
    "StoreUnavailable",
    "Team",
    "TeamsupError",
    "UnknownMessage",
    "UnknownRecipient",
]
