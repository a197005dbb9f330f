"""The tables incidents and source_heartbeats: no other module names them in SQL.

Times that are numbers are Unix seconds. Writes run in the caller's transaction, if there is one.
"""

import json
from collections.abc import Iterable, Sequence

from teamsup.hub import MessageHub
from teamsup.hub.engines.engine import Row
from teamsup.hub.timestamps import format_time, parse_time

from ...table_row import read_row
from . import group_table
from .alert import Alert, SourceHeartbeat
from .incident import FIRING, RESOLVED, Incident, UnknownIncident, severity_rank

_PRUNE_BATCH = 500
_MAX_RESOLVED = 1000
_UNANSWERED = "state = 'firing' AND inhibited_by IS NULL AND mute IS NULL"
_WORST_FIRST = "CASE severity WHEN 'critical' THEN 0 WHEN 'warning' THEN 1 ELSE 2 END, id"


def get_incident(hub: MessageHub, number: int) -> Incident:
    """Return the incident with this number. Raise UnknownIncident."""
    found = _select(hub, "i.id = ?", number)
    if not found:
        raise UnknownIncident(f"There is no incident {number}. List them with: teamsup alerts")
    return found[0]


def latest_incident(hub: MessageHub, source: str, fingerprint: str) -> Incident | None:
    """Return the newest incident with this fingerprint."""
    found = _select(hub, "i.source = ? AND i.fingerprint = ? ORDER BY i.id DESC LIMIT 1", source, fingerprint)
    return found[0] if found else None


def open_about(hub: MessageHub, source: str, subject: str) -> list[Incident]:
    """Return the open incidents about a subject."""
    return _select(hub, "i.source = ? AND i.subject = ? AND i.subject <> '' AND i.state <> 'resolved'", source, subject)


def open_in_group(hub: MessageHub, group_id: int) -> list[Incident]:
    """Return the open incidents of a group, the worst first."""
    return _worst_first(_select(hub, "i.group_id = ? AND i.state <> 'resolved' ORDER BY i.id", group_id))


def open_incidents(hub: MessageHub) -> list[Incident]:
    """Return all open incidents, the worst first, and the newest first within a severity."""
    return _worst_first(_select(hub, "i.state <> 'resolved' ORDER BY i.id DESC"))


def all_incidents(hub: MessageHub, limit: int, before: int | None = None) -> list[Incident]:
    """Return the newest incidents, open or resolved. Leave out incidents whose beginning never arrived. With
    ``before``, return only lower numbers.
    """
    older, values = ("", ()) if before is None else ("AND i.id < ? ", (before,))
    return _select(hub, f"i.count > 0 {older}ORDER BY i.id DESC LIMIT ?", *values, limit)


def resolved_in_group(hub: MessageHub, group_id: int) -> list[Incident]:
    """Return the resolved incidents of a group."""
    return _select(hub, "i.group_id = ? AND i.state = 'resolved' ORDER BY i.id LIMIT ?", group_id, _MAX_RESOLVED)


def select_to_notify(hub: MessageHub, group_id: int, most: int) -> tuple[list[Incident], int]:
    """Return the worst open incidents of a group, and the number of others. Leave out acknowledged, inhibited and muted
    incidents, unless no others are open.
    """
    (row,) = hub.query(
        f"SELECT count(*) AS count, coalesce(sum(CASE WHEN {_UNANSWERED} THEN 1 ELSE 0 END), 0) AS unanswered"  # noqa: S608
        " FROM incidents WHERE group_id = ? AND state <> 'resolved'",
        (group_id,),
    )
    wanted, count = (
        (_UNANSWERED, int(row["unanswered"])) if row["unanswered"] else ("state <> 'resolved'", int(row["count"]))
    )
    numbers = f"SELECT id FROM incidents WHERE group_id = ? AND {wanted} ORDER BY {_WORST_FIRST} LIMIT ?"  # noqa: S608
    found = _select(hub, f"i.id IN ({numbers}) ORDER BY i.id", group_id, most)
    return _worst_first(found), max(0, count - most)


def is_group_resolved(hub: MessageHub, group_id: int) -> bool:
    """Return whether no incident of a group is open."""
    return not _exists(hub, "group_id = ? AND state <> 'resolved'", group_id)


def has_open_critical(hub: MessageHub, group_id: int) -> bool:
    """Return whether an open incident of a group is critical."""
    return _exists(hub, "group_id = ? AND severity = 'critical' AND state <> 'resolved'", group_id)


def has_had_critical(hub: MessageHub, group_id: int) -> bool:
    """Return whether an incident of a group was or is critical."""
    return _exists(hub, "group_id = ? AND severity = 'critical'", group_id)


