"""A request of a source before it is parsed, and the result of the parser."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...incidents.alert import Alert, SourceHeartbeat


@dataclass(frozen=True, slots=True)
class UnreadablePart:
    """A part of a payload that cannot be read."""

    reason: str
    """One sentence."""
    part: Any
    """The part as JSON."""


ParsedAlerts = tuple[Alert | SourceHeartbeat | UnreadablePart, ...]
"""The alerts of one request, with its unreadable parts."""


class InvalidPayload(Exception):
    """The payload cannot be read. The text is one sentence with the reason."""


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """One request of a source, with the correct secret."""

    source: str
    """The NAME of the source's section [source.NAME]."""
    body: Any = None
    """The body as JSON, or as text if it is not JSON."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Headers, by their names in lower case."""
    path: tuple[str, ...] = ()
    """The parts of the path after the source's name."""
    mapping: Mapping[str, str] = field(default_factory=dict)
    """The path of each part of an alert, for a source of the kind "json"."""
