"""What sources have sent and nobody could make sense of, kept for a person to look at."""

import hashlib
import time
from dataclasses import dataclass
from datetime import datetime

from teamsup.hub import MessageHub
from teamsup.hub.clock import from_text, to_text

KEPT = 50
"""So many of each source; the oldest go."""
KEPT_BYTES = 32 * 1024
"""Of each payload, from its beginning."""


@dataclass(frozen=True, slots=True)
class Refused:
    """One payload, as often as it came."""

    id: int
    source: str
    reason: str
    payload: str
    """Its beginning, as it came: data that may steer a terminal."""
    bytes: int
    """How long all of it was."""
    times: int
    first_at: datetime | None
    last_at: datetime | None


def keep(hub: MessageHub, source: str, reason: str, payload: bytes) -> None:
    """Keep a payload that was refused. Raises StoreError."""
    digest = hashlib.sha256(payload).hexdigest()
    now = to_text(time.time())
    with hub.transaction():
        text = payload[:KEPT_BYTES].decode("utf-8", "replace")
        hub.change(
            "INSERT INTO refused_payloads (source, digest, reason, payload, bytes, first_at, last_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (source, digest)"
            " DO UPDATE SET times = times + 1, reason = excluded.reason, last_at = excluded.last_at",
            (source, digest, reason[:500], text, len(payload), now, now),
        )
        hub.change(
            "DELETE FROM refused_payloads WHERE source = ? AND id NOT IN"
            " (SELECT id FROM refused_payloads WHERE source = ? ORDER BY last_at DESC, id DESC LIMIT ?)",
            (source, source, KEPT),
        )


def refused(hub: MessageHub) -> list[Refused]:
    """What is kept, the newest first."""
    rows = hub.rows("SELECT * FROM refused_payloads ORDER BY last_at DESC, id DESC")
    return [
        Refused(
            id=row["id"],
            source=row["source"],
            reason=row["reason"],
            payload=row["payload"],
            bytes=row["bytes"],
            times=row["times"],
            first_at=from_text(row["first_at"]),
            last_at=from_text(row["last_at"]),
        )
        for row in rows
    ]
