"""The hub's objects, as immutable data."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntFlag
from typing import Any, Literal, NamedTuple

from . import timestamps

Priority = Literal["low", "normal", "high", "urgent"]
PRIORITIES: tuple[Priority, ...] = ("low", "normal", "high", "urgent")

AgentKind = Literal["agent", "daemon", "console", "supervisor"]

RESERVED_KINDS: tuple[AgentKind, ...] = ("daemon", "supervisor")
"""Kinds of agents whose names no other agent may use."""

MAX_MESSAGE_BYTES = 256 * 1024
"""The maximum number of bytes of content and metadata together, in UTF-8."""

MAX_LABEL_CHARACTERS = 255
"""The maximum number of characters of a message_id, conversation_id or message_type."""

MAX_HOPS = 8
"""The maximum number of consecutive replies from agent to agent, without a person or a daemon. The next reply is
refused.
"""

MAX_ID = 10**15
"""The largest message id that a foreign program may choose; the triggers have the same limit."""

DELIVERY_STATES = ("ready", "leased", "done", "dead", "expired", "cancelled")

MAX_ATTEMPTS = 5
"""The number of claims of one delivery before it becomes a dead letter."""

ONLINE = "online"
OFFLINE = "offline"
NOT_CONFIGURED = "not configured"
"""A value of ``agent_status.status``. Offline and unconfigured agents are absent; any other value means present."""

DEGRADED = "degraded"
"""``agent_status.status`` of an agent that runs and cannot do its work. The reason is in the metadata as ``reason`` or
``note``.
"""

DEGRADED_SINCE = "degraded_since"
"""The metadata key with the time since which it is degraded. The hub sets it."""

PRESENCE_TIMEOUT_SECONDS = 30.0
"""Age of a heartbeat after which its agent counts as silent."""

SUPERVISOR = "supervisor"
"""The agent that runs the team's workers, and handles requests."""

REQUEST_SUFFIX = "_request"
"""The end of message types whose sender waits for an answer. The sender is notified if such a message expires
unread."""

HUB_SENDER = "hub"
"""The sender of the hub's own messages. No agent can take this name."""


class WakeStep(IntFlag):
    """The steps of the wake ladder, from quiet to loud, by which an agent learns of unread messages.

    An unread delivery takes each step once, and only reading ends it. A lower step is skipped after a higher one. A new
    session has seen no announcement, so all steps begin again.
    """

    ANNOUNCED = 1
    """Announced in the agent's running turn."""
    ASKED = 2
    """The agent was asked to read the message before its turn ends."""
    WOKEN = 4
    """An idle session was woken."""

    @property
    def ended_by(self) -> "WakeStep":
        """The steps after which this step is skipped."""
        return WakeStep.ANNOUNCED | WakeStep.ASKED | WakeStep.WOKEN if self is WakeStep.ANNOUNCED else self


@dataclass(frozen=True, slots=True)
class Message:
    """An immutable message. ``id`` gives the order in which messages were stored; ``message_id`` is the identity."""

    id: int
    message_id: str
    sender: str
    recipient: str | None
    content: str
    message_type: str = "message"
    priority: str = "normal"
    metadata: Mapping[str, Any] = field(default_factory=dict)
    status: str = "pending"
    created_at: datetime | None = None
    expires_at: datetime | None = None
    conversation_id: str | None = None
    reply_to: str | None = None
    hops: int = 0


class MessageLabels(NamedTuple):
    """The labels of a message, without its content: quick to read for hundreds of messages."""

    id: int
    message_id: str
    sender: str
    recipient: str | None
    message_type: str
    conversation_id: str | None
    reply_to: str | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message for one recipient, leased to the reader that holds ``lease_token`` until ``lease_expires_at``."""

    message: Message
    recipient: str
    attempts: int
    lease_token: str
    lease_expires_at: datetime

    @property
    def content(self) -> str:
        """The text of its message."""
        return self.message.content


@dataclass(frozen=True, slots=True)
class DeliveryState:
    """The state of one message for one recipient: four events with their times."""

    recipient: str
    state: str
    attempts: int
    stored_at: datetime | None
    offered_at: datetime | None
    read_at: datetime | None
    done_at: datetime | None
    outcome: str | None
    undeliverable: bool
    """No agent of this name has taken part yet. The delivery waits for it."""
    next_try_at: datetime | None = None
    """The end of its backoff, or of its reader's lease; None if it waits for neither."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A delivery that failed too often."""

    message: Message
    recipient: str
    attempts: int
    error: str
    died_at: datetime | None


@dataclass(frozen=True, slots=True)
class Stats:
    """The state of a team's store. ``deliveries`` counts them by state; sizes are in bytes.

    ``oldest_unread`` is the time of the oldest message that a reader could claim now.
    """

    schema: int
    messages: int
    deliveries: Mapping[str, int]
    oldest_unread: datetime | None
    file_bytes: int
    wal_bytes: int


@dataclass(frozen=True, slots=True)
class Agent:
    """A participant, as a row of ``agent_status``."""

    name: str
    kind: str
    status: str
    last_heartbeat: datetime | None
    metadata: Mapping[str, Any]
    unread: int
    oldest_unread: datetime | None = None
    """The time when its oldest claimable message was stored, or None."""
    is_watched: bool = True
    """Whether it sends heartbeats, so that its silence matters."""

    def is_present(self, now: datetime) -> bool:
        """Return whether the agent takes part now: it has not left, and its last heartbeat is recent.

        A heartbeat from the future, after a clock was set back, proves nothing.
        """
        if self.last_heartbeat is None or self.status in (OFFLINE, NOT_CONFIGURED):
            return False
        return abs((now - self.last_heartbeat).total_seconds()) < PRESENCE_TIMEOUT_SECONDS

    @property
    def note(self) -> str:
        """The agent's note for people, or the reason while it is degraded."""
        return self.degraded or str(self.metadata.get("note") or "")

    @property
    def degraded(self) -> str:
        """The reason why the agent could not do its work at its last heartbeat; empty if it could."""
        if self.status != DEGRADED:
            return ""
        return str(self.metadata.get("reason") or self.metadata.get("note") or "it does not say why")

    @property
    def degraded_since(self) -> datetime | None:
        """The time since which it is degraded, or None if it is unknown."""
        return timestamps.parse_time(self.metadata.get(DEGRADED_SINCE)) if self.degraded else None


def new_message_id() -> str:
    """Return a UUID of version 7 (RFC 9562): unique, and in the order of time."""
    value = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10))
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    digits = f"{value:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
