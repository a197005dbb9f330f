"""How the team puts things to people: ages, and text from others made harmless for a terminal."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from .messages import NOT_CONFIGURED, OFFLINE, Agent, DeliveryState

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """The text without what steers a terminal, turns its direction or is half a character; tabs and line ends stay."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text.replace("\r\n", "\n"))


def duration(seconds: float) -> str:
    """Seconds in the two largest units that matter: ``4s``, ``3m 20s``, ``2h 5m``, ``3d 4h``."""
    minutes, s = divmod(max(0, int(seconds)), 60)
    hours, m = divmod(minutes, 60)
    d, h = divmod(hours, 24)
    if d:
        return f"{d}d {h}h"
    if h:
        return f"{h}h {m}m"
    return f"{m}m {s}s" if m else f"{s}s"


def ago(moment: datetime | None, now: datetime | None = None) -> str:
    """When that was, as people say it."""
    if moment is None:
        return "never"
    seconds = ((now or datetime.now(UTC)) - moment).total_seconds()
    if seconds < -10:
        return f"{duration(-seconds)} ahead of the clock"
    return "just now" if seconds < 10 else f"{duration(seconds)} ago"


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """A table's lines: every column as wide as its widest cell, the last as it is."""
    widths = [max(map(len, column)) for column in list(zip(*rows, strict=True))[:-1]]
    return [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]) for row in rows
    ]


def steps(state: DeliveryState) -> str:
    """How far a message has come to one recipient, and when: stored, offered, read, ended."""
    facts = {"stored": state.stored_at, "offered": state.offered_at, "read": state.read_at, "ended": state.done_at}
    return ", ".join(f"{fact} {ago(moment)}" for fact, moment in facts.items() if moment is not None)


def presence(agent: Agent, now: datetime) -> str:
    """Whether somebody is here: their own word for it, or since when nothing was heard of them."""
    if agent.is_present(now) or agent.status == NOT_CONFIGURED:
        since = agent.degraded_since
        return agent.status if since is None else f"{agent.status} for {duration((now - since).total_seconds())}"
    if agent.last_heartbeat is None:
        return f"{OFFLINE}, never here yet"
    absence = OFFLINE if agent.status == OFFLINE else "silent"
    last = f"{absence}, last seen {ago(agent.last_heartbeat, now)}"
    return f"{last}, degraded then" if agent.degraded else last
