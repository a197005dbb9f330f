"""Incidents in the team's database, for the bridge and ``teamsup alerts``."""

import json
import os
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from teamsup.hub import CallerError, MessageHub
from teamsup.hub.timestamps import parse_time

FIRING, ACKNOWLEDGED, RESOLVED = "firing", "acknowledged", "resolved"
_SEVERITIES = ("critical", "warning", "info")


class UnknownIncident(CallerError):
    """No incident has that number."""

    exit_code = os.EX_NOUSER


@dataclass(frozen=True, slots=True)
class Incident:
    """One problem of one subject. Its title, text, labels and link are foreign: data."""

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
    """The incident with which its conversation began."""
    inhibited_by: int | None
    group: str = ""
    agent: str | None = None
    """Who has it."""
    step: str = "new"
    since: datetime | None = None
    """How far it has been escalated, and when that was."""
    responded_by: str | None = None
    responded_at: datetime | None = None
    """Who has acknowledged, answered or reported since it was told last; with that the escalation rests."""
    stale_at: datetime | None = None
    """When we noticed that its source does not repeat it."""

    @property
    def conversation(self) -> str:
        return group_conversation_id(self.group_id)

    @property
    def is_open(self) -> bool:
        return self.state != RESOLVED


def group_conversation_id(group_id: int) -> str:
    return f"incident:{group_id}"


def worst_severity(severities: Iterable[str]) -> str:
    """The worst of some severities."""
    return min(severities, key=severity_rank, default="info")


def severity_rank(severity: str) -> int:
    """0 is the worst."""
    return _SEVERITIES.index(severity) if severity in _SEVERITIES else len(_SEVERITIES)


def get_incident(hub: MessageHub, number: int) -> Incident:
    """The incident of that number. Raises UnknownIncident."""
    found = _select(hub, "i.id = ?", number)
    if not found:
        raise UnknownIncident(f"There is no incident {number}; see: teamsup alerts")
    return found[0]


def latest_incident(hub: MessageHub, source: str, fingerprint: str) -> Incident | None:
    """The newest incident of that fingerprint."""
    found = _select(hub, "i.source = ? AND i.fingerprint = ? ORDER BY i.id DESC LIMIT 1", source, fingerprint)
    return found[0] if found else None


def open_about(hub: MessageHub, source: str, subject: str) -> list[Incident]:
    """What is open about a thing."""
    return _select(hub, "i.source = ? AND i.subject = ? AND i.subject <> '' AND i.state <> 'resolved'", source, subject)


def open_in_group(hub: MessageHub, group_id: int) -> list[Incident]:
    """What is open in a conversation, the worst first."""
    found = _select(hub, "i.group_id = ? AND i.state <> 'resolved' ORDER BY i.id", group_id)
    return sorted(found, key=lambda incident: severity_rank(incident.severity))


def select_to_notify(hub: MessageHub, group_id: int, most: int) -> tuple[list[Incident], int]:
    """The worst of what is open in a conversation, and how many more there are: of what nobody takes care of yet and
    nothing worse inhibits, or of all where that leaves none."""
    untold = "state = 'firing' AND inhibited_by IS NULL"
    (row,) = hub.query(
        f"SELECT count(*) AS count, total({untold}) AS untold FROM incidents"  # noqa: S608
        " WHERE group_id = ? AND state <> 'resolved'",
        (group_id,),
    )
    wanted, count = (untold, int(row["untold"])) if row["untold"] else ("state <> 'resolved'", int(row["count"]))
    worst_first = "CASE severity WHEN 'critical' THEN 0 WHEN 'warning' THEN 1 ELSE 2 END, id"
    numbers = f"SELECT id FROM incidents WHERE group_id = ? AND {wanted} ORDER BY {worst_first} LIMIT ?"  # noqa: S608
    found = _select(hub, f"i.id IN ({numbers}) ORDER BY i.id", group_id, most)
    return sorted(found, key=lambda incident: severity_rank(incident.severity)), max(0, count - most)


def is_group_resolved(hub: MessageHub, group_id: int) -> bool:
    """Whether nothing is open in a conversation."""
    return not hub.query("SELECT 1 FROM incidents WHERE group_id = ? AND state <> 'resolved' LIMIT 1", (group_id,))


def has_open_critical(hub: MessageHub, group_id: int) -> bool:
    """Whether anything open in a conversation is critical."""
    sql = "SELECT 1 FROM incidents WHERE group_id = ? AND severity = 'critical' AND state <> 'resolved' LIMIT 1"
    return bool(hub.query(sql, (group_id,)))


