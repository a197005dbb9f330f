"""Store messages: check their content and recipient, and how often agents may answer each other."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypedDict

from .. import timestamps
from ..engines.engine import Result, Transaction
from ..engines.statements import INSERT_MESSAGE, SELECT_BY_MESSAGE_ID
from ..errors import InvalidMessage, MessageConflict, ReplyLoop, UnknownMessage, UnknownRecipient
from ..models import (
    HUB_SENDER,
    MAX_HOPS,
    MAX_LABEL_CHARACTERS,
    MAX_MESSAGE_BYTES,
    PRIORITIES,
    AgentKind,
    Message,
    new_message_id,
)
from ..team import normalize_name
from ..validation import MAX_QUOTED_CHARACTERS, check_seconds, check_text, check_type, find_similar, list_names, quote
from . import agents, rate_limits
from .row_values import as_hops, message_from_row


@dataclass(frozen=True, slots=True)
class NewMessage:
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
    answered_id: int | None = None
    """The ``id`` of the answered message. The answer takes over its labels without a check."""
    sender_kind: AgentKind = "agent"
    """The sender's kind, used if it is not enrolled."""
    is_rate_limited: bool = False
    """Whether a model sends it, whose rate and turns are limited."""
    new_id: str = field(default_factory=new_message_id)
    """The message_id if none is given."""

    @property
    def identity(self) -> str:
        return self.message_id or self.new_id


class ReplyOptions(TypedDict, total=False):
    """The options of an answer, without its text."""

    message_type: str
    priority: str | None
    metadata: Mapping[str, Any] | None
    expires_in: float | None
    """Seconds."""


class SendOptions(ReplyOptions, total=False):
    """The options of a message, without its recipient and its text."""

    message_id: str | None
    conversation_id: str | None
    reply_to: str | None


def insert_message(db: Transaction, message: NewMessage, now: float, *, known_only: bool = True) -> Message:
    """Store the message and, through the triggers, its deliveries. A second insert with the same message_id changes
    nothing.

    ``known_only=False`` also sends to an unknown name. The delivery waits until an agent has that name.
    """
    metadata = _validate(message)
    recipient = message.recipient
    if recipient is not None:
        recipient = normalize_name(recipient) if known_only else recipient.strip().lower()
    if message.message_id is not None and (existing := find_message(db, message.message_id)) is not None:
        known = (existing.sender, existing.recipient, existing.content, existing.message_type)
        if known != (message.sender, recipient, message.content, message.message_type):
            raise MessageConflict(f"message_id {quote(message.message_id)} already names a message with other content.")
        return existing
    answers = None if message.reply_to is None else _select_answered(db, message)
    expires = None if message.expires_in is None else now + message.expires_in
    # A server gets the message and the questions together. An error below undoes the transaction.
    members = agents.select_kinds(db, message.sender, recipient)
    number = db.execute(
        INSERT_MESSAGE,
        (
            message.identity,
            message.sender,
            recipient,
            message.message_type,
            message.content,
            message.priority,
            metadata,
            timestamps.format_time(now),
            None if expires is None else timestamps.format_time(expires),
            message.conversation_id,
            message.reply_to,
        ),
    ).lastrowid
    kinds = dict(members.fetchall())
    if recipient is not None and recipient not in kinds and known_only:
        raise UnknownRecipient(_unknown_recipient(recipient, db))
    hops = 0
    if answers is not None:
        if (answered := answers.fetchone()) is None:
            raise UnknownMessage(f"There is no message {quote(str(message.reply_to))} to reply to.")
        if recipient is not None and kinds.get(message.sender, message.sender_kind) == "agent" == kinds.get(recipient):
            hops = as_hops(answered["hops"]) + 1
            if hops > MAX_HOPS:
                raise ReplyLoop(
                    f"{message.sender} and {recipient} have answered each other {MAX_HOPS} times with no person in "
                    "between. Ask a person, or start again without reply_to."
                )
            db.execute("UPDATE messages SET hops = ? WHERE id = ?", (hops, number))
    if message.is_rate_limited and kinds.get(message.sender, message.sender_kind) == "agent":
        rate_limits.count_sent_message(db, message.sender, now)
        if recipient is not None and recipient != message.sender and kinds.get(recipient) == "agent":
            rate_limits.count_exchange_turn(db, message.sender, recipient, now)
    if message.sender != HUB_SENDER and message.sender not in kinds:
        agents.enroll(db, message.sender, message.sender_kind)
    return Message(
        id=number,
        message_id=message.identity,
        sender=message.sender,
        recipient=recipient,
        content=message.content,
        message_type=message.message_type,
        priority=message.priority,
        metadata=message.metadata,
        created_at=timestamps.as_datetime(now),
        expires_at=None if expires is None else timestamps.as_datetime(expires),
        conversation_id=message.conversation_id,
        reply_to=message.reply_to,
        hops=hops,
    )


