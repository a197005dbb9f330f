"""``@Name`` in what an agent writes becomes a mention, only of who takes part."""

from collections.abc import Callable

import pytest

from fake_discord import ANN, BOB, CHANNEL
from helpers.gateway_process import gateway_with_hub, read_messages, send_to_gateway, wait_until_sent
from teamsup.hub import MessageHub, Team
from teamsup.workers.gateway.outbound.mentions import mention_people, mentioned_people

PEOPLE = {1: "Ann", 2: "Ann Smith", 3: "Bob", 4: "bob", 5: "J. Doe (ops)", 6: "everyone"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("@Ann look", "<@1> look"),
        ("Ask @ann, or @ANN SMITH.", "Ask <@1>, or <@2>."),
        ("@Anna, ann@ann.example, ann", "@Anna, ann@ann.example, ann"),
        ("(@J. Doe (ops))", "(<@5>)"),
        ("two are @Bob", "two are @Bob"),
        ("`@Ann` and\n```\n@Ann\n```\n@Ann", "`@Ann` and\n```\n@Ann\n```\n<@1>"),
        ("```\n@Ann", "```\n@Ann"),
        ("<@1> @Zoe @here", "<@1> @Zoe @here"),
    ],
)
def test_a_name_becomes_a_mention(text: str, shown: str) -> None:
    assert mention_people(text, PEOPLE) == shown


def test_without_people_a_text_stays_as_it_is() -> None:
    assert mention_people("@Ann", {}) == "@Ann"
    assert mentioned_people("<@1> <@!2> <@&3> @4") == {1, 2}


@pytest.mark.slow
async def test_only_people_who_take_part_are_notified(team: Team, join: Callable[..., MessageHub]) -> None:
    toml = f"[gateway]\nchannels = [{CHANNEL}]\n"
    async with gateway_with_hub(team, join, toml=toml) as (discord, user_comm):
        other = await discord.add_channel("other")
        await discord.say("Hello")
        await read_messages(user_comm, 1)
        here = send_to_gateway(user_comm, f"@Ann, ask @Bob or <@{BOB}>. @everyone")
        elsewhere = send_to_gateway(user_comm, f"@Ann <@{ANN}>", channel=other)
        progress = send_to_gateway(user_comm, "for @Ann", message_type="status_report", reply_to=here.message_id)
        await wait_until_sent(user_comm, here, elsewhere, progress)
        assert await discord.said() == [f"<@{ANN}>, ask @Bob or <@{BOB}>. @everyone", f"for <@{ANN}>"]
        assert [message.mentions for message in await discord.messages()][1:] == [[ANN], []]
        assert [message.mentions for message in await discord.messages(other)] == [[]]
