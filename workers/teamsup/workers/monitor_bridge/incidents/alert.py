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
    """The identity of the problem within its source. The source keeps it from the beginning to the end."""
    is_firing: bool
    title: str
    severity: Severity = "warning"
    text: str = ""
    group: str = ""
    """Alerts of one group are one conversation; by default each alert has its own."""
    subject: str = ""
    """The subject of the problem, without the severity. A critical alert inhibits a warning about the same subject."""
    labels: Mapping[str, str] = field(default_factory=dict)
    link: str = ""
    occurred_at: datetime | None = None
    """The time of the beginning or end, by the source's clock. A source may change the beginning of the same
    problem."""
    route: str | None = None
    """The NAME of the matching [alert_route.NAME]; empty: none. It is found before the alert is stored, because the
    search may take a while.
    """
    is_test: bool = False
    """A test by a person."""
    is_presumed_over: bool = False
    """An end without a report of the source, because the source no longer repeats the problem."""
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
    """Its name for people."""
    occurred_at: datetime | None = None


Alerts = tuple[Alert | SourceHeartbeat, ...]
"""The content of one request of a source; empty if the request does not matter, such as a notice of maintenance."""