def has_had_critical(hub: MessageHub, group_id: int) -> bool:
    """Whether anything in a conversation was or is critical."""
    return bool(hub.query("SELECT 1 FROM incidents WHERE group_id = ? AND severity = 'critical' LIMIT 1", (group_id,)))


def count_begun_since(hub: MessageHub, source: str, fingerprint: str, moment: str, most: int) -> int:
    """How often that problem has begun since then, as far as this."""
    (row,) = hub.query(
        "SELECT count(*) FROM (SELECT first_seen FROM incidents"
        " WHERE source = ? AND fingerprint = ? ORDER BY id DESC LIMIT ?)"
        " WHERE first_seen > ?",
        (source, fingerprint, most, moment),
    )
    return int(row[0])


def needs_response(hub: MessageHub, group_id: int, but: str = "") -> bool:
    """Whether nobody takes care of something in a conversation that nothing worse inhibits, of another severity."""
    sql = (
        "SELECT 1 FROM incidents"
        " WHERE group_id = ? AND state = 'firing' AND inhibited_by IS NULL AND severity <> ? LIMIT 1"
    )
    return bool(hub.query(sql, (group_id, but)))


def resolved_in_group(hub: MessageHub, group_id: int) -> list[Incident]:
    """What is over in a conversation."""
    return _select(hub, "i.group_id = ? AND i.state = 'resolved' ORDER BY i.id LIMIT 1000", group_id)


def open_incidents(hub: MessageHub) -> list[Incident]:
    """All that is not over, the worst first, and among these the newest."""
    found = _select(hub, "i.state <> 'resolved' ORDER BY i.id DESC")
    return sorted(found, key=lambda incident: severity_rank(incident.severity))


def count_open(hub: MessageHub) -> dict[str, int]:
    """How many are not over, by severity."""
    rows = hub.query("SELECT severity, count(*) AS count FROM incidents WHERE state <> 'resolved' GROUP BY severity")
    return {row["severity"]: row["count"] for row in rows}


def all_incidents(hub: MessageHub, limit: int) -> list[Incident]:
    """The newest, over or not; but for those of which only the end was ever heard."""
    return _select(hub, "i.count > 0 ORDER BY i.id DESC LIMIT ?", limit)


def parse_number(word: str) -> int | None:
    """The number of an incident as people write it: ``12``, ``#12``."""
    digits = word.strip().removeprefix("#")
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < 18 else None


def _select(hub: MessageHub, where: str, *values: object) -> list[Incident]:
    rows = hub.query(
        "SELECT i.*, c.name, c.agent, c.step, c.since, c.responded_by, c.responded_at FROM incidents AS i"  # noqa: S608 - a condition of ours
        f" LEFT JOIN incident_groups AS c ON c.group_id = i.group_id WHERE {where}",
        values,
    )
    return [_to_incident(row) for row in rows]


def _to_incident(row: sqlite3.Row) -> Incident:
    return Incident(
        id=row["id"],
        source=row["source"],
        fingerprint=row["fingerprint"],
        subject=row["subject"],
        severity=row["severity"],
        title=row["title"],
        text=row["text"],
        labels=_parse_labels(row["labels"]),
        link=row["link"],
        is_test=bool(row["is_test"]),
        state=row["state"],
        count=row["count"],
        first_seen=parse_time(row["first_seen"]),
        last_seen=parse_time(row["last_seen"]),
        began_at=parse_time(row["began_at"]),
        ended_at=parse_time(row["ended_at"]),
        acknowledged_by=row["acknowledged_by"],
        acknowledged_at=parse_time(row["acknowledged_at"]),
        group_id=row["group_id"],
        inhibited_by=row["inhibited_by"],
        group=row["name"] or "",
        agent=row["agent"],
        step=row["step"] or "new",
        since=parse_time(row["since"]),
        responded_by=row["responded_by"],
        responded_at=parse_time(row["responded_at"]),
        stale_at=parse_time(row["stale_at"]),
    )


def _parse_labels(text: str) -> dict[str, str]:
    labels: Any = json.loads(text)
    return {str(name): str(value) for name, value in labels.items()}


def last_received_by_source(hub: MessageHub) -> dict[str, str]:
    """Return when each source has said something last, as far as that is kept; times as the hub has them."""
    rows = hub.query(
        "SELECT source, max(at) AS at FROM (SELECT source, last_seen AS at FROM incidents"
        " UNION ALL SELECT source, seen_at FROM source_heartbeats"
        " UNION ALL SELECT source, last_at FROM rejected_payloads)"
        " GROUP BY source"
    )
    return {row["source"]: row["at"] for row in rows}
