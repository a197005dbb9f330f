"""What a delivery is on Discord, and where it belongs."""

from typing import Any

import pytest

from teamsup.hub import Message
from teamsup.workers.gateway.outbound.kinds import OutboundKind, kind_of, target_channel_of


def message(**more: object) -> Message:
    given: dict[str, Any] = {"id": 1, "message_id": "x", "sender": "a", "recipient": "gateway", "content": ""}
    return Message(**given | more)


QUESTION = message(message_id="discord:9", sender="gateway")
COMMAND = message(message_id="discord:9", sender="gateway", message_type="command")
PRESS = message(message_id="discord:9", sender="gateway", message_type="opinion_response")
SHOWING = message(message_id="d", sender="lead", message_type="opinion_request")


@pytest.mark.parametrize(
    ("answered", "more", "kind"),
    [
        (None, {}, OutboundKind.CHAT),
        (QUESTION, {}, OutboundKind.CHAT),
        (COMMAND, {}, OutboundKind.COMMAND_REPLY),
        (COMMAND, {"message_type": "opinion_request"}, OutboundKind.CHAT),
        (PRESS, {}, OutboundKind.PRESS_REPLY),
        (PRESS, {"sender": "lead"}, OutboundKind.CHAT),
        (SHOWING, {"message_type": "opinion_response"}, OutboundKind.BUTTON_UPDATE),
        (SHOWING, {"message_type": "close_buttons", "conversation_id": None}, OutboundKind.BUTTON_UPDATE),
        (None, {"conversation_id": None, "message_type": "notification"}, OutboundKind.ANNOUNCEMENT),
    ],
)
def test_the_way_on_which_a_message_goes_out(
    answered: Message | None, more: dict[str, Any], kind: OutboundKind
) -> None:
    reply_to = answered and answered.message_id
    given = {"sender": "user_comm", "conversation_id": "discord:12", "reply_to": reply_to} | more
    assert kind_of(message(**given), answered, "gateway") is kind


def test_a_message_goes_to_the_channel_of_its_conversation() -> None:
    assert target_channel_of(message(conversation_id="discord:12"), 0) == 12
    assert target_channel_of(message(conversation_id="incident:12"), 7) is None
    assert target_channel_of(message(message_type="notification"), 7) == 7
    assert target_channel_of(message(message_type="notification"), 0) is None
    assert target_channel_of(message(message_type="close_buttons", conversation_id="incident:12", reply_to="x"), 7) == 7
    assert target_channel_of(message(message_type="notification", recipient=None), 7) is None
    # user_comm tells what is said to the whole team, so that it stands there once.
    told = message(message_type="notification", recipient=None, conversation_id="discord:7")
    assert target_channel_of(told, 7) is None
