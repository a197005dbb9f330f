"""Who takes part: the rows of ``agent_status``."""

import json
import sqlite3
from collections.abc import Mapping
from typing import Any

from . import clock
from .errors import InvalidName
from .messages import HUB, OFFLINE, TAKEN, Agent
from .team import fold_name


def agent_name(name: str) -> str:
    """The folded name of somebody who may take part."""
    folded = fold_name(name)
    if folded == HUB:
        raise InvalidName(f"{HUB!r} is the sender of the hub's own messages; choose another name.")
    return folded


def enroll(db: sqlite3.Connection, name: str, kind: str) -> None:
    """Make a name known, as offline, if it is not."""
    db.execute("INSERT OR IGNORE INTO agent_status (agent_name, kind) VALUES (?, ?)", (agent_name(name), kind))


def announce(
    db: sqlite3.Connection, name: str, kind: str | None, status: str, metadata: Mapping[str, Any] | None, now: float
) -> None:
    """Store a heartbeat. What is None stays as it was.

    Raises InvalidName when somebody who is no daemon says to be one that is.
    """
    if kind is not None:
        row = db.execute("SELECT kind FROM agent_status WHERE agent_name = ?", (name,)).fetchone()
        if row is not None and row["kind"] in TAKEN and row["kind"] != kind:
            raise InvalidName(f"{name!r} is the team's {row['kind']} of that name; choose another name.")
    db.execute(
        "INSERT INTO agent_status (agent_name, kind, status, last_heartbeat, metadata)"
        " VALUES (:name, coalesce(:kind, 'agent'), :status, :now, coalesce(:metadata, '{}'))"
        " ON CONFLICT (agent_name) DO UPDATE SET kind = coalesce(:kind, kind), status = :status,"
        " last_heartbeat = :now, metadata = coalesce(:metadata, metadata)",
        {
            "name": name,
            "kind": kind,
            "status": status,
            "now": clock.to_text(now),
            "metadata": None if metadata is None else json.dumps(dict(metadata), ensure_ascii=False),
        },
    )


AGENTS = """
    SELECT a.*, (SELECT count(*) FROM deliveries AS d
      WHERE d.recipient = a.agent_name AND d.done_at IS NULL AND d.read_at IS NULL) AS unread
    FROM agent_status AS a ORDER BY a.agent_name
"""


def agent_from(row: sqlite3.Row, metadata: Mapping[str, Any]) -> Agent:
    return Agent(
        name=row["agent_name"],
        kind=row["kind"],
        status=row["status"] or OFFLINE,
        last_heartbeat=clock.from_text(row["last_heartbeat"]),
        metadata=metadata,
        unread=row["unread"],
    )
