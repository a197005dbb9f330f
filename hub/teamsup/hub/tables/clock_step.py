"""Correct the times in the database when the clock goes back, so that no wait becomes longer.

Every writer stores its time once a second, so the next writer notices a step. A lease, backoff or expiry ends no later
than if it began now. A rank is at most the rank of a message that is stored now.
"""

from ..engines.engine import Transaction
from ..engines.statements import IS_CLAIMABLE
from ..timestamps import format_time, parse_time
from ..validation import MAX_SECONDS

CHECK_INTERVAL_SECONDS = 1.0
"""Seconds between two comparisons of a writer's clock with the mark."""

TOLERANCE_SECONDS = 2.0
"""A difference of two clocks of this many seconds is a step; a gradual adjustment causes a smaller difference."""

SELECT_CLOCK_MARK = "SELECT max(seen_at) FROM clock_mark"

_SELECT_LATEST_RANK = f"SELECT max(rank) FROM deliveries WHERE {IS_CLAIMABLE}"  # noqa: S608
_MAX_HANDICAP_MS = 60_000
_RANK = """
    CAST(:now_ms AS BIGINT)
      - CASE m.priority WHEN 'urgent' THEN 600000 WHEN 'high' THEN 60000 WHEN 'low' THEN -60000 ELSE 0 END
"""
_LIMIT_RANKS = f"""
    UPDATE deliveries SET rank = {_RANK} FROM messages AS m
    WHERE m.id = message AND done_at IS NULL AND rank > {_RANK}
      AND (CAST(:me AS TEXT) IS NULL OR deliveries.recipient = :me)
"""  # noqa: S608
# A program that knows only the original tables leases for five minutes, and stores no wait_seconds.
_UNKNOWN_WAIT_SECONDS, _UNKNOWN_EXPIRY_SECONDS = 300.0, 86400.0


def went_back(mark: float | None, now: float) -> bool:
    return mark is not None and now < mark - TOLERANCE_SECONDS


def record_time(db: Transaction, me: str | None, now: float) -> None:
    """Record the time. If the clock went back since the last record, limit all waits. In ``me``'s mailbox also limit
    ranks of writers with another clock.
    """
    (mark,) = db.execute(SELECT_CLOCK_MARK).fetchone()
    values = {"now": format_time(now), "now_ms": int(now * 1000), "me": me}
    if went_back(mark, now):
        _limit_waits(db, now)
        _limit_expiries(db, now)
        db.execute(_LIMIT_RANKS, values | {"me": None})
        _shift_heartbeats(db, now, mark - now)
    elif me is not None:
        (latest,) = db.execute(_SELECT_LATEST_RANK, values).fetchone()
        if latest is not None and latest > (now + TOLERANCE_SECONDS) * 1000 + _MAX_HANDICAP_MS:
            db.execute(_LIMIT_RANKS, values)
    db.execute("UPDATE clock_mark SET seen_at = ?", (now,))


def _limit_waits(db: Transaction, now: float) -> None:
    """Let each lease and each backoff end no later than if it began now."""
    for column, state in (("lease_expires_at", "leased"), ("available_at", "ready")):
        rows = db.execute(
            f"SELECT message, recipient, wait_seconds FROM deliveries WHERE state = ? AND {column} > ?",  # noqa: S608
            (state, format_time(now)),
        ).fetchall()
        ends = [(_end_of(now, _seconds_of(row["wait_seconds"])), row["message"], row["recipient"]) for row in rows]
        db.executemany(
            f"UPDATE deliveries SET {column} = ? WHERE message = ? AND recipient = ? AND {column} > ?",  # noqa: S608
            [(end, message, recipient, end) for end, message, recipient in ends],
        )


def _limit_expiries(db: Transaction, now: float) -> None:
    """If a message was stored at a time that is now in the future, let it expire as if it were stored now."""
    rows = db.execute(
        "SELECT d.message, d.recipient, m.created_at, m.expires_at FROM deliveries AS d JOIN messages AS m"
        " ON m.id = d.message WHERE d.state = 'ready' AND d.expires_at > ? AND m.created_at > ?",
        (format_time(now), format_time(now)),
    ).fetchall()
    ends = [
        (_end_of(now, _seconds_between(row["created_at"], row["expires_at"])), row["message"], row["recipient"])
        for row in rows
    ]
    db.executemany(
        "UPDATE deliveries SET expires_at = ? WHERE message = ? AND recipient = ? AND expires_at > ?",
        [(end, message, recipient, end) for end, message, recipient in ends],
    )


def _shift_heartbeats(db: Transaction, now: float, step: float) -> None:
    """Keep the age of each heartbeat, because an agent that has gone must not look alive."""
    rows = db.execute(
        "SELECT agent_name, last_heartbeat FROM agent_status WHERE last_heartbeat > ?", (format_time(now),)
    ).fetchall()
    for name, heartbeat in rows:
        if (moment := parse_time(heartbeat)) is not None:
            db.execute(
                "UPDATE agent_status SET last_heartbeat = ? WHERE agent_name = ?",
                (format_time(moment.timestamp() - step), name),
            )


def _end_of(now: float, seconds: float) -> str:
    """Return the end of a wait that begins now."""
    return format_time(now + min(max(seconds, 0.0), MAX_SECONDS))


def _seconds_of(wait: object) -> float:
    return wait if isinstance(wait, int | float) else _UNKNOWN_WAIT_SECONDS


def _seconds_between(stored: str, expires: str) -> float:
    created_at, expires_at = parse_time(stored), parse_time(expires)
    if created_at is None or expires_at is None:
        return _UNKNOWN_EXPIRY_SECONDS
    return (expires_at - created_at).total_seconds()
