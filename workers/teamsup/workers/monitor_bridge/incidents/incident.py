"""An incident: one problem from its first alert until it is resolved. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from teamsup.hub import CallerError
from teamsup.hub.errors import ExitCode

FIRING, ACKNOWLEDGED, RESOLVED = "firing", "acknowledged", "resolved"
_SEVERITIES = ("critical", "warning", "info")


class UnknownIncident(CallerError):
    """No incident has this number."""

    exit_code = ExitCode.UNKNOWN


@dataclass(frozen=True, slots=True)
class Incident:
    """One problem of one subject. Its title, text, labels and link come from others, so they are data and never
    commands.
    """

    id: int
    source: str
    fingerprint: str
    subject: str
    severity: str
    title: str
    text: str
    labels: Mapping[str, str]
    link: str
    is_test: bool
    state: str
    count: int
    first_seen: datetime | None
    last_seen: datetime | None
    began_at: datetime | None
    ended_at: datetime | None
    acknowledged_by: str | None
    acknowledged_at: datetime | None
    group_id: int
    """The number of its group, which is the number of the group's first incident."""
    inhibited_by: int | None
    group: str = ""
    agent: str | None = None
    """The agent that has the incident."""
    step: str = "new"
    since: datetime | None = None
    """The time of the last escalation step."""
    responded_by: str | None = None
    responded_at: datetime | None = None
    """The time of the response after the last notification. After a response the escalation waits."""
    notify_at: datetime | None = None
    """The time of the next notification of further incidents, if one is planned."""
    stale_at: datetime | None = None
    """The time since which the incident counts as stale."""
    mute: str | None = None
    """The number of its mute, or the name of the mute's section."""
    mute_by: str | None = None
    mute_ends_at: datetime | None = None

    @property
    def conversation(self) -> str:
        return group_conversation_id(self.group_id)

    @property
    def is_muted(self) -> bool:
        """Whether the incident fires and has a mute."""
        return self.state == FIRING and self.mute is not None

    @property
    def is_open(self) -> bool:
        return self.state != RESOLVED


def group_conversation_id(group_id: int) -> str:
    return f"incident:{group_id}"


def worst_severity(severities: Iterable[str]) -> str:
    """Return the worst of some severities."""
    return min(severities, key=severity_rank, default="info")


def severity_rank(severity: str) -> int:
    """Return the rank of a severity; 0 is the worst."""
    return _SEVERITIES.index(severity) if severity in _SEVERITIES else len(_SEVERITIES)


def parse_number(word: str) -> int | None:
    """Parse the number of an incident as people write it: ``12``, ``#12``."""
    digits = word.strip().removeprefix("#")
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < 18 else None
