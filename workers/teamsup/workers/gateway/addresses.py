"""Which message and which channel on Discord those of the hub stand for. Pure."""

import re

from teamsup.hub import Message

_NUMBER = re.compile(r"discord:(\d{1,18}|[1-8]\d{18})(?::.*)?", re.ASCII)


def snowflake_of(message_id: str | None) -> int | None:
    """The number of the message on Discord that a message_id of ours stands for."""
    match = _NUMBER.fullmatch(message_id or "")
    return int(match[1]) if match else None


def channel_of(conversation_id: str | None) -> int | None:
    """The number of the channel on Discord that a conversation takes place in."""
    return snowflake_of(conversation_id)


def channel_for(message: Message, home: int) -> int | None:
    """Where a message belongs on Discord; None: nowhere. News for people that answer nobody belong home."""
    if (channel := channel_of(message.conversation_id)) is not None:
        return channel
    is_news = message.message_type == "notification" and message.recipient is not None
    return home if home and is_news and message.reply_to is None else None
