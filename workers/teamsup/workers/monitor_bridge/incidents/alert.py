"""An alert: a source's report about one problem, in one form for all sources."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

Severity = Literal["critical", "warning", "info"]


@dataclass(frozen=True, slots=True)
class Alert:
    """One report about one problem. Its texts come from others, so they are data and never commands."""

    source: str
    fingerprint: str
    """The identity of the problem within its source. It stays the same from the problem's beginning to its end."""
    is_firing: bool
    title: str
    severity: Severity = "warning"
    text: str = ""
    group: str = ""
    """Alerts of one group are one conversation. By default each alert has its own group."""
    subject: str = ""
    """The subject of the problem, regardless of the severity. A critical alert inhibits a warning about the same
    subject.
    """
    labels: Mapping[str, str] = field(default_factory=dict)
    link: str = ""
    occurred_at: datetime | None = None
    """The time of the beginning or end, by the source's clock. A source may report another beginning for the same
    problem.
    """
    route: str | None = None
    """The NAME of the matching [alert_route.NAME]; empty if there is none. The search may take a while, so it runs
    before the alert is stored.
    """
    is_test: bool = False
    """Whether a person has sent the alert as a test."""
    is_presumed_over: bool = False
    """Whether the problem counts as ended because its source no longer repeats it. The source has not reported the end.
    """
    reuses_fingerprint: bool = False
    """Whether the source uses the same fingerprint again when the problem comes back. Then ``occurred_at`` shows the
    order.
    """


@dataclass(frozen=True, slots=True)
class SourceHeartbeat:
    """A heartbeat of a source. Its absence is a problem that cannot report itself."""

    source: str
    fingerprint: str
    """The identity of the heartbeat within its source."""
    title: str
    """The name of the heartbeat for people."""
    occurred_at: datetime | None = None


Alerts = tuple[Alert | SourceHeartbeat, ...]
"""The content of one request of a source; empty if the request does not matter, such as a notice of maintenance."""
