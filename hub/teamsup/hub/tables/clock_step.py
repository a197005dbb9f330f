"""Correct the times in the database when the clock goes back, so that no wait becomes longer.

Every writer stores its time once a second, so the next one notices a step. A lease, backoff or expiry ends no later
than if it began now. A rank is at most that of a message stored now.
"""

import sqlite3

from ..timestamps import format_time

CHECK_INTERVAL_SECONDS = 1.0
"""Seconds between two comparisons of a writer's clock with the mark."""

TOLERANCE_SECONDS = 2.0
"""Seconds between two clocks that count as a step; more than a gradual adjustment of the time makes."""

SELECT_CLOCK_MARK = "SELECT max(seen_at) FROM clock_mark"

_SELECT_LATEST_RANK = """
    SELECT max(rank) FROM deliveries WHERE recipient = :me AND state = 'ready' AND is_head = 1 AND available_at IS NULL
"""
_MAX_HANDICAP_MS = 60_000
_RANK = """
    :now_ms - CASE m.priority WHEN 'urgent' THEN 600000 WHEN 'high' THEN 60000 WHEN 'low' THEN -60000 ELSE 0 END
"""
_LIMIT_RANKS = f"""
    UPDATE deliveries SET rank = {_RANK} FROM messages AS m
    WHERE m.id = message AND done_at IS NULL AND rank > {_RANK} AND (:me IS NULL OR deliveries.recipient = :me)
"""  # noqa: S608
# A program that knows only the original tables leases for five minutes, and stores no wait_seconds.
_WAIT_ENDS = "strftime('%Y-%m-%d %H:%M:%f', :now, printf('+%.3f seconds', coalesce(wait_seconds, 300)))"
_EXPIRY_ENDS = """strftime('%Y-%m-%d %H:%M:%f', :now,
    printf('+%.3f seconds', coalesce((julianday(m.expires_at) - julianday(m.created_at)) * 86400, 86400)))"""
_LIMIT_DEADLINES = (
    f"""UPDATE deliveries SET lease_expires_at = {_WAIT_ENDS}
    WHERE state = 'leased' AND lease_expires_at > {_WAIT_ENDS}""",  # noqa: S608
    f"""UPDATE deliveries SET available_at = {_WAIT_ENDS}
    WHERE state = 'ready' AND available_at > {_WAIT_ENDS}""",  # noqa: S608
    f"""UPDATE deliveries SET expires_at = {_EXPIRY_ENDS} FROM messages AS m
    WHERE m.id = message AND state = 'ready' AND deliveries.expires_at > {_EXPIRY_ENDS} AND m.created_at > :now""",  # noqa: S608
    _LIMIT_RANKS,
    # A heartbeat keeps its age, because an agent that is gone must not look alive.
    """UPDATE agent_status SET last_heartbeat =
      coalesce(strftime('%Y-%m-%d %H:%M:%f', last_heartbeat, printf('-%.3f seconds', :step)), last_heartbeat)
    WHERE last_heartbeat > :now AND typeof(last_heartbeat) = 'text'""",
)


def went_back(mark: float | None, now: float) -> bool:
    return mark is not None and now < mark - TOLERANCE_SECONDS


def record_time(db: sqlite3.Connection, me: str | None, now: float) -> None:
    """Record the time. If the clock went back since the last record, limit all waits. In ``me``'s mailbox also limit
    ranks of writers with another clock.
    """
    (mark,) = db.execute(SELECT_CLOCK_MARK).fetchone()
    values = {"now": format_time(now), "now_ms": int(now * 1000), "me": me}
    if went_back(mark, now):
        for sql in _LIMIT_DEADLINES:
            db.execute(sql, values | {"me": None, "step": mark - now})
    elif me is not None:
        (latest,) = db.execute(_SELECT_LATEST_RANK, values).fetchone()
        if latest is not None and latest > (now + TOLERANCE_SECONDS) * 1000 + _MAX_HANDICAP_MS:
            db.execute(_LIMIT_RANKS, values)
    db.execute("UPDATE clock_mark SET seen_at = ?", (now,))
