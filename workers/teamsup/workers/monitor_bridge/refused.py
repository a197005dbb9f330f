"""What sources have sent and nobody could make sense of, kept for a person to look at."""

import hashlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from teamsup.hub import CallerError, MessageHub
from teamsup.hub.clock import from_text, to_text
from teamsup.hub.wording import ago, columns, printable

KEPT = 50
"""So many of each source; the oldest go."""
KEPT_BYTES = 32 * 1024
"""Of each payload, from its beginning."""


class UnknownPayload(CallerError):
    """No payload of that number is kept."""

    exit_code = os.EX_NOUSER


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


@dataclass(frozen=True, slots=True)
class Rejected:
    """One that is to be kept."""

    reason: str
    payload: bytes


def keep(hub: MessageHub, source: str, rejected: Sequence[Rejected]) -> None:
    """Keep what was refused of one request, of very many the first. Raises StoreError."""
    now = to_text(time.time())
    rows = [
        (
            source,
            hashlib.sha256(each.payload).hexdigest(),
            each.reason[:500],
            each.payload[:KEPT_BYTES].decode("utf-8", "replace"),
            len(each.payload),
            now,
            now,
        )
        for each in rejected[:KEPT]
    ]
    with hub.transaction():
        for row in rows:
            hub.change(
                "INSERT INTO refused_payloads (source, digest, reason, payload, bytes, first_at, last_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (source, digest)"
                " DO UPDATE SET times = times + 1, reason = excluded.reason, last_at = excluded.last_at",
                row,
            )
        hub.change(
            "DELETE FROM refused_payloads WHERE source = ? AND id NOT IN"
            " (SELECT id FROM refused_payloads WHERE source = ? ORDER BY last_at DESC, id DESC LIMIT ?)",
            (source, source, KEPT),
        )


def refused(hub: MessageHub) -> list[Refused]:
    """What is kept, the newest first."""
    return _select(hub, "1")


def by_id(hub: MessageHub, number: int) -> Refused:
    """The payload of that number. Raises UnknownPayload."""
    found = _select(hub, "id = ?", number)
    if not found:
        raise UnknownPayload(f"No payload {number} is kept. List them with: teamsup alerts refused")
    return found[0]


def table(payloads: Sequence[Refused], now: datetime) -> list[str]:
    """A line each."""
    if not payloads:
        return ["All payloads could be read."]
    lines = [("ID", "SOURCE", "TIMES", "LAST", "REASON")]
    lines += [
        (str(each.id), each.source, str(each.times), ago(each.last_at, now), printable(each.reason))
        for each in payloads
    ]
    return columns(lines)


def shown(payload: Refused, now: datetime) -> str:
    """All that is known of one, for a person; the payload cannot steer the terminal."""
    cut = "" if payload.bytes <= KEPT_BYTES else f", of which these are the first {KEPT_BYTES}"
    times = "once" if payload.times == 1 else f"{payload.times} times"
    return (
        f"{payload.id}  from {payload.source}, {times}, last {ago(payload.last_at, now)}\n"
        f"refused: {printable(payload.reason)}\n{payload.bytes} bytes{cut}:\n\n{printable(payload.payload)}"
    )


def _select(hub: MessageHub, where: str, *values: object) -> list[Refused]:
    rows = hub.rows(f"SELECT * FROM refused_payloads WHERE {where} ORDER BY last_at DESC, id DESC", values)  # noqa: S608 - a condition of ours
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
