"""The message hub, which every process of a team opens.

from teamsup.hub import MessageHub

with MessageHub("default", agent="deployer") as hub:
    hub.send("lead", "v1.2 is out")
"""

from typing import TYPE_CHECKING, Any

from .errors import (
    CallerError,
    InvalidDuration,
    InvalidMessage,
    InvalidName,
    InvalidValue,
    MessageConflict,
    NoAnswer,
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
    UnknownTeam,
)

if TYPE_CHECKING:
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
    "NoAnswer",
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
    "UnknownTeam",
]

_MODULES = {
    "MessageHub": "message_hub",
    "Team": "team",
    **dict.fromkeys(("Agent", "Delivery", "DeliveryState", "Message", "Stats"), "models"),
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a class
    """Import a class when it is first needed. Importing the whole hub would take half of the time of ``ps``."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    globals()[name] = found = getattr(importlib.import_module(f".{_MODULES[name]}", __name__), name)
    return found