def needs_response(hub: MessageHub, group_id: int, but: str = "") -> bool:
    """Return whether a group has an unacknowledged incident of another severity that is not inhibited or muted."""
    return _exists(hub, f"group_id = ? AND {_UNANSWERED} AND severity <> ?", group_id, but)


def count_recurrences_since(hub: MessageHub, source: str, fingerprint: str, moment: str, most: int) -> int:
    """Return how often a problem has begun since a time, up to ``most``."""
    (row,) = hub.query(
        "SELECT count(*) FROM (SELECT first_seen FROM incidents"
        " WHERE source = ? AND fingerprint = ? ORDER BY id DESC LIMIT ?) AS latest WHERE first_seen > ?",
        (source, fingerprint, most, moment),
    )
    return int(row[0])


def count_opened_groups(hub: MessageHub, source: str, moment: str, most: int) -> int:
    """Return how many incidents of a source have opened a group since a time, up to ``most``."""
    (row,) = hub.query(
        "SELECT count(*) FROM (SELECT 1 FROM incidents"
        " WHERE source = ? AND opened_group = 1 AND first_seen > ? LIMIT ?) AS opened",
        (source, moment, most),
    )
    return int(row[0])


def count_open(hub: MessageHub) -> dict[str, int]:
    """Return the number of open incidents, by severity."""
    rows = hub.query("SELECT severity, count(*) AS count FROM incidents WHERE state <> 'resolved' GROUP BY severity")
    return {row["severity"]: row["count"] for row in rows}


def muted_incidents(hub: MessageHub) -> list[Incident]:
    """Return the firing incidents that have a mute."""
    return _select(hub, "i.mute IS NOT NULL AND i.state = 'firing' ORDER BY i.id")


def ids_seen_at_source(hub: MessageHub) -> set[int]:
    """Return the open incidents that their source knew at the last query."""
    return {row["id"] for row in hub.query("SELECT id FROM incidents WHERE seen_at_source = 1 AND state <> 'resolved'")}


def insert_incident(hub: MessageHub, source: str, alert: Alert, state: str, now: float, occurred_at: str | None) -> int:
    """Store a new incident, and return its number."""
    moment = format_time(now)
    values = {
        "source": source,
        "fingerprint": alert.fingerprint,
        "subject": alert.subject,
        "severity": alert.severity,
        "title": alert.title,
        "text": alert.text,
        "labels": json.dumps(dict(alert.labels), ensure_ascii=False),
        "link": alert.link,
        "is_test": int(alert.is_test),
        "state": state,
        "count": int(state == FIRING),
        "first_seen": moment,
        "last_seen": moment,
        "began_at": occurred_at if state == FIRING else None,
        "ended_at": None if state == FIRING else occurred_at or moment,
    }
    columns, marks = ", ".join(values), ", ".join(f":{name}" for name in values)
    (row,) = hub.query(f"INSERT INTO incidents ({columns}) VALUES ({marks}) RETURNING id", values)  # noqa: S608 - ours
    return int(row["id"])


def update_incident(hub: MessageHub, number: int, **values: object) -> None:
    """Change columns of an incident."""
    stored = group_table.format_times(values)
    changes = ", ".join(f"{name} = :{name}" for name in stored)
    hub.execute(f"UPDATE incidents SET {changes} WHERE id = :id", {**stored, "id": number})  # noqa: S608 - ours


def repeat_incident(hub: MessageHub, number: int, alert: Alert, now: float, occurred_at: str | None) -> None:
    """Count an alert about an open incident, and store its texts."""
    hub.execute(
        "UPDATE incidents SET count = count + 1, last_seen = ?, stale_at = NULL, title = ?, text = ?, severity = ?,"
        " began_at = coalesce(?, began_at) WHERE id = ?",
        (format_time(now), alert.title, alert.text, alert.severity, occurred_at, number),
    )


def uninhibit(hub: MessageHub, number: int) -> bool:
    """Release the incidents that this one inhibits. Return whether there were any."""
    return hub.execute("UPDATE incidents SET inhibited_by = NULL WHERE inhibited_by = ?", (number,)) > 0


def move_incidents(hub: MessageHub, group_id: int, other: int) -> None:
    """Move all incidents of a group to another group."""
    hub.execute("UPDATE incidents SET group_id = ? WHERE group_id = ?", (other, group_id))


