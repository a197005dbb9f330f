"""discord.py, made to bear what it cannot read: what is new on Discord must not end a connection or block a place."""

import functools
import logging
from collections.abc import Callable
from typing import Any

import discord
from discord.state import ConnectionState

_REQUIRED_EVENTS = ("READY", "RESUMED")
_MESSAGE_EVENTS = ("MESSAGE_CREATE", "MESSAGE_UPDATE")
_BASIC_FIELDS: tuple[str, ...] = (
    "id",
    "channel_id",
    "guild_id",
    "author",
    "member",
    "webhook_id",
    "type",
    "flags",
    "content",
)
_BASIC_FIELDS += ("timestamp", "edited_timestamp", "mentions", "nonce")
UNREADABLE_TYPE = 255
"""The type of a message of which only the number can be read."""

_log = logging.getLogger(__name__)


def install_tolerant_parsers(state: ConnectionState[Any]) -> None:
    """Of a message that cannot be read as a whole its words are; any other event is passed over, and ``on_unreadable``
    called with its name and the channel that it names."""
    for event, parse in state.parsers.items():
        if event not in _REQUIRED_EVENTS:
            state.parsers[event] = functools.partial(_parse_event, state, event, parse)
    vars(state)["create_message"] = functools.partial(_create_message, state.create_message)


def _parse_event(state: ConnectionState[Any], event: str, parse: Callable[[Any], None], data: Any) -> None:  # noqa: ANN401
    try:
        parse(data)
    except Exception:
        _log.exception("cannot read all of what Discord has told: %s", event)
        if event in _MESSAGE_EVENTS:
            try:
                parse(_basic_fields(data))
            except Exception:
                _log.exception("cannot read a message at all")
            else:
                return
        if event == "MESSAGE_CREATE":
            parse(_id_fields(data))
        else:
            state.dispatch("unreadable", event, data.get("channel_id") if isinstance(data, dict) else None)


def _create_message(create: Callable[..., discord.Message], *, channel: Any, data: Any) -> discord.Message:  # noqa: ANN401
    try:
        return create(channel=channel, data=data)
    except Exception:
        _log.exception("cannot read all of message %s", data.get("id"))
    try:
        return create(channel=channel, data=_basic_fields(data))
    except Exception:
        _log.exception("cannot read message %s at all", data.get("id"))
    unknown = create(channel=channel, data=_id_fields(data))
    unknown.author = discord.Object(0)  # type: ignore[assignment]
    return unknown


def _id_fields(data: Any) -> dict[str, Any]:  # noqa: ANN401
    numbers = {name: data[name] for name in ("id", "channel_id", "guild_id") if name in data}
    return {**numbers, "type": UNREADABLE_TYPE, "content": ""}


def _basic_fields(data: Any) -> dict[str, Any]:  # noqa: ANN401
    return {name: data[name] for name in _BASIC_FIELDS if name in data}
