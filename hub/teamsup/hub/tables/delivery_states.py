"""Queries about deliveries, for tools: states, deliveries in backoff, and dead letters."""

from collections.abc import Callable
from typing import Any

from ..engines.engine import Row, Transaction
from ..engines.statements import IS_CLAIMABLE
from ..models import Delivery, DeliveryState, Message
from ..timestamps import format_time, parse_time

Read = Callable[[str, tuple[str | int, ...]], list[Any]]

SELECT_CLAIMABLE = f"""
    SELECT m.* FROM (SELECT message, rank FROM deliveries WHERE {IS_CLAIMABLE} ORDER BY rank, message LIMIT :limit) AS d
      JOIN messages AS m ON m.id = d.message ORDER BY d.rank, d.message
"""  # noqa: S608

SELECT_DUE_MAILBOXES = """
    SELECT recipient FROM deliveries WHERE state = 'leased' AND lease_expires_at <= :now
    UNION SELECT recipient FROM deliveries WHERE state = 'ready' AND available_at <= :now
    UNION SELECT recipient FROM deliveries WHERE state = 'ready' AND expires_at <= :now
"""

COUNT_HEADLESS_CONVERSATIONS = """
    SELECT count(*) FROM (SELECT 1 FROM deliveries WHERE done_at IS NULL GROUP BY recipient, conversation_id
      HAVING conversation_id IS NOT NULL AND max(is_head) = 0) AS headless
"""

COUNT_PENDING_WITHOUT_DELIVERY = """
    SELECT count(*) FROM messages WHERE status = 'pending' AND recipient IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM deliveries WHERE message = messages.id AND done_at IS NULL)
"""

SELECT_STATES = """
    SELECT d.*, m.created_at AS stored_at, CASE d.state WHEN 'ready' THEN d.available_at WHEN 'leased'
      THEN d.lease_expires_at END AS next_try_at,
      d.recipient NOT IN (SELECT lower(agent_name) FROM agent_status WHERE agent_name IS NOT NULL) AS undeliverable
    FROM deliveries AS d JOIN messages AS m ON m.id = d.message WHERE d.message IN ({marks})
    ORDER BY d.message, d.recipient
"""


def is_acknowledged(read: Read, delivery: Delivery, at: float) -> bool:
    """Return whether this acknowledgement is stored. While this reader had the lease, no other reader could
    acknowledge.
    """
    rows = read(
        "SELECT 1 FROM deliveries WHERE message = ? AND recipient = ? AND state = 'done' AND done_at = ?",
        (delivery.message.id, delivery.recipient, format_time(at)),
    )
    return bool(rows)


def ended_at(read: Read, message: Message, state: str, at: float) -> list[str]:
    """Return the recipients whose delivery of a message got this state at this moment."""
    rows = read(
        "SELECT recipient FROM deliveries WHERE message = ? AND state = ? AND done_at = ? ORDER BY recipient",
        (message.id, state, format_time(at)),
    )
    return [row[0] for row in rows]


def is_held(read: Read, delivery: Delivery) -> bool:
    """Return whether this reader still has the lease."""
    rows = read(
        "SELECT 1 FROM deliveries WHERE message = ? AND recipient = ? AND lease_token = ?",
        (delivery.message.id, delivery.recipient, delivery.lease_token),
    )
    return bool(rows)


def release_all(db: Transaction, recipient: str, now: float) -> int:
    """End all leases on a recipient's deliveries. Return their number."""
    return db.execute(
        "UPDATE deliveries SET lease_expires_at = ? WHERE recipient = ? AND state = 'leased'",
        (format_time(now), recipient),
    ).rowcount


def requeue_dead(db: Transaction, message: Message, recipient: str | None) -> list[str]:
    """Return dead letters to the queue, with zero attempts. Return their recipients."""
    rows = db.execute(
        "SELECT recipient FROM deliveries WHERE message = ? AND state = 'dead'"
        " AND (CAST(? AS TEXT) IS NULL OR recipient = ?)",
        (message.id, recipient, recipient),
    ).fetchall()
    for row in rows:
        db.execute(
            "UPDATE deliveries SET state = 'ready', done_at = NULL, attempts = 0, available_at = NULL, read_at = NULL,"
            " expires_at = NULL, wake_steps = 0, sender_notified_at = NULL,"
            " is_head = CASE WHEN conversation_id IS NULL OR NOT EXISTS (SELECT 1 FROM deliveries AS other"
            "  WHERE other.recipient = deliveries.recipient AND other.conversation_id = deliveries.conversation_id"
            "  AND other.done_at IS NULL) THEN 1 ELSE 0 END"
            " WHERE message = ? AND recipient = ?",
            (message.id, row["recipient"]),
        )
    return [row["recipient"] for row in rows]


def cancel_dead(db: Transaction, message: Message, recipient: str, outcome: str) -> bool:
    """End a dead letter as cancelled. Return whether there was one."""
    changed = db.execute(
        "UPDATE deliveries SET state = 'cancelled', outcome = ? WHERE message = ? AND recipient = ? AND state = 'dead'",
        (outcome, message.id, recipient),
    )
    return changed.rowcount > 0


def state_from_row(row: Row) -> DeliveryState:
    return DeliveryState(
        recipient=row["recipient"],
        state=row["state"],
        attempts=row["attempts"],
        stored_at=parse_time(row["stored_at"]),
        offered_at=parse_time(row["offered_at"]),
        read_at=parse_time(row["read_at"]),
        done_at=parse_time(row["done_at"]),
        outcome=row["outcome"],
        undeliverable=bool(row["undeliverable"]),
        next_try_at=parse_time(row["next_try_at"]),
    )
