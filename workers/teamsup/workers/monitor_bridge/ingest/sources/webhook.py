"""What a source has sent, before anybody has made sense of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...incidents.alert import Alert, SourceHeartbeat

Alerts = tuple[Alert | SourceHeartbeat, ...]
"""What one request says; none when it says nothing that matters, such as a pause for maintenance."""


@dataclass(frozen=True, slots=True)
class UnreadablePart:
    """A part of a request that means nothing to us."""

    reason: str
    """One sentence."""
    part: Any
    """The part, as its JSON says it."""


ParsedAlerts = tuple[Alert | SourceHeartbeat | UnreadablePart, ...]
"""What one request says, as far as it can be read."""


class InvalidPayload(Exception):
    """A request that means nothing to us; its text is one sentence that says why."""


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """One request of one source that has proved to be it."""

    source: str
    """The NAME of its [source.NAME]."""
    body: Any = None
    """What its JSON says, or its text if it is none."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in small letters."""
    path: tuple[str, ...] = ()
    """What comes behind the source's name."""
