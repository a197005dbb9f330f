"""Leases: which reader may work on a delivery, and how the delivery ends. Every function runs inside a transaction."""

import os
import random
from collections.abc import Callable, Iterable, Sequence

from .. import timestamps
from ..engines.engine import Row, Transaction
from ..errors import StaleLease
from ..models import (
    HUB_SENDER,
    MAX_ATTEMPTS,
    REQUEST_SUFFIX,
    Delivery,
    Message,
    new_message_id,
)
from ..validation import MAX_QUOTED_CHARACTERS, check_seconds, check_text, check_type, quote
from .row_values import message_from_row

_FIRST_BACKOFF_SECONDS = 0.5
_MAX_BACKOFF_SECONDS = 300.0


def mark_offered(db: Transaction, offers: Iterable[tuple[int, str]], now: float) -> None:
    """Record the messages whose doorbells are about to ring."""
    at = timestamps.format_time(now)
    db.executemany(
        "UPDATE deliveries SET offered_at = ? WHERE message = ? AND recipient = ? AND offered_at IS NULL",
        [(at, message, recipient) for message, recipient in offers],
    )


def apply_deadlines(db: Transaction, me: str, now: float, reads_expired: Callable[[Message], bool]) -> list[str]:
    """Apply the due deadlines of one mailbox: expiry, ended leases, ended backoff.

    ``reads_expired`` selects messages that their reader gets after their expiry. Return the notified senders.
    """
    at = timestamps.format_time(now)
    notified = []
    # Foreign programs may write the tables. A delivery without its message must not be due forever.
    for is_due in ("state = 'leased' AND lease_expires_at <= ?", "state = 'ready' AND expires_at <= ?"):
        sql = f"DELETE FROM deliveries WHERE recipient = ? AND {is_due} AND message NOT IN (SELECT id FROM messages)"  # noqa: S608
        db.execute(sql, (me, at))
    expired = db.execute(
        "SELECT m.*, d.recipient AS mailbox FROM deliveries AS d JOIN messages AS m ON m.id = d.message"
        " WHERE d.recipient = ? AND d.state = 'ready' AND d.expires_at <= ?",
        (me, at),
    ).fetchall()
    for row in expired:
        if reads_expired(message_from_row(row)):
            # The recipient of this message decides what its expiry means.
            sql = "UPDATE deliveries SET expires_at = NULL WHERE message = ? AND recipient = ?"
            db.execute(sql, (row["id"], me))
        else:
            notified += expire(db, row, now)
    ended = db.execute(
        "SELECT d.attempts AS claims, m.* FROM deliveries AS d JOIN messages AS m ON m.id = d.message"
        " WHERE d.recipient = ? AND d.state = 'leased' AND d.lease_expires_at <= ?",
        (me, at),
    ).fetchall()
    for row in ended:
        notified += return_to_queue(
            db, message_from_row(row), me, row["claims"], now, error="no answer before the lease ended"
        )
    db.execute(
        "UPDATE deliveries SET available_at = NULL WHERE recipient = ? AND state = 'ready' AND available_at <= ?",
        (me, at),
    )
    return notified


def claim(
    db: Transaction, rows: Sequence[Row], me: str, reader: str, lease: float, now: float, *, read: bool
) -> list[Delivery]:
    """Lease the rows of SELECT_FOR_CLAIM to ``reader`` for ``lease`` seconds."""
    # Foreign programs may write the tables. A delivery without its message must not be found again at every claim.
    if orphans := [(row["message"], me) for row in rows if row["id"] is None]:
        db.executemany("DELETE FROM deliveries WHERE message = ? AND recipient = ?", orphans)
    at, until = timestamps.format_time(now), timestamps.format_time(now + lease)
    ends = timestamps.as_datetime(now + lease)
    claimed = [
        Delivery(message_from_row(row), me, row["claims"] + 1, reader + os.urandom(8).hex(), ends)
        for row in rows
        if row["id"] is not None
    ]
    for delivery in claimed:
        db.execute(
            "UPDATE deliveries SET state = 'leased', attempts = ?, lease_token = ?, lease_expires_at = ?,"
            " wait_seconds = ?, offered_at = coalesce(offered_at, ?), read_at = ? WHERE message = ? AND recipient = ?",
            (delivery.attempts, delivery.lease_token, until, lease, at, at if read else None, delivery.message.id, me),
        )
    return claimed


def leased_to(read: Callable[[str, tuple[str, ...]], list[Row]], me: str, reader: str) -> list[tuple[Message, int]]:
    """Return a reader's leased deliveries, each with its attempts."""
    rows = read(
        "SELECT d.attempts AS claims, m.* FROM deliveries AS d JOIN messages AS m ON m.id = d.message"
        " WHERE d.recipient = ? AND d.state = 'leased' AND substr(d.lease_token, 1, length(CAST(? AS TEXT))) = ?"
        " ORDER BY d.message",
        (me, reader, reader),
    )
    return [(message_from_row(row), row["claims"]) for row in rows]


def mark_read(db: Transaction, delivery: Delivery, now: float) -> None:
    _update_leased(db, delivery, "read_at = ?", timestamps.format_time(now))


def extend_lease(db: Transaction, delivery: Delivery, lease: float, now: float) -> None:
    check_seconds("lease", lease)
    _update_leased(db, delivery, "lease_expires_at = ?, wait_seconds = ?", timestamps.format_time(now + lease), lease)


