"""An alert: a source's report about one problem, in one form for all sources."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

Severity = Literal["critical", "warning", "info"]


@dataclass(frozen=True, slots=True)
class Alert:
    """One report about one problem. Its texts are foreign: data."""

    source: str
    fingerprint: str
    """What makes it this problem and no other, within its source, which keeps it from its beginning to its end."""
    is_firing: bool
    title: str
    severity: Severity = "warning"
    text: str = ""
    group: str = ""
    """Alerts of one group are one conversation; by default each is its own."""
    subject: str = ""
    """What is wrong with what, without the severity: a critical alert inhibits the warning about the same."""
    labels: Mapping[str, str] = field(default_factory=dict)
    link: str = ""
    occurred_at: datetime | None = None
    """When it began, or ended; by the source's clock. A source may move the beginning of the same problem."""
    route: str | None = None
    """The NAME of the [alert_route.NAME] that it fits; empty: none. Looked for before it is stored, as that may take a
    while."""
    is_test: bool = False
    """A test by a person."""
    is_presumed_over: bool = False
    """An end without a report of the source, which no longer repeats the problem."""
    reuses_fingerprint: bool = False
    """When the same problem comes back, the source uses the key again and another ``at``, which says what came after
    what."""


@dataclass(frozen=True, slots=True)
class SourceHeartbeat:
    """A heartbeat of a source. Its absence is a problem that cannot report itself."""

    source: str
    fingerprint: str
    """Whose sign it is, within its source."""
    title: str
    """The same for people."""
    occurred_at: datetime | None = None


Alerts = tuple[Alert | SourceHeartbeat, ...]
"""What a source says at once; empty when nothing of it matters, such as a pause for maintenance."""
