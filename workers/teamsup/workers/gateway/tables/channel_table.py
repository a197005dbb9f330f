"""The channels that the gateway knows, each with the last message that is stored or skipped. Blocks."""

from dataclasses import dataclass

from teamsup.hub import MessageHub

from ..ids import snowflake_at
from .state import get_state, set_state_once

_FIRST_RUN = "beginning"


@dataclass(frozen=True, slots=True)
class ChannelCursor:
    """The position of one channel, thread or direct message."""

    channel: int
    last_seen: int
    person: int | None


def advance(hub: MessageHub, channel: int, snowflake: int, person: int | None = None) -> None:
    """Advance the position of a channel: all messages up to this id are stored or skipped."""
    hub.execute(
        "INSERT INTO discord_channels (channel, last_seen, person) VALUES (?, ?, ?) ON CONFLICT (channel) DO UPDATE"
        " SET last_seen = CASE WHEN excluded.last_seen > discord_channels.last_seen THEN excluded.last_seen"
        "  ELSE discord_channels.last_seen END,"
        " person = coalesce(excluded.person, discord_channels.person)",
        (channel, snowflake, person),
    )


def read_cursors(hub: MessageHub) -> dict[int, ChannelCursor]:
    """Return all known channels, the latest one first."""
    rows = hub.query("SELECT channel, last_seen, person FROM discord_channels ORDER BY last_seen DESC")
    return {row["channel"]: ChannelCursor(*row) for row in rows}


def person_of(hub: MessageHub, channel: int) -> int | None:
    """Return the person in a channel of direct messages, if known."""
    rows = hub.query("SELECT person FROM discord_channels WHERE channel = ?", (channel,))
    return rows[0]["person"] if rows else None


def last_seen_in(hub: MessageHub, channel: int, started_at: float) -> int:
    """Return the last stored message of a channel. If there is none, return the id before the beginning of the channel
    or of this gateway.
    """
    rows = hub.query("SELECT last_seen FROM discord_channels WHERE channel = ?", (channel,))
    return int(rows[0]["last_seen"]) if rows else first_snowflake(channel, first_run(hub, started_at))


def first_snowflake(channel: int, beginning: int) -> int:
    """Return the id before the first message that may be for the team. A forum's post has the same id as its first
    message. Pure."""
    return max(channel - 1, beginning)


def first_run(hub: MessageHub, started_at: float) -> int:
    """Return the time when this team's gateway first ran. Earlier messages were not written for the team.
    ``started_at`` is Discord's time in Unix seconds when this gateway started.
    """
    return int(get_state(hub, _FIRST_RUN) or set_state_once(hub, _FIRST_RUN, str(snowflake_at(started_at))))
