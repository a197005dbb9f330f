"""The number of recent messages, and how long they waited for a reader."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..engines.engine import Row
from ..timestamps import format_time, parse_time

_MAX_READS = 5000
Read = Callable[[str, Any], Sequence[Row]]


@dataclass(frozen=True, slots=True)
class Traffic:
    """The number of messages after a given message, and the waiting times of messages that were read since a time."""

    newest: int
    """The ``id`` of the newest message, or 0."""
    messages: int
    wait_seconds: tuple[float, ...]
    """The seconds from the storing of a message to its first reading by each recipient, for the newest messages."""


def read_traffic(read: Read, after: int, oldest: int, since: datetime) -> Traffic:
    """Return the traffic after an ``id``. The times of reading are not indexed, so count a reading since ``since`` only
    if its message is ``oldest`` or newer.
    """
    (newest,) = read("SELECT coalesce(max(id), 0) FROM messages", ())[0]
    (count,) = read("SELECT count(*) FROM messages WHERE id > ?", (after,))[0]
    rows = read(
        "SELECT m.created_at, d.read_at FROM deliveries AS d JOIN messages AS m ON m.id = d.message"
        " WHERE d.message >= ? AND d.read_at > ? ORDER BY d.message DESC LIMIT ?",
        (oldest, format_time(since.timestamp()), _MAX_READS),
    )
    waits = [(parse_time(row["created_at"]), parse_time(row["read_at"])) for row in rows]
    return Traffic(
        newest, count, tuple(max(0.0, (end - begin).total_seconds()) for begin, end in waits if begin and end)
    )
