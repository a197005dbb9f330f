"""The message hub: what every process of a team opens.

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
    NoTeam,
    NotSetUp,
    RateLimited,
    ReplyLoop,
    SchemaTooNew,
    StaleLease,
    StoreAway,
    StoreBusy,
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreReadOnly,
    StoreReplaced,
    TeamsupError,
    UnknownMessage,
    UnknownRecipient,
)
from .message_hub import MessageHub
from .messages import Agent, Delivery, DeliveryState, Message, Stats
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
    "NoTeam",
    "NotConfigured",
    "NotSetUp",
    "RateLimited",
    "ReplyLoop",
    "SchemaTooNew",
    "StaleLease",
    "Stats",
    "StoreAway",
    "StoreBusy",
    "StoreCorrupt",
    "StoreError",
    "StoreFull",
    "StoreReadOnly",
    "StoreReplaced",
    "Team",
    "TeamsupError",
    "UnknownMessage",
    "UnknownRecipient",
]
