"""The table mutes: no other module names it in SQL. Writes run in the caller's transaction."""

import json

from teamsup.hub import MessageHub
from teamsup.hub.engines.engine import Row
from teamsup.hub.timestamps import format_time, parse_time

from .matcher import parse_matcher
from .mute import Mute, MuteRequest


def insert_mute(hub: MessageHub, request: MuteRequest, severity: str, who: str, person: str, now: float) -> Mute:
    """Store a mute, and return it."""
    values = {
        "matchers": json.dumps([str(each) for each in request.matchers], ensure_ascii=False),
        "incidents": json.dumps(request.incidents),
        "severity": severity,
        "created_by": who,
        "created_by_id": person,
        "created_at": format_time(now),
        "ends_at": format_time(now + request.seconds),
    }
    columns, marks = ", ".join(values), ", ".join(f":{name}" for name in values)
    (row,) = hub.query(f"INSERT INTO mutes ({columns}) VALUES ({marks}) RETURNING *", values)  # noqa: S608 - ours
    return _to_mute(row)


def unended_mutes(hub: MessageHub, now: float) -> list[Mute]:
    """Return the mutes that end after a time, in the order of their ends."""
    rows = hub.query("SELECT * FROM mutes WHERE ends_at > ? ORDER BY ends_at, id", (format_time(now),))
    return [_to_mute(row) for row in rows]


def end_mute(hub: MessageHub, number: int, now: float) -> None:
    """End a mute before its time."""
    hub.execute("UPDATE mutes SET ends_at = ? WHERE id = ?", (format_time(now), number))


def prune(hub: MessageHub, moment: float) -> None:
    """Delete the mutes that ended before a time."""
    hub.execute("DELETE FROM mutes WHERE ends_at < ?", (format_time(moment),))


def _to_mute(row: Row) -> Mute:
    created_at, ends_at = parse_time(row["created_at"]), parse_time(row["ends_at"])
    return Mute(
        str(row["id"]),
        row["created_by"],
        0.0 if created_at is None else created_at.timestamp(),
        0.0 if ends_at is None else ends_at.timestamp(),
        tuple(parse_matcher(text) for text in json.loads(row["matchers"])),
        tuple(json.loads(row["incidents"])),
        row["severity"],
        row["created_by_id"],
    )
