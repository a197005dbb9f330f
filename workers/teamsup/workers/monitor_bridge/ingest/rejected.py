"""Rejected payloads, kept for a person."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from teamsup.hub import CallerError, MessageHub
from teamsup.hub.errors import ExitCode
from teamsup.hub.timestamps import format_time
from teamsup.terminal.formatting import format_age, format_table, sanitize

from ...table_row import read_row

MAX_PER_SOURCE = 50
"""The maximum number of payloads of each source; the oldest are deleted."""
MAX_PAYLOAD_BYTES = 32 * 1024
"""The number of bytes that are kept of each payload, from its beginning."""


class UnknownPayload(CallerError):
    """There is no kept payload with this number."""

    exit_code = ExitCode.UNKNOWN


@dataclass(frozen=True, slots=True)
class RejectedPayload:
    """One rejected payload, with its count."""

    id: int
    source: str
    reason: str
    payload: str
    """The unchanged beginning of the payload. It may contain control characters for a terminal."""
    bytes: int
    """The full length in bytes."""
    times: int
    first_at: datetime | None
    last_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewRejectedPayload:
    """A rejected payload that is not stored yet."""

    reason: str
    payload: bytes


def insert_rejected(hub: MessageHub, source: str, rejected: Sequence[NewRejectedPayload]) -> None:
    """Keep the first rejected parts of one request. Raise StoreError."""
    now = format_time(time.time())
    rows = [
        (
            source,
            hashlib.sha256(each.payload).hexdigest(),
            _storable(each.reason[:500]),
            _storable(each.payload[:MAX_PAYLOAD_BYTES].decode("utf-8", "replace")),
            len(each.payload),
            now,
            now,
        )
        for each in rejected[:MAX_PER_SOURCE]
    ]
    with hub.transaction():
        for row in rows:
            hub.execute(
                "INSERT INTO rejected_payloads (source, digest, reason, payload, bytes, first_at, last_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (source, digest)"
                " DO UPDATE SET times = rejected_payloads.times + 1,"
                " reason = excluded.reason, last_at = excluded.last_at",
                row,
            )
        hub.execute(
            "DELETE FROM rejected_payloads WHERE source = ? AND id NOT IN"
            " (SELECT id FROM rejected_payloads WHERE source = ? ORDER BY last_at DESC, id DESC LIMIT ?)",
            (source, source, MAX_PER_SOURCE),
        )


def list_rejected(hub: MessageHub) -> list[RejectedPayload]:
    """Return the kept payloads, the newest first."""
    return _select(hub, "1 = 1")


def get_rejected(hub: MessageHub, number: int) -> RejectedPayload:
    """Return the payload with this number. Raise UnknownPayload."""
    found = _select(hub, "id = ?", number)
    if not found:
        raise UnknownPayload(f"No payload {number} is kept. List them with: teamsup alerts rejected")
    return found[0]


def render_table(payloads: Sequence[RejectedPayload], now: datetime, columns: int | None = None) -> list[str]:
    """Return a line for each payload, for a terminal with this many columns."""
    if not payloads:
        return ["All payloads could be read."]
    lines = [("ID", "SOURCE", "TIMES", "LAST", "REASON")]
    lines += [
        (str(each.id), each.source, str(each.times), format_age(each.last_at, now), sanitize(each.reason))
        for each in payloads
    ]
    return format_table(lines, columns)


def render_payload(payload: RejectedPayload, now: datetime) -> str:
    """Return all facts about one payload, for a person. Control characters for a terminal are removed."""
    cut = "" if payload.bytes <= MAX_PAYLOAD_BYTES else f", of which these are the first {MAX_PAYLOAD_BYTES}"
    times = "once" if payload.times == 1 else f"{payload.times} times"
    return (
        f"{payload.id}  from {payload.source}, {times}, last {format_age(payload.last_at, now)}\n"
        f"refused: {sanitize(payload.reason)}\n{payload.bytes} bytes{cut}:\n\n{sanitize(payload.payload)}"
    )


def _storable(text: str) -> str:
    """Return the text without NULs, which a server does not store."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _select(hub: MessageHub, where: str, *values: object) -> list[RejectedPayload]:
    rows = hub.query(f"SELECT * FROM rejected_payloads WHERE {where} ORDER BY last_at DESC, id DESC", values)  # noqa: S608 - a condition of ours
    return [read_row(RejectedPayload, row) for row in rows]
