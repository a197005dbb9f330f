"""The agents: rows of ``agent_status``."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, get_args

from .. import timestamps
from ..engines.stored_json import decode_metadata, encode_metadata
from ..errors import InvalidName, InvalidValue
from ..models import (
    DEGRADED,
    DEGRADED_SINCE,
    NOT_CONFIGURED,
    OFFLINE,
    ONLINE,
    PRESENCE_TIMEOUT_SECONDS,
    Agent,
    AgentKind,
)
from ..team import normalize_agent_name
from ..validation import check_text, quote
from .row_values import as_text

if TYPE_CHECKING:
    from ..engines.engine import Result, Row, Transaction

PRESENT_STATUSES = (ONLINE, DEGRADED)

HEARTBEAT_SECONDS = PRESENCE_TIMEOUT_SECONDS / 3
"""Seconds between two presence reports of a listener."""


def check_kind(kind: object) -> None:
    """Raise InvalidValue unless the value is a kind of agent."""
    if kind not in get_args(AgentKind):
        raise InvalidValue(f"{quote(kind)} is not a kind of agent; the kinds are {', '.join(get_args(AgentKind))}.")


def enroll(db: "Transaction", name: str, kind: str) -> None:
    """Make an unknown name known, as offline."""
    folded = normalize_agent_name(name)
    check_kind(kind)
    if folded not in kinds_of(db, folded):
        db.execute("INSERT INTO agent_status (agent_name, kind) VALUES (?, ?) ON CONFLICT DO NOTHING", (folded, kind))


def kinds_of(db: "Transaction", name: str, other: str | None = None) -> dict[str, str]:
    """Return the kind of each known name."""
    return dict(select_kinds(db, name, other).fetchall())


def select_kinds(db: "Transaction", name: str, other: str | None = None) -> "Result":
    """Select the known names and their kinds. A foreign program may have written its name in capitals."""
    sql = "SELECT lower(agent_name), kind FROM agent_status WHERE lower(agent_name) IN (?, ?)"
    return db.execute(sql, (name, other))


def record_heartbeat(
    db: "Transaction",
    name: str,
    registered: str | None,
    kind: str | None,
    status: str,
    metadata: Mapping[str, Any] | None,
    now: float,
) -> None:
    """Store a heartbeat. None leaves a value unchanged. For a degraded agent, store the time since which it is
    degraded. An agent with heartbeats is watched for silence; an agent that has only ``registered`` is not. Raise
    InvalidName if the name belongs to a daemon, the supervisor or a person, and ``kind`` is another kind.
    """
    if kind is not None:
        known = kinds_of(db, name).get(name)
        if known not in (None, "agent", kind):
            raise InvalidName(f"{name!r} is the team's {known} of that name; choose another name.")
    enroll(db, name, kind or "agent")
    at = timestamps.format_time(now)
    if check_text("status", status) == DEGRADED:
        metadata = _note_degraded_since(db, name, metadata, at)
    is_set_up = not (status == NOT_CONFIGURED and metadata is not None and metadata.get("optional"))
    values = {
        "name": name,
        "kind": kind,
        "is_watched": int(registered is None),
        "status": status,
        "now": at,
        "metadata": None if metadata is None else encode_metadata(metadata),
        "is_set_up": int(is_set_up),
    }
    db.execute(_RECORD_HEARTBEAT, values)
    if not is_set_up:
        db.execute(_EXPIRE_BROADCASTS, values)


def _note_degraded_since(
    db: "Transaction", name: str, metadata: Mapping[str, Any] | None, now: str
) -> Mapping[str, Any]:
    """Return the metadata with the time since which the agent is degraded. If the given metadata is None, use the
    stored metadata.
    """
    before = db.execute("SELECT status, metadata FROM agent_status WHERE lower(agent_name) = ?", (name,)).fetchone()
    stored = decode_metadata(before["metadata"])
    began = stored.get(DEGRADED_SINCE) if before["status"] == DEGRADED else None
    return {**(stored if metadata is None else metadata), DEGRADED_SINCE: began or now}


def refresh_presence(db: "Transaction", name: str, kind: str | None, now: float, *, listening: bool) -> None:
    """Record that this agent's mailbox is being read.

    A listener becomes enrolled and online; a claim alone does not change that.
    """
    if listening:
        enroll(db, name, kind or "agent")
    values = {
        "name": name,
        "now": timestamps.format_time(now),
        "listening": int(listening),
        "offline": OFFLINE,
        "online": ONLINE,
    }
    db.execute(_REFRESH_PRESENCE, values)


def mark_offline_since(db: "Transaction", name: str, at: str) -> None:
    """Mark an agent offline, unless another process has reported for it since ``at``."""
    db.execute(
        "UPDATE agent_status SET status = ? WHERE lower(agent_name) = ? AND last_heartbeat = ? AND status <> ?",
        (OFFLINE, name, at, NOT_CONFIGURED),
    )


def mark_offline(db: "Transaction", names: Iterable[str]) -> None:
    """Mark agents offline, except unconfigured agents."""
    db.executemany(
        "UPDATE agent_status SET status = ? WHERE lower(agent_name) = ? AND status <> ?",
        [(OFFLINE, name, NOT_CONFIGURED) for name in names],
    )


def retire(db: "Transaction", name: str) -> None:
    """Forget an agent."""
    db.execute("DELETE FROM agent_status WHERE lower(agent_name) = ?", (name,))


SELECT_FRESH_PRESENCE = """
    SELECT 1 FROM agent_status WHERE lower(agent_name) = :name AND last_heartbeat BETWEEN :lately AND :now
      AND (:listening = 0 OR status <> 'offline')
