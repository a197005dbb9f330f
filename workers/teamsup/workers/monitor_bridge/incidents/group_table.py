"""The tables incident_groups and incident_messages: no other module names them in SQL.

Times that are numbers are Unix seconds. Writes run in the caller's transaction, if there is one.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from teamsup.hub import MessageHub
from teamsup.hub.engines.engine import Row
from teamsup.hub.timestamps import format_time, parse_time

from ...table_row import read_row
from .escalation import EscalationStep
from .routes import EscalationChain

JOIN = "LEFT JOIN incident_groups AS c ON c.group_id = i.group_id"
"""SQL that joins an incident ``i`` with its group ``c``."""
_PRUNE_BATCH = 500
_TIMES = (
    "ended_at",
    "last_seen",
    "mute_ends_at",
    "notified_at",
    "notify_at",
    "ping_at",
    "responded_at",
    "since",
    "stale_at",
)


@dataclass(frozen=True, slots=True)
class IncidentGroup:
    """Incidents that are reported and escalated together, with the state of the escalation."""

    group_id: int
    source: str
    name: str
    is_storm: bool
    agents: tuple[str, ...]
    ack_timeout_seconds: float
    agent: str | None
    step: EscalationStep
    since: float
    notified: tuple[str, ...]
    notified_at: float | None
    notify_at: float | None
    ping_at: float | None
    people_notified: bool
    responded_by: str | None
    is_resolved: bool


def create_group(
    hub: MessageHub, group_id: int, source: str, name: str, chain: EscalationChain, now: float, *, is_storm: bool
) -> None:
    """Store a new group."""
    hub.execute(
        "INSERT INTO incident_groups (group_id, source, name, is_storm, agents, ack_timeout_seconds, since)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (group_id, source, name, int(is_storm), json.dumps(chain.agents), chain.ack_timeout_seconds, format_time(now)),
    )


def get_group(hub: MessageHub, group_id: int) -> IncidentGroup | None:
    """Return the group with this number, or None."""
    return _first_group(hub, "group_id = ?", group_id)


def find_open_group(hub: MessageHub, source: str, name: str, *, is_storm: bool = False) -> IncidentGroup | None:
    """Return the open group of this name."""
    return _first_group(
        hub, "source = ? AND name = ? AND is_storm = ? AND ended_at IS NULL", source, name, int(is_storm)
    )


def find_latest_group(hub: MessageHub, source: str, name: str) -> IncidentGroup | None:
    """Return the newest group of this name, open or ended."""
    return _first_group(hub, "source = ? AND name = ? AND name <> '' AND is_storm = 0", source, name)


def count_groups_since(hub: MessageHub, source: str, name: str, moment: str, most: int) -> int:
    """Return how often a group of this name has begun since a time, up to ``most``."""
    (row,) = hub.query(
        "SELECT count(*) FROM (SELECT since FROM incident_groups"
        " WHERE source = ? AND name = ? AND name <> '' ORDER BY group_id DESC LIMIT ?) AS latest WHERE since > ?",
        (source, name, most, moment),
    )
    return int(row[0])


def groups_before_storm(hub: MessageHub, source: str, chain: EscalationChain, moment: str) -> list[int]:
    """Return the open groups of the same chain that began after a time and have not got a response."""
    rows = hub.query(
        "SELECT group_id FROM incident_groups WHERE source = ? AND is_storm = 0 AND ended_at IS NULL"
        " AND agents = ? AND responded_at IS NULL AND since > ?",
        (source, json.dumps(chain.agents), moment),
    )
    return [row["group_id"] for row in rows]


def active_groups(hub: MessageHub, steps: Iterable[str], unanswered: str) -> list[int]:
    """Return the open groups that wait for a notification, and those without a response that may need a step. Groups of
    the second kind wait for a ping, or their step is one of ``steps``. The query ``unanswered`` must also return a row
    for the group ``c``.
    """
    after = tuple(steps)
    marks = ", ".join("?" for _ in after)
    rows = hub.query(
        "SELECT group_id FROM incident_groups AS c WHERE ended_at IS NULL AND (notify_at IS NOT NULL OR"  # noqa: S608
        f" (responded_at IS NULL AND (step IN ({marks}) OR ping_at IS NOT NULL) AND EXISTS ({unanswered})))",
        after,
    )
    return [row["group_id"] for row in rows]


def update_group(hub: MessageHub, group_id: int, **values: object) -> None:
    """Change columns of a group."""
    stored = format_times(values)
    changes = ", ".join(f"{name} = :{name}" for name in stored)
    sql = f"UPDATE incident_groups SET {changes} WHERE group_id = :group_id"  # noqa: S608 - columns of ours
    hub.execute(sql, {**stored, "group_id": group_id})


def count_message(hub: MessageHub, group_id: int) -> int:
    """Count one more message of a group, and return their number."""
    (row,) = hub.query(
        "UPDATE incident_groups SET message_count = message_count + 1 WHERE group_id = ? RETURNING message_count",
        (group_id,),
    )
    return int(row["message_count"])


def insert_message(hub: MessageHub, number: int, group_id: int, recipient: str) -> None:
    """Record that this message has notified the recipient of the group."""
    hub.execute(
        "INSERT INTO incident_messages (message, group_id, recipient) VALUES (?, ?, ?)", (number, group_id, recipient)
    )


def messages_to(hub: MessageHub, group_id: int, recipient: str, limit: int) -> list[int]:
    """Return the numbers of the messages to a recipient about a group, the newest first."""
    rows = hub.query(
        "SELECT message FROM incident_messages WHERE group_id = ? AND recipient = ? ORDER BY message DESC LIMIT ?",
        (group_id, recipient, limit),
    )
    return [row["message"] for row in rows]


def messages_of(hub: MessageHub, group_id: int) -> list[tuple[int, str]]:
    """Return all messages about a group, as their numbers and recipients."""
    rows = hub.query("SELECT message, recipient FROM incident_messages WHERE group_id = ?", (group_id,))
    return [(row["message"], row["recipient"]) for row in rows]


def group_of_message(hub: MessageHub, number: int) -> int | None:
    """Return the present group of a message. Its incident may have joined a storm in the meantime."""
    rows = hub.query("SELECT group_id FROM incident_messages WHERE message = ?", (number,))
    return int(rows[0]["group_id"]) if rows else None


def move_messages(hub: MessageHub, group_id: int, other: int) -> None:
    """Move all messages of a group to another group, so that answers to them belong there."""
    hub.execute("UPDATE incident_messages SET group_id = ? WHERE group_id = ?", (other, group_id))


def prune(hub: MessageHub, moment: float, unless: str) -> None:
    """Delete groups that ended before a time, in parts. Keep a group ``c`` if the query ``unless`` finds a row."""
    sql = f"SELECT group_id FROM incident_groups AS c WHERE ended_at < ? AND NOT EXISTS ({unless}) LIMIT ?"  # noqa: S608
    values = (format_time(moment), _PRUNE_BATCH)
    while hub.execute(f"DELETE FROM incident_groups WHERE group_id IN ({sql})", values) == _PRUNE_BATCH:  # noqa: S608
        pass


def format_times(values: Mapping[str, object]) -> dict[str, object]:
    """Return the values of columns. Change Unix seconds into the hub's format of times."""
    return {
        name: format_time(value) if name in _TIMES and isinstance(value, int | float) else value
        for name, value in values.items()
    }


def _first_group(hub: MessageHub, where: str, *values: object) -> IncidentGroup | None:
    rows = hub.query(
        f"SELECT * FROM incident_groups WHERE {where} ORDER BY group_id DESC LIMIT 1",  # noqa: S608 - a condition of ours
        values,
    )
    return _to_group(rows[0]) if rows else None


def _to_group(row: Row) -> IncidentGroup:
    return read_row(
        IncidentGroup,
        row,
        agents=tuple(json.loads(row["agents"])),
        since=_to_seconds(row["since"]) or 0.0,
        notified=tuple(json.loads(row["notified"])),
        notified_at=_to_seconds(row["notified_at"]),
        notify_at=_to_seconds(row["notify_at"]),
        ping_at=_to_seconds(row["ping_at"]),
        is_resolved=row["ended_at"] is not None,
    )


def _to_seconds(text: str | None) -> float | None:
    moment = parse_time(text)
    return None if moment is None else moment.timestamp()