def recipients_of(db: Transaction, message: Message) -> list[str]:
    if message.recipient is not None:
        return [message.recipient]
    return [row[0] for row in db.execute("SELECT recipient FROM deliveries WHERE message = ?", (message.id,))]


def _select_answered(db: Transaction, message: NewMessage) -> Result:
    if message.answered_id is None:
        return db.execute(SELECT_BY_MESSAGE_ID, (message.reply_to,) * 2)
    return db.execute("SELECT * FROM messages WHERE id = ?", (message.answered_id,))


def find_message(db: Transaction, message_id: str) -> Message | None:
    row = db.execute(SELECT_BY_MESSAGE_ID, (message_id,) * 2).fetchone()
    return None if row is None else message_from_row(row)


def _validate(message: NewMessage) -> str:
    """Validate the whole message, and return its metadata as JSON."""
    if not isinstance(message.content, str):
        raise InvalidMessage(f"content must be text, not {type(message.content).__name__}.")
    if not message.content.strip():
        raise InvalidMessage("The message is empty.")
    labels = [("message_type", message.message_type), ("message_id", message.message_id)]
    if message.answered_id is None:
        labels.append(("conversation_id", message.conversation_id))
    for name, text in labels:
        if text is not None and not (
            isinstance(text, str) and 0 < len(text) <= MAX_LABEL_CHARACTERS and text.isprintable()
        ):
            raise InvalidMessage(f"{name} must have 1 to {MAX_LABEL_CHARACTERS} printable characters.")
    if message.priority not in PRIORITIES:
        raise InvalidMessage(f"Priority {quote(message.priority)} is not one of {', '.join(PRIORITIES)}.")
    if message.expires_in is not None:
        check_seconds("expires_in", message.expires_in)
    if message.answered_id is None and message.reply_to is not None:
        check_text("reply_to", message.reply_to)
    check_type("metadata", message.metadata, Mapping)
    try:
        metadata = json.dumps(dict(message.metadata), ensure_ascii=False, allow_nan=False) if message.metadata else "{}"
        size = len(message.content.encode()) + len(metadata.encode())
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidMessage(f"The message is not valid text or JSON: {str(error)[:MAX_QUOTED_CHARACTERS]}.") from error
    if size > MAX_MESSAGE_BYTES:
        raise InvalidMessage(
            f"The message has {size:,} bytes; at most {MAX_MESSAGE_BYTES:,} are allowed. Send a file's path."
        )
    return metadata


def _unknown_recipient(recipient: str, db: Transaction) -> str:
    rows = db.execute("SELECT lower(agent_name) FROM agent_status WHERE agent_name IS NOT NULL ORDER BY 1")
    known = [row[0] for row in rows]
    similar = find_similar(recipient, known)
    hint = f"did you mean {quote(similar)}?" if similar else f"known are: {list_names(known) or 'none yet'}."
    return f"There is no agent {quote(recipient)} in this team; {hint}"