def acknowledge_group(hub: MessageHub, group_id: int, who: str, person: str, now: float) -> None:
    """Mark the firing incidents of a group as acknowledged. ``who`` is the shown name of ``person``."""
    hub.execute(
        "UPDATE incidents SET state = 'acknowledged', acknowledged_by = ?, acknowledged_by_id = ?, acknowledged_at = ?,"
        " mute = NULL, mute_by = NULL, mute_by_id = NULL, mute_ends_at = NULL WHERE group_id = ? AND state = 'firing'",
        (who, person, format_time(now), group_id),
    )


def people_named(hub: MessageHub, incidents: Sequence[Incident]) -> list[str]:
    """Return the ids of people that a text about these incidents may name: they acknowledged, muted or responded."""
    marks = ", ".join("?" for _ in incidents)
    rows = hub.query(
        "SELECT i.acknowledged_by_id, i.mute_by_id, c.responded_by_id FROM incidents AS i"  # noqa: S608
        f" {group_table.JOIN} WHERE i.id IN ({marks})",
        tuple(each.id for each in incidents),
    )
    return sorted({person for row in rows for person in row if person is not None})


def resolve_group(hub: MessageHub, group_id: int, now: float) -> None:
    """Mark the open incidents of a group as resolved."""
    hub.execute(
        "UPDATE incidents SET state = ?, ended_at = ? WHERE group_id = ? AND state <> 'resolved'",
        (RESOLVED, format_time(now), group_id),
    )


def active_groups(hub: MessageHub, steps: Iterable[str]) -> list[int]:
    """Return the open groups that wait for a notification, or that need an action after one of these steps."""
    unanswered = f"SELECT 1 FROM incidents AS i WHERE i.group_id = c.group_id AND {_UNANSWERED}"  # noqa: S608
    return group_table.active_groups(hub, steps, unanswered)


def prune(hub: MessageHub, moment: float) -> None:
    """Delete incidents and groups that ended before a time. Work in parts, so that other writers do not wait long."""
    sql = "SELECT id FROM incidents WHERE state = 'resolved' AND ended_at < ? LIMIT ?"
    values = (format_time(moment), _PRUNE_BATCH)
    while hub.execute(f"DELETE FROM incidents WHERE id IN ({sql})", values) == _PRUNE_BATCH:  # noqa: S608
        pass
    group_table.prune(hub, moment, unless="SELECT 1 FROM incidents AS i WHERE i.group_id = c.group_id")


def record_heartbeat(hub: MessageHub, source: str, heartbeat: SourceHeartbeat, now: float) -> None:
    """Store the time of a heartbeat."""
    hub.execute(
        "INSERT INTO source_heartbeats (source, fingerprint, title, seen_at) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (source, fingerprint) DO UPDATE SET title = excluded.title, seen_at = excluded.seen_at",
        (source, heartbeat.fingerprint, heartbeat.title, format_time(now)),
    )


def list_heartbeats(hub: MessageHub) -> list[SourceHeartbeat]:
    """Return the last heartbeat of each kind from each source, with the time by this host's clock."""
    rows = hub.query("SELECT source, fingerprint, title, seen_at FROM source_heartbeats")
    return [
        SourceHeartbeat(row["source"], row["fingerprint"], row["title"], parse_time(row["seen_at"])) for row in rows
    ]


def last_received_by_source(hub: MessageHub) -> dict[str, str]:
    """Return the time of each source's last alert or heartbeat, in the hub's format."""
    rows = hub.query(
        "SELECT source, max(at) AS at FROM (SELECT source, last_seen AS at FROM incidents"
        " UNION ALL SELECT source, seen_at FROM source_heartbeats) AS received GROUP BY source"
    )
    return {row["source"]: row["at"] for row in rows}


def _select(hub: MessageHub, where: str, *values: object) -> list[Incident]:
    rows = hub.query(
        "SELECT i.*, c.name, c.agent, c.step, c.since, c.responded_by, c.responded_at, c.notify_at FROM incidents AS i"  # noqa: S608 - a condition of ours
        f" {group_table.JOIN} WHERE {where}",
        values,
    )
    return [_to_incident(row) for row in rows]


def _exists(hub: MessageHub, where: str, *values: object) -> bool:
    return bool(hub.query(f"SELECT 1 FROM incidents WHERE {where} LIMIT 1", values))  # noqa: S608 - a condition of ours


def _worst_first(incidents: Iterable[Incident]) -> list[Incident]:
    return sorted(incidents, key=lambda incident: severity_rank(incident.severity))


def _to_incident(row: Row) -> Incident:
    labels = {str(name): str(value) for name, value in json.loads(row["labels"]).items()}
    return read_row(Incident, row, labels=labels, group=row["name"] or "", step=row["step"] or "new")
