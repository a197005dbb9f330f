"""Read columns that foreign programs may have filled with any value."""

import functools
import json
import re
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import InvalidValue
from ..models import MAX_HOPS, PRIORITIES, Message, MessageLabels
from ..timestamps import parse_time
from ..validation import MAX_QUOTED_CHARACTERS

_SURROGATE = re.compile("[\ud800-\udfff]")


def as_text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def as_hops(value: object) -> int:
    return min(max(value, 0), MAX_HOPS) if isinstance(value, int) else 0


def encode_metadata(metadata: Mapping[str, Any]) -> str:
    """Return the metadata of an agent as JSON; replace half a character. Raise InvalidValue."""
    try:
        text = json.dumps(dict(metadata), ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidValue(f"The metadata is not valid JSON: {str(error)[:MAX_QUOTED_CHARACTERS]}.") from error
    return _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)


def decode_metadata(text: Any) -> Mapping[str, Any]:  # noqa: ANN401
    """Return the stored JSON object, without half characters; empty if another value is stored."""
    if text == "{}":
        return {}
    try:
        value = json.loads(text)
        if "\\ud" in str(text).lower():
            value = json.loads(_SURROGATE.sub("\N{REPLACEMENT CHARACTER}", json.dumps(value, ensure_ascii=False)))
    except (TypeError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def metadata_text(text: Any, key: str) -> str | None:  # noqa: ANN401
    """Return one value of a stored JSON object as text; None if it has none. What is not text is returned as JSON."""
    if text == "{}":
        return None
    value = _decode_last(text).get(key)
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


# A query asks for several keys of one row.
_decode_last = functools.lru_cache(maxsize=1)(decode_metadata)


def message_from_row(row: sqlite3.Row) -> Message:
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


def labels_from_row(row: Sequence[Any]) -> MessageLabels:
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
