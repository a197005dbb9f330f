"""Discord's ids: the time in an id, and its name in the hub. Pure."""

import re

CONVERSATION_PREFIX = "discord:"
"""The beginning of the ids of conversations on Discord."""

_EPOCH = 1_420_070_400.0  # the first second of 2015
_ID = re.compile(r"discord:(\d{1,18}|[1-8]\d{18})(?::.*)?", re.ASCII)


def created_at(snowflake: int) -> float:
    """Return the time when an id was made, in Unix seconds."""
    return (snowflake >> 22) / 1000 + _EPOCH


def snowflake_at(seconds: float) -> int:
    """Return the smallest possible id at a time."""
    return max(0, int((seconds - _EPOCH) * 1000)) << 22


def message_id_of(snowflake: int, version: str = "") -> str:
    """Return the hub's id of a message on Discord. The id of an edit contains the version."""
    return f"discord:{snowflake}:{version}" if version else f"discord:{snowflake}"


def conversation_id_of(channel: int) -> str:
    """Return the hub's conversation of a channel, thread or direct message."""
    return f"discord:{channel}"


def snowflake_of(message_id: str | None) -> int | None:
    """Return the message on Discord for an id of the hub, in any version."""
    match = _ID.fullmatch(message_id or "")
    return int(match[1]) if match else None


def channel_of(conversation_id: str | None) -> int | None:
    """Return the channel on Discord of a conversation."""
    return snowflake_of(conversation_id)
