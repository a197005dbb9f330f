"""The pieces of a message, written down before the first is said, and how far each has come. Blocks."""

import json
import secrets
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from teamsup.hub import MessageHub
from teamsup.hub.clock import from_text, to_text

_NONCE_BYTES = 12  # 24 characters; Discord takes 25


class Draft(NamedTuple):
    """A piece that is not written down yet. Of its files "" is the answer itself."""

    content: str
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Piece:
    """One message on Discord: what it says, and how far it has come."""

    message: int
    number: int
    content: str
    files: tuple[str, ...]
    nonce: str
    begun_at: float | None = None
    channel: int | None = None
    snowflake: int | None = None

    def age(self, now: float) -> float:
        """Seconds since it was first sent with its nonce."""
        return 0.0 if self.begun_at is None else abs(now - self.begun_at)


class WrittenPieces:
    """Those of every message that the hub still has."""

    def __init__(self, hub: MessageHub) -> None:
        self._hub = hub

    def of(self, message: int) -> list[Piece]:
        """The pieces of the message with that number in the hub, in order; none: they are not written yet."""
        rows = self._hub.rows("SELECT * FROM discord_pieces WHERE message = ? ORDER BY number", (message,))
        return [_piece(row) for row in rows]

    def write(
        self, message: int, drafts: Sequence[Draft], first: int = 0, *, channel: int | None = None
    ) -> list[Piece]:
        """Write them down as the pieces from that number on, in place of what stood there. With a channel the first of
        them is about to be sent there."""
        found = [
            Piece(message, number, draft.content, draft.files, secrets.token_hex(_NONCE_BYTES))
            for number, draft in enumerate(drafts, first)
        ]
        if channel is not None:
            found[0] = replace(found[0], begun_at=time.time(), channel=channel)
        with self._hub.transaction():
            self._hub.change("DELETE FROM discord_pieces WHERE message = ? AND number >= ?", (message, first))
            for piece in found:
                self._hub.change(
                    "INSERT INTO discord_pieces (message, number, content, files, nonce, begun_at, channel)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (message, piece.number, piece.content, json.dumps(piece.files), piece.nonce, _text(piece), channel),
                )
        return found

    def begin(self, piece: Piece, channel: int) -> Piece:
        """It is about to be sent there, for the first time or, when Discord has forgotten its nonce, with a new one."""
        nonce = piece.nonce if piece.begun_at is None else secrets.token_hex(_NONCE_BYTES)
        begun = replace(piece, nonce=nonce, begun_at=time.time(), channel=channel)
        self._hub.change(
            "UPDATE discord_pieces SET nonce = ?, begun_at = ?, channel = ? WHERE message = ? AND number = ?",
            (nonce, _text(begun), channel, piece.message, piece.number),
        )
        return begun

    def has_arrived(self, piece: Piece, channel: int, snowflake: int) -> None:
        """Discord has it, under that number."""
        self._hub.change(
            "UPDATE discord_pieces SET snowflake = ?, channel = ? WHERE message = ? AND number = ?",
            (snowflake, channel, piece.message, piece.number),
        )

    def known(self, channel: int, since: float) -> set[int]:
        """What is known to be there of what was sent since then."""
        rows = self._hub.rows(
            "SELECT snowflake FROM discord_pieces WHERE channel = ? AND begun_at >= ? AND snowflake IS NOT NULL",
            (channel, to_text(since)),
        )
        return {row[0] for row in rows}


def _text(piece: Piece) -> str | None:
    return None if piece.begun_at is None else to_text(piece.begun_at)


def _piece(row: sqlite3.Row) -> Piece:
    begun = from_text(row["begun_at"])
    return Piece(
        row["message"],
        row["number"],
        row["content"],
        tuple(json.loads(row["files"])),
        row["nonce"],
        None if begun is None else begun.timestamp(),
        row["channel"],
        row["snowflake"],
    )
