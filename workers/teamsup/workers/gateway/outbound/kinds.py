"""The kind of a delivery on Discord, and its channel. Pure."""

from enum import Enum, auto

from teamsup.config.people_protocol import DECISION_ANSWER, DECISION_REQUEST, USER_COMM
from teamsup.hub import Message

from ...protocol import ANNOUNCED_TYPES, CLOSE_BUTTONS, COMMAND_TYPE
from ..ids import channel_of, snowflake_of


class OutboundKind(Enum):
    """The part of the gateway that sends a delivery."""

    CHAT = auto()
    """A message in its channel."""
    ANNOUNCEMENT = auto()
    """A message in the home channel, after the announcements before it."""
    COMMAND_REPLY = auto()
    """The reply to a slash command, in the channel where it was used."""
    PRESS_REPLY = auto()
    """The outcome of a button press, shown only to the person who pressed."""
    BUTTON_UPDATE = auto()
    """A message that disables the buttons of another one."""


def kind_of(message: Message, answered: Message | None, me: str) -> OutboundKind:
    """Return the kind of a message that belongs on Discord. ``answered`` is the message that it answers."""
    if answered is not None and message.sender == USER_COMM:
        if answered.message_type == DECISION_ANSWER and answered.sender == me:
            return OutboundKind.PRESS_REPLY
        if message.message_type in (DECISION_ANSWER, CLOSE_BUTTONS):
            return OutboundKind.BUTTON_UPDATE
    if is_for_home_channel(message):
        return OutboundKind.ANNOUNCEMENT
    # A decision request is not an answer.
    is_reply = answered is not None and answered.message_type == COMMAND_TYPE and snowflake_of(message.reply_to)
    return OutboundKind.COMMAND_REPLY if is_reply and message.message_type != DECISION_REQUEST else OutboundKind.CHAT


def is_for_home_channel(message: Message) -> bool:
    """Return whether a message for Discord does not belong to a conversation on Discord."""
    return channel_of(message.conversation_id) is None


def is_progress(message: Message) -> bool:
    """Return whether the message is progress of a question. A later message supersedes progress."""
    return message.message_type == "status_report" and message.reply_to is not None


def target_channel_of(message: Message, home: int) -> int | None:
    """Return the channel of a message on Discord, or None.

    Announcements and the updates of their buttons belong to the home channel.
    """
    if message.recipient is None and message.message_type in ANNOUNCED_TYPES:
        return None
    if (channel := channel_of(message.conversation_id)) is not None:
        return channel
    is_announcement = message.message_type == "notification" and message.reply_to is None
    is_home = (is_announcement or message.message_type == CLOSE_BUTTONS) and message.recipient is not None
    return home if home and is_home else None
