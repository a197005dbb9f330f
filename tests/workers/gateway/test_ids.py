"""Discord's numbers, and what the hub makes of them."""

from typing import Any

import pytest

from teamsup.hub import Message
from teamsup.workers.gateway.ids import channel_of, conversation_id_of, message_id_of, snowflake_of, target_channel_of


def test_where_a_message_belongs() -> None:
    def message(**more: object) -> Message:
        given: dict[str, Any] = {"id": 1, "message_id": "x", "sender": "a", "recipient": "gateway", "content": ""}
        given |= more
        return Message(**given)

    assert target_channel_of(message(conversation_id="discord:12"), 0) == 12
    assert target_channel_of(message(conversation_id="incident:12"), 7) is None
    assert target_channel_of(message(message_type="notification"), 7) == 7
    assert target_channel_of(message(message_type="notification"), 0) is None
    assert target_channel_of(message(message_type="settled", conversation_id="incident:12", reply_to="x"), 7) == 7
    assert target_channel_of(message(message_type="notification", recipient=None), 7) is None
    # user_comm tells what is said to the whole team, so that it stands there once.
    told = message(message_type="notification", recipient=None, conversation_id="discord:7")
    assert target_channel_of(told, 7) is None


@pytest.mark.parametrize(
    ("message_id", "number"),
    [("discord:12", 12), ("discord:12:1700", 12), ("discord:", None), ("x:12", None), (None, None)],
)
def test_the_message_on_discord_that_a_message_id_stands_for(message_id: str | None, number: int | None) -> None:
    assert snowflake_of(message_id) == number


def test_what_the_hub_calls_something_leads_back_to_it() -> None:
    assert snowflake_of(message_id_of(12)) == snowflake_of(message_id_of(12, "deleted")) == 12
    assert message_id_of(12) != message_id_of(12, "deleted")
    assert channel_of(conversation_id_of(12)) == 12
