"""The chunks of each message, stored before the first is sent, and the progress of each. Blocks."""

import json
import secrets
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from teamsup.hub import MessageHub
from teamsup.hub.engines.engine import Row
from teamsup.hub.timestamps import format_time, parse_time

_NONCE_BYTES = 12  # 24 characters; Discord takes 25
_MAX_NONCES = 5000


class NewChunk(NamedTuple):
    """A chunk that is not stored yet. The name "" in its files means the answer itself."""

    content: str
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Chunk:
    """One message on Discord: its content, and its progress."""

    message: int
    number: int
    content: str
    files: tuple[str, ...]
    nonce: str
    first_sent_at: float | None = None
    channel: int | None = None
    snowflake: int | None = None

    def age(self, now: float) -> float:
        """Return the seconds since the chunk was first sent with its nonce."""
        return 0.0 if self.first_sent_at is None else abs(now - self.first_sent_at)


class SentNonces(deque[str]):
    """The last nonces with which this process has sent messages. A message with another nonce comes from another
    program.
    """

    def __init__(self) -> None:
        super().__init__(maxlen=_MAX_NONCES)

    def create(self) -> str:
        """Return a new nonce."""
        self.append(secrets.token_hex(_NONCE_BYTES))
        return self[-1]


class ChunkTable:
    """The chunks of every message that the hub still has."""

    def __init__(self, hub: MessageHub, now: Callable[[], float] = time.time, nonces: SentNonces | None = None) -> None:
        self._hub = hub
        self._nonces = SentNonces() if nonces is None else nonces
        self._now = now

    def chunks_of(self, message: int) -> list[Chunk]:
        """Return the chunks of the hub's message with this number, in order. Return none if they are not stored yet."""
        rows = self._hub.query("SELECT * FROM discord_chunks WHERE message = ? ORDER BY number", (message,))
        found = [_to_chunk(row) for row in rows]
        self._nonces.extend(chunk.nonce for chunk in found if chunk.snowflake is None)
        return found

    def insert(
        self, message: int, planned: Sequence[NewChunk], first: int = 0, *, channel: int | None = None
    ) -> list[Chunk]:
        """Replace the stored chunks from this number on. The first of them is about to be sent to ``channel``."""
        found = [
            Chunk(message, number, each.content, each.files, self._nonces.create())
            for number, each in enumerate(planned, first)
        ]
        if channel is not None:
            found[0] = replace(found[0], first_sent_at=self._now(), channel=channel)
        with self._hub.transaction():
            self._hub.execute("DELETE FROM discord_chunks WHERE message = ? AND number >= ?", (message, first))
            for chunk in found:
                self._hub.execute(
                    "INSERT INTO discord_chunks (message, number, content, files, nonce, first_sent_at, channel)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (
                        message,
                        chunk.number,
                        chunk.content,
                        json.dumps(chunk.files),
                        chunk.nonce,
                        _first_sent_text(chunk),
                        channel,
                    ),
                )
        return found

    def mark_sending(self, chunk: Chunk, channel: int) -> Chunk:
        """Note that a chunk is about to be sent, with a new nonce if Discord may have forgotten the old one."""
        nonce = chunk.nonce if chunk.first_sent_at is None else self._nonces.create()
        sending = replace(chunk, nonce=nonce, first_sent_at=self._now(), channel=channel)
        self._hub.execute(
            "UPDATE discord_chunks SET nonce = ?, first_sent_at = ?, channel = ? WHERE message = ? AND number = ?",
            (nonce, _first_sent_text(sending), channel, chunk.message, chunk.number),
        )
        return sending

    def mark_sent(self, chunk: Chunk, channel: int, snowflake: int) -> None:
        """Note that Discord has the chunk under this id."""
        self._hub.execute(
            "UPDATE discord_chunks SET snowflake = ?, channel = ? WHERE message = ? AND number = ?",
            (snowflake, channel, chunk.message, chunk.number),
        )

    def find_progress(self, question: str) -> tuple[int, int] | None:
        """Return the channel and the number on Discord of the message that shows the progress of a question."""
        for message in reversed(self._hub.queries.find(reply_to=question, message_type="status_report")):
            for chunk in self.chunks_of(message.id):
                if chunk.channel is not None and chunk.snowflake is not None:
                    return chunk.channel, chunk.snowflake
        return None

    def known_snowflakes(self, channel: int, since: float) -> set[int]:
        """Return the known messages on Discord that were sent since a time."""
        rows = self._hub.query(
            "SELECT snowflake FROM discord_chunks WHERE channel = ? AND first_sent_at >= ? AND snowflake IS NOT NULL",
            (channel, format_time(since)),
        )
        return {row[0] for row in rows}


def find_message_number(hub: MessageHub, snowflake: int) -> int | None:
    """Return the number of the hub's message to which this chunk on Discord belongs."""
    rows = hub.query("SELECT message FROM discord_chunks WHERE snowflake = ?", (snowflake,))
    return rows[0]["message"] if rows else None


def _first_sent_text(chunk: Chunk) -> str | None:
    return None if chunk.first_sent_at is None else format_time(chunk.first_sent_at)


def _to_chunk(row: Row) -> Chunk:
    first_sent = parse_time(row["first_sent_at"])
    return Chunk(
        row["message"],
        row["number"],
        row["content"],
        tuple(json.loads(row["files"])),
        row["nonce"],
        None if first_sent is None else first_sent.timestamp(),
        row["channel"],
        row["snowflake"],
    )
