"""Storing what was said: what a message may be, to whom it may go, and how often agents may answer each other."""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from . import clock, presence, rate_limit
from .checks import QUOTED_CHARACTERS, check_kind_of, check_seconds, check_text, listed, quote
from .errors import InvalidMessage, MessageConflict, ReplyLoop, UnknownMessage, UnknownRecipient
from .messages import HUB, MAX_BYTES, MAX_HOPS, MAX_ID, MAX_LABEL, PRIORITIES, Kind, Message, new_message_id
from .row_values import hops_of, metadata_of, text_of
from .team import fold_name

OF_IDENTITY = "SELECT * FROM messages WHERE message_id IN (?1, CAST(?1 AS BLOB))"
"""A foreign program may have stored a message_id as bytes."""

_COUNTED = ("messages", "incidents")


@dataclass(frozen=True, slots=True)
class Draft:
    """A message that is not stored yet."""

    sender: str
    recipient: str | None
    content: str
    message_type: str = "message"
    priority: str = "normal"
    metadata: Mapping[str, Any] = field(default_factory=dict)
    message_id: str | None = None
    conversation_id: str | None = None
    reply_to: str | None = None
    expires_in: float | None = None
    """Seconds."""
    answers: int | None = None
    """The ``id`` of the message that it answers and whose labels it takes over, whatever these are."""
    kind: Kind = "agent"
    """As what the sender takes part, should the team not know, or know no more."""
    is_limited: bool = False
    """Whether a model sends it, of which rate and turns are bounded."""


def bound_counters(db: sqlite3.Connection) -> None:
    """Let ids go on behind the largest one where a foreign program has set SQLite's counter too far ahead.

    No trigger can guard that counter. At its end SQLite would refuse every new row, as if the disk were full.
    """
    for table in _COUNTED:
        largest = f"(SELECT coalesce(max(id), 0) FROM {table})"  # noqa: S608
        db.execute(
            f"UPDATE sqlite_sequence SET seq = {largest} WHERE name = ? AND seq > max(?, {largest})",  # noqa: S608
            (table, MAX_ID),
        )


def store_message(db: sqlite3.Connection, draft: Draft, now: float, *, known_only: bool = True) -> Message:
    """Store the draft and, through the triggers, its deliveries. A message_id sent twice is one message.

    ``known_only=False`` also sends to a name that nobody has taken part under, where the delivery waits for it.
    """
    metadata = _checked(draft)
    recipient = draft.recipient
    if recipient is not None:
        recipient = fold_name(recipient) if known_only else recipient.strip().lower()
    if draft.message_id is not None and (existing := find_message(db, draft.message_id)) is not None:
        said = (existing.sender, existing.recipient, existing.content, existing.message_type)
        if said != (draft.sender, recipient, draft.content, draft.message_type):
            raise MessageConflict(
                f"message_id {quote(draft.message_id)} already names a message that says something else."
            )
        return existing
    kinds = presence.kinds(db, draft.sender, recipient)
    if recipient is not None and recipient not in kinds and known_only:
        raise UnknownRecipient(_nobody(recipient, db))
    hops = 0
    if draft.reply_to is not None:
        answered = _answered(db, draft)
        if answered is None:
            raise UnknownMessage(f"There is no message {quote(draft.reply_to)} to reply to.")
        if recipient is not None and kinds.get(draft.sender, draft.kind) == "agent" == kinds.get(recipient):
            hops = answered.hops + 1
            if hops > MAX_HOPS:
                raise ReplyLoop(
                    f"{draft.sender} and {recipient} have answered each other {MAX_HOPS} times with no person in "
                    "between; ask a person, or begin anew without reply_to."
                )
    if draft.is_limited and kinds.get(draft.sender, draft.kind) == "agent":
        rate_limit.count_send(db, draft.sender, now)
        if recipient is not None and recipient != draft.sender and kinds.get(recipient) == "agent":
            rate_limit.count_turn(db, draft.sender, recipient, now)
    if draft.sender != HUB and draft.sender not in kinds:
        presence.enroll(db, draft.sender, draft.kind)
    message_id = draft.message_id or new_message_id()
    expires = None if draft.expires_in is None else now + draft.expires_in
    cursor = db.execute(
        "INSERT INTO messages (message_id, sender, recipient, message_type, content, priority, metadata, created_at,"
        " expires_at, conversation_id, reply_to, hops) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            message_id,
            draft.sender,
            recipient,
            draft.message_type,
            draft.content,
            draft.priority,
            metadata,
            clock.to_text(now),
            None if expires is None else clock.to_text(expires),
            draft.conversation_id,
            draft.reply_to,
            hops,
        ),
    )
    return Message(
        id=cursor.lastrowid or 0,
        message_id=message_id,
        sender=draft.sender,
        recipient=recipient,
        content=draft.content,
        message_type=draft.message_type,
        priority=draft.priority,
        metadata=draft.metadata,
        created_at=clock.moment(now),
        expires_at=None if expires is None else clock.moment(expires),
        conversation_id=draft.conversation_id,
        reply_to=draft.reply_to,
        hops=hops,
    )


