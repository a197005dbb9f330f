"""The conversations of a team, the one with the newest message first."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..engines.engine import Row
from ..models import Message
from ..timestamps import parse_time
from .row_values import message_from_row


@dataclass(frozen=True, slots=True)
class ConversationState:
    """A conversation in a list: its last message, and the number of its deliveries that a reader has not ended."""

    id: str
    last: Message
    unread: int


Read = Callable[[str, Any], Sequence[Row]]


def list_conversations(
    read: Read, reader: str, prefixes: Collection[str], without: Collection[str], before: int | None, limit: int
) -> list[ConversationState]:
    """Return the conversations whose last message is older than ``before``, the newest first.

    Their ids begin with one of ``prefixes``, if any are given, and not with one of ``without``.
    """
    begins = "substr(m.conversation_id, 1, length(CAST(? AS TEXT))) = ?"
    wanted = [f"({' OR '.join([begins] * len(prefixes))})"] if prefixes else []
    wanted += [f"NOT ({' OR '.join([begins] * len(without))})"] if without else []
    wanted += [] if before is None else ["m.id < ?"]
    sql = _SELECT_LAST.format(wanted="".join(f" AND {each}" for each in wanted))
    both = [value for prefix in (*prefixes, *without) for value in (prefix, prefix)]
    rows = read(sql, (reader, *both, *([] if before is None else [before]), limit))
    return [ConversationState(last.conversation_id or "", last, row["unread"]) for row, last in _with_messages(rows)]


def count_earlier(read: Read, conversation_id: str, before: int) -> tuple[int, datetime | None]:
    """Return the number of a conversation's messages with a smaller ``id``, and the time of the first."""
    (row,) = read(_COUNT_EARLIER, (conversation_id, before))
    return row["earlier"], parse_time(row["since"])


def _with_messages(rows: Sequence[Row]) -> list[tuple[Row, Message]]:
    return [(row, message_from_row(row)) for row in rows]


# The list begins at the newest message of the team. So it reads little, even if the team has many messages.
_SELECT_LAST = """
    SELECT m.*, (SELECT count(*) FROM deliveries AS d WHERE d.recipient = ?
      AND d.conversation_id = m.conversation_id AND d.done_at IS NULL) AS unread
    FROM messages AS m WHERE m.conversation_id IS NOT NULL AND NOT EXISTS
      (SELECT 1 FROM messages AS later WHERE later.conversation_id = m.conversation_id AND later.id > m.id){wanted}
    ORDER BY m.id DESC LIMIT ?
"""
_COUNT_EARLIER = """
    SELECT count(*) AS earlier, min(created_at) AS since FROM messages WHERE conversation_id = ? AND id < ?
"""
