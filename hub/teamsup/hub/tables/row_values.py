"""Read columns that foreign programs may have filled with any value."""

from typing import TYPE_CHECKING

from ..engines.stored_json import decode_metadata
from ..models import MAX_HOPS, PRIORITIES, Message, MessageLabels
from ..timestamps import parse_time

if TYPE_CHECKING:
    from ..engines.engine import Row


def as_text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def as_hops(value: object) -> int:
    return min(max(value, 0), MAX_HOPS) if isinstance(value, int) else 0


def message_from_row(row: "Row") -> Message:
    """Return a row of ``messages`` as a Message. Any program may have written it."""
    return Message(
        id=row["id"],
        message_id=as_text(row["message_id"]),
        sender=as_text(row["sender"]),
        recipient=None if row["recipient"] is None else as_text(row["recipient"]),
        content=as_text(row["content"]),
        message_type=as_text(row["message_type"] or "message"),
        priority=row["priority"] if row["priority"] in PRIORITIES else "normal",
        metadata=decode_metadata(row["metadata"]),
        status=as_text(row["status"] or "pending"),
        created_at=parse_time(row["created_at"]),
        expires_at=parse_time(row["expires_at"]),
        conversation_id=None if row["conversation_id"] is None else as_text(row["conversation_id"]),
        reply_to=None if row["reply_to"] is None else as_text(row["reply_to"]),
        hops=as_hops(row["hops"]),
    )


LABELS = "m.id, m.message_id, m.sender, m.recipient, m.message_type, m.conversation_id, m.reply_to"
"""The columns of ``messages AS m`` for labels_from_row()."""


def labels_from_row(row: "Row") -> MessageLabels:
    """Return the columns LABELS, with which the row begins. Any program may have written them."""
    number, message_id, sender, recipient, message_type, conversation_id, reply_to = row[:7]
    return MessageLabels(
        number,
        as_text(message_id),
        as_text(sender),
        None if recipient is None else as_text(recipient),
        as_text(message_type or "message"),
        None if conversation_id is None else as_text(conversation_id),
        None if reply_to is None else as_text(reply_to),
    )
