"""Discord's ids: the time that they contain, and their names in the hub. Pure."""

import re

_EPOCH = 1_420_070_400.0  # the first second of 2015
_ID = re.compile(r"discord:(\d{1,18}|[1-8]\d{18})(?::.*)?", re.ASCII)


def created_at(snowflake: int) -> float:
    """When it was made, in Unix seconds."""
    return (snowflake >> 22) / 1000 + _EPOCH


def snowflake_at(seconds: float) -> int:
    """The smallest number of that moment."""
    return max(0, int((seconds - _EPOCH) * 1000)) << 22


def message_id_of(snowflake: int, version: str = "") -> str:
    """The hub's id of that message on Discord; what became of it later has a version."""
    return f"discord:{snowflake}:{version}" if version else f"discord:{snowflake}"


def conversation_id_of(channel: int) -> str:
    """The hub's id of what is said in that channel, thread or direct messages."""
    return f"discord:{channel}"


def snowflake_of(message_id: str | None) -> int | None:
    """The message on Discord that an id of the hub's stands for, in whatever version."""
    match = _ID.fullmatch(message_id or "")
    return int(match[1]) if match else None


def channel_of(conversation_id: str | None) -> int | None:
    """The channel on Discord that a conversation takes place in."""
    return snowflake_of(conversation_id)