def recipients_of(db: sqlite3.Connection, message: Message) -> list[str]:
    if message.recipient is not None:
        return [message.recipient]
    return [row[0] for row in db.execute("SELECT recipient FROM deliveries WHERE message = ?", (message.id,))]


def _answered(db: sqlite3.Connection, draft: Draft) -> Message | None:
    if draft.answers is None:
        return find_message(db, str(draft.reply_to))
    row = db.execute("SELECT * FROM messages WHERE id = ?", (draft.answers,)).fetchone()
    return None if row is None else message_from(row)


def find_message(db: sqlite3.Connection, message_id: str) -> Message | None:
    row = db.execute(OF_IDENTITY, (message_id,)).fetchone()
    return None if row is None else message_from(row)


def message_from(row: sqlite3.Row) -> Message:
    """A row of ``messages``, whoever wrote it."""
    return Message(
        id=row["id"],
        message_id=text_of(row["message_id"]),
        sender=text_of(row["sender"]),
        recipient=None if row["recipient"] is None else text_of(row["recipient"]),
        content=text_of(row["content"]),
        message_type=text_of(row["message_type"] or "message"),
        priority=row["priority"] if row["priority"] in PRIORITIES else "normal",
        metadata=metadata_of(row["metadata"]),
        status=text_of(row["status"] or "pending"),
        created_at=clock.from_text(row["created_at"]),
        expires_at=clock.from_text(row["expires_at"]),
        conversation_id=None if row["conversation_id"] is None else text_of(row["conversation_id"]),
        reply_to=None if row["reply_to"] is None else text_of(row["reply_to"]),
        hops=hops_of(row["hops"]),
    )


def _checked(draft: Draft) -> str:
    """The draft's metadata as JSON, once all of the draft is found fit."""
    if not isinstance(draft.content, str):
        raise InvalidMessage(f"content must be text, not {type(draft.content).__name__}.")
    if not draft.content.strip():
        raise InvalidMessage("The message is empty.")
    labels = [("message_type", draft.message_type), ("message_id", draft.message_id)]
    if draft.answers is None:
        labels.append(("conversation_id", draft.conversation_id))
    for name, text in labels:
        if text is not None and not (isinstance(text, str) and 0 < len(text) <= MAX_LABEL and text.isprintable()):
            raise InvalidMessage(f"{name} must have 1 to {MAX_LABEL} printable characters.")
    if draft.priority not in PRIORITIES:
        raise InvalidMessage(f"Priority {quote(draft.priority)} is not one of {', '.join(PRIORITIES)}.")
    if draft.expires_in is not None:
        check_seconds("expires_in", draft.expires_in)
    if draft.answers is None and draft.reply_to is not None:
        check_text("reply_to", draft.reply_to)
    check_kind_of("metadata", draft.metadata, Mapping)
    try:
        metadata = json.dumps(dict(draft.metadata), ensure_ascii=False, allow_nan=False) if draft.metadata else "{}"
        size = len(draft.content.encode()) + len(metadata.encode())
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidMessage(f"The message is not valid text or JSON: {str(error)[:QUOTED_CHARACTERS]}.") from error
    if size > MAX_BYTES:
        raise InvalidMessage(f"The message has {size:,} bytes; at most {MAX_BYTES:,} are allowed. Send a file's path.")
    return metadata


def _nobody(recipient: str, db: sqlite3.Connection) -> str:
    rows = db.execute("SELECT lower(agent_name) FROM agent_status WHERE agent_name IS NOT NULL ORDER BY 1")
    known = [row[0] for row in rows]
    try:
        import difflib  # only for those who mistype

        similar = difflib.get_close_matches(recipient, known, 1)
    except (OSError, ImportError):  # without a descriptor left
        similar = []
    hint = f"did you mean {quote(similar[0])}?" if similar else f"known are: {listed(known) or 'none yet'}."
    return f"Nobody named {quote(recipient)} is in this team; {hint}"