"""
"""Whether this or another process has reported the agent's presence recently."""

_REFRESH_PRESENCE = """
    UPDATE agent_status SET last_heartbeat = :now,
      status = CASE WHEN :listening = 1 AND coalesce(status, :offline) = :offline THEN :online ELSE status END
    WHERE lower(agent_name) = :name
"""
_RECORD_HEARTBEAT = """
    UPDATE agent_status SET kind = coalesce(:kind, kind), status = :status, last_heartbeat = :now,
      is_watched = :is_watched, is_set_up = :is_set_up, metadata = coalesce(:metadata, metadata)
    WHERE lower(agent_name) = :name
"""
_EXPIRE_BROADCASTS = """
    UPDATE deliveries SET state = 'expired', outcome = :status, done_at = :now
    WHERE recipient = :name AND state = 'ready'
      AND EXISTS (SELECT 1 FROM messages WHERE id = deliveries.message AND recipient IS NULL)
"""
"""Ends the broadcasts that arrived before an agent reported that it is unconfigured. It does not get later broadcasts.
"""
OPEN_TO_READERS = """
    d.state = 'ready' AND d.is_head = 1 AND (d.available_at IS NULL OR d.available_at <= :now)
      AND (d.expires_at IS NULL OR d.expires_at > :now)
"""
"""Deliveries that their recipient could claim now: not in backoff, not behind another delivery of their conversation,
and not leased.
"""

SELECT_AGENTS = f"""
    SELECT a.*, lower(a.agent_name) AS name, (SELECT count(*) FROM deliveries AS d
      WHERE d.recipient = lower(a.agent_name) AND d.done_at IS NULL AND d.read_at IS NULL) AS unread,
      (SELECT m.created_at FROM deliveries AS d JOIN messages AS m ON m.id = d.message
        WHERE d.recipient = lower(a.agent_name) AND d.done_at IS NULL AND {OPEN_TO_READERS}
        ORDER BY d.message LIMIT 1) AS oldest_unread
    FROM agent_status AS a
    WHERE a.agent_name IS NOT NULL AND (CAST(:name AS TEXT) IS NULL OR lower(a.agent_name) = :name) ORDER BY name
"""  # noqa: S608


def agent_from_row(row: "Row", metadata: Mapping[str, Any]) -> Agent:
    return Agent(
        name=as_text(row["name"]),
        kind=as_text(row["kind"]),
        status=as_text(row["status"] or OFFLINE),
        last_heartbeat=timestamps.parse_time(row["last_heartbeat"]),
        metadata=metadata,
        unread=row["unread"],
        is_watched=row["is_watched"] == 1,
        oldest_unread=timestamps.parse_time(row["oldest_unread"]),
    )
