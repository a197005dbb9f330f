"""Where people write to the team, and how far that has been taken in."""

import time
from dataclasses import dataclass

from teamsup.hub import MessageHub

from .facts import fact, note_first
from .snowflakes import first_at

_BEGINNING = "beginning"


@dataclass(frozen=True, slots=True)
class Place:
    """A channel, thread or direct messages that somebody has been heard in."""

    channel: int
    last_seen: int
    person: int | None


def see(hub: MessageHub, channel: int, snowflake: int, person: int | None = None) -> None:
    """Everything there up to that message is taken in, or not for us."""
    hub.change(
        "INSERT INTO discord_places (channel, last_seen, person) VALUES (?, ?, ?) ON CONFLICT (channel) DO UPDATE"
        " SET last_seen = max(last_seen, excluded.last_seen), person = coalesce(excluded.person, person)",
        (channel, snowflake, person),
    )


def known(hub: MessageHub) -> dict[int, Place]:
    """Where anything has ever been seen, the latest first."""
    rows = hub.rows("SELECT channel, last_seen, person FROM discord_places ORDER BY last_seen DESC")
    return {row["channel"]: Place(*row) for row in rows}


def person_in(hub: MessageHub, channel: int) -> int | None:
    """Whose direct messages these are, if any are there and known."""
    rows = hub.rows("SELECT person FROM discord_places WHERE channel = ?", (channel,))
    return rows[0]["person"] if rows else None


def seen_in(hub: MessageHub, channel: int) -> int:
    """The last message taken in there. Where none was it is just before the place's beginning, or that of this team's
    gateway."""
    rows = hub.rows("SELECT last_seen FROM discord_places WHERE channel = ?", (channel,))
    return int(rows[0]["last_seen"]) if rows else before_all(channel, beginning(hub))


def before_all(channel: int, beginning: int) -> int:
    """The number before the first message that may be for the team; a forum's post has that of its first. Pure."""
    return max(channel - 1, beginning)


def beginning(hub: MessageHub) -> int:
    """When this team's gateway first ran: what was written before was not written to it."""
    return int(fact(hub, _BEGINNING) or note_first(hub, _BEGINNING, str(first_at(time.time()))))
