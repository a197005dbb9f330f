"""Discord's numbers, and what the hub makes of them."""

import pytest

from teamsup.workers.gateway.ids import channel_of, conversation_id_of, message_id_of, snowflake_of


@pytest.mark.parametrize(
    ("message_id", "number"),
    [("discord:12", 12), ("discord:12:1700", 12), ("discord:", None), ("x:12", None), (None, None)],
)
def test_the_message_on_discord_that_a_message_id_stands_for(message_id: str | None, number: int | None) -> None:
    assert snowflake_of(message_id) == number


def test_the_hubs_id_of_a_message_leads_back_to_it() -> None:
    assert snowflake_of(message_id_of(12)) == snowflake_of(message_id_of(12, "deleted")) == 12
    assert message_id_of(12) != message_id_of(12, "deleted")
    assert channel_of(conversation_id_of(12)) == 12