def acknowledge(db: Transaction, delivery: Delivery, outcome: str | None, now: float) -> None:
    if outcome is not None:
        check_text("outcome", outcome)
    _update_leased(
        db,
        delivery,
        "state = 'done', lease_token = NULL, lease_expires_at = NULL, outcome = ?, done_at = ?",
        outcome,
        timestamps.format_time(now),
    )


def complete_unclaimed(db: Transaction, message: Message, me: str, outcome: str, now: float) -> bool:
    check_type("message", message, Message)
    check_text("outcome", outcome)
    at = timestamps.format_time(now)
    changed = db.execute(
        "UPDATE deliveries SET state = 'done', read_at = ?, done_at = ?, outcome = ?"
        " WHERE message = ? AND recipient = ? AND state = 'ready'",
        (at, at, outcome, message.id, me),
    )
    return changed.rowcount > 0


def release(db: Transaction, delivery: Delivery, error: str | None, delay: float | None, now: float) -> list[str]:
    if error is not None:
        check_text("error", error)
    if delay is not None:
        check_seconds("delay", delay, least=0)
    _update_leased(db, delivery, "outcome = ?", error)
    return return_to_queue(db, delivery.message, delivery.recipient, delivery.attempts, now, error=error, delay=delay)


def return_to_queue(
    db: Transaction,
    message: Message,
    recipient: str,
    attempts: int,
    now: float,
    *,
    error: str | None = None,
    delay: float | None = None,
) -> list[str]:
    """End a lease without a result: the delivery becomes unread again.

    After an error the delivery waits ``delay`` seconds, by default exponentially longer with full jitter. After
    MAX_ATTEMPTS such attempts it is a dead letter. Without an error the attempt does not count. Return the agents that
    were notified of a dead letter.
    """
    key = (message.id, recipient)
    if error is not None and attempts >= MAX_ATTEMPTS:
        db.execute(
            "UPDATE deliveries SET state = 'dead', lease_token = NULL, lease_expires_at = NULL, done_at = ?,"
            " outcome = ? WHERE message = ? AND recipient = ?",
            (timestamps.format_time(now), error, *key),
        )
        text = f"Your message to {recipient} was given up after {attempts} attempts: {error}"
        return _notify_sender(db, message, text, now)
    if delay is None:
        longest = min(_MAX_BACKOFF_SECONDS, _FIRST_BACKOFF_SECONDS * 2**attempts)
        delay = 0.0 if error is None else random.uniform(0.001, longest)  # noqa: S311 - stored in milliseconds
    db.execute(
        "UPDATE deliveries SET state = 'ready', lease_token = NULL, lease_expires_at = NULL, read_at = NULL,"
        " wake_steps = 0, available_at = ?, wait_seconds = ?, outcome = ?, attempts = ?"
        " WHERE message = ? AND recipient = ?",
        (timestamps.format_time(now + delay) if delay > 0 else None, delay, error, attempts - (error is None), *key),
    )
    return []


def expire(db: Transaction, row: Row, now: float) -> list[str]:
    """End a delivery that was not claimed in time; ``row`` is its message and ``mailbox``.

    Return the notified agents: the sender, if the message asked for an answer.
    """
    message = message_from_row(row)
    changed = db.execute(
        "UPDATE deliveries SET state = 'expired', done_at = ? WHERE message = ? AND recipient = ? AND state = 'ready'",
        (timestamps.format_time(now), message.id, row["mailbox"]),
    )
    if not changed.rowcount or not message.message_type.endswith(REQUEST_SUFFIX):
        return []
    return _notify_sender(
        db, message, f"{row['mailbox'][:MAX_QUOTED_CHARACTERS]} did not read your message before it expired.", now
    )


def cancel(db: Transaction, message: Message, *, even_if_read: bool, now: float) -> list[str]:
    """Withdraw the open deliveries of a message. Return the recipients that no longer get it."""
    rows = db.execute(
        "UPDATE deliveries SET state = 'cancelled', lease_token = NULL, lease_expires_at = NULL, done_at = ?"
        " WHERE message = ? AND done_at IS NULL AND (? = 1 OR read_at IS NULL) RETURNING recipient",
        (timestamps.format_time(now), message.id, int(bool(even_if_read))),
    ).fetchall()
    return [row[0] for row in rows]


def _update_leased(db: Transaction, delivery: Delivery, change: str, *values: str | float | None) -> None:
    """Change a delivery if this reader still has its lease."""
    check_type("delivery", delivery, Delivery)
    changed = db.execute(
        f"UPDATE deliveries SET {change} WHERE message = ? AND recipient = ? AND lease_token = ?",  # noqa: S608
        (*values, delivery.message.id, delivery.recipient, delivery.lease_token),
    )
    if not changed.rowcount:
        raise StaleLease(
            f"Message {quote(delivery.message.message_id)} is no longer leased to this reader: its lease ended or the "
            "message was withdrawn. Nothing was changed."
        )


def _notify_sender(db: Transaction, message: Message, text: str, now: float) -> list[str]:
    """Notify the sender of the outcome of a message. This must not fail: foreign content must not block a mailbox
    forever.
    """
    if message.sender == HUB_SENDER:
        return []
    recipient = message.sender.strip().lower()
    values = (new_message_id(), HUB_SENDER, recipient, text, timestamps.format_time(now), message.conversation_id)
    db.execute(
        "INSERT INTO messages (message_id, sender, recipient, message_type, content, created_at, conversation_id,"
        " reply_to) VALUES (?, ?, ?, 'error', ?, ?, ?, ?)",
        (*values, message.message_id),
    )
    return [recipient]
