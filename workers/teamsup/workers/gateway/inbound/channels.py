"""The channels in which people write, and the position up to which each is stored."""

import time
from dataclasses import dataclass

from teamsup.hub import MessageHub

from ..ids import snowflake_at
from ..state import get_state, set_state_once

_FIRST_RUN = "beginning"


@dataclass(frozen=True, slots=True)
class ChannelCursor:
    """The position of one channel, thread or direct message."""

    channel: int
    last_seen: int
    person: int | None


def advance(hub: MessageHub, channel: int, snowflake: int, person: int | None = None) -> None:
    """Everything there up to that message is taken in, or not for us."""
    hub.execute(
        "INSERT INTO discord_channels (channel, last_seen, person) VALUES (?, ?, ?) ON CONFLICT (channel) DO UPDATE"
        " SET last_seen = max(last_seen, excluded.last_seen), person = coalesce(excluded.person, person)",
        (channel, snowflake, person),
    )


def read_cursors(hub: MessageHub) -> dict[int, ChannelCursor]:
    """Where anything has ever been seen, the latest first."""
    rows = hub.query("SELECT channel, last_seen, person FROM discord_channels ORDER BY last_seen DESC")
    return {row["channel"]: ChannelCursor(*row) for row in rows}


def person_of(hub: MessageHub, channel: int) -> int | None:
    """Whose direct messages these are, if any are there and known."""
    rows = hub.query("SELECT person FROM discord_channels WHERE channel = ?", (channel,))
    return rows[0]["person"] if rows else None


def last_seen_in(hub: MessageHub, channel: int) -> int:
    """The last message taken in there. Where none was it is just before the place's beginning, or that of this team's
    gateway."""
    rows = hub.query("SELECT last_seen FROM discord_channels WHERE channel = ?", (channel,))
    return int(rows[0]["last_seen"]) if rows else first_snowflake(channel, first_run(hub))


def first_snowflake(channel: int, beginning: int) -> int:
    """The number before the first message that may be for the team; a forum's post has that of its first. Pure."""
    return max(channel - 1, beginning)


def first_run(hub: MessageHub) -> int:
    """When this team's gateway first ran: what was written before was not written to it."""
    return int(get_state(hub, _FIRST_RUN) or set_state_once(hub, _FIRST_RUN, str(snowflake_at(time.time()))))
