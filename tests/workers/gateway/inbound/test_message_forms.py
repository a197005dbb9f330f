"""All that people see of a message reaches the team: forwards, quotations, threads, embeds, components, webhooks."""

from collections.abc import Callable

import pytest

from fake_discord import ANN, BOB, BOT, BOT_ROLE, CHANNEL, GUILD, OTHER_BOT
from fake_discord.world.models import PUBLIC_THREAD, FakeChannel
from helpers.gateway_process import (
    gateway_with_hub,
    read_messages,
    read_texts,
    send_to_gateway,
    wait_until_sent,
)
from teamsup.hub import Message, MessageHub, Team

Join = Callable[..., MessageHub]
LONG = "word " * 390 + "the end"
WEBHOOK, PROXY = 1_100_000_000_000_000_501, 1_100_000_000_000_000_502
TOML = f"[gateway]\nusers = [{ANN}]\nbots = [{OTHER_BOT}]\nwebhooks = [{WEBHOOK}, {PROXY}]\n"


async def heard(hub: MessageHub) -> Message:
    (message,) = await read_messages(hub, 1)
    return message


@pytest.mark.slow
async def test_forwards_and_quotations_reach_the_team_as_a_whole(team: Team, join: Join) -> None:
    async with gateway_with_hub(team, join, toml=TOML) as (discord, user_comm):
        other = await discord.add_channel("other")
        files = {"graph.png": b"pixels"}
        original = await discord.say(LONG, channel=other, author=BOB, files=files)
        await discord.forward(original)
        message = await heard(user_comm)
        assert message.content.startswith(
            f"(forwarded:)\n> {LONG}\n(attachment: graph.png, 6 bytes, image/png; saved as "
        )
        assert message.metadata["body_length"] == 0

        failed = await discord.say("", channel=other, author=OTHER_BOT, embeds=[{"title": "Build 7 failed"}])
        await heard(user_comm)
        await discord.forward(failed)
        assert await read_texts(user_comm, 1) == ["(forwarded:)\n> Build 7 failed"]

        await discord.say(f"<@{BOT}> Why?", channel=other, reply_to=original)
        message = await heard(user_comm)
        assert message.content.startswith(
            f"Why?\n(in reply to Bob:)\n> {LONG} [graph.png]\n(attachment of the quoted message: graph.png, 6 bytes"
        )

        alert = send_to_gateway(
            user_comm, "CPU at 97 %", metadata={"alert": {"title": "web-1", "severity": "critical"}}
        )
        await wait_until_sent(user_comm, alert)
        shown = (await discord.messages(author=BOT))[-1]
        await discord.say("Mine.", reply_to=shown.id)
        message = await heard(user_comm)
        assert message.content == "Mine.\n(in reply to teamsup:)\n> web-1\n> CPU at 97 %"
        assert message.metadata["replied_message"] == alert.message_id


@pytest.mark.slow
async def test_a_threads_name_and_first_message_reach_the_team(team: Team, join: Join) -> None:
    async with gateway_with_hub(team, join, toml=TOML) as (discord, user_comm):
        begun = await discord.say("The disk of web-1 is full.", author=BOB)
        thread = await discord.open_thread("web-1", message=begun)
        await discord.say("Clean it up.", channel=thread)
        await discord.say("Now.", channel=thread)
        assert await read_texts(user_comm, 2) == [
            "Clean it up.\n(in the thread web-1)\n(a thread about a message of Bob:)\n> The disk of web-1 is full.",
            "Now.\n(in the thread web-1)",
        ]


@pytest.mark.slow
async def test_a_thread_that_discord_never_reported_has_its_name_and_the_rules_of_its_channel(
    team: Team, join: Join
) -> None:
    toml = TOML + f'answer_in = {{ "{CHANNEL}" = "mentioned" }}\n'
    async with gateway_with_hub(team, join, toml=toml) as (discord, user_comm):
        thread = discord.world.snowflakes.next_id()
        discord.world.channels[thread] = FakeChannel(thread, PUBLIC_THREAD, "web-2", GUILD, CHANNEL, ANN)
        await discord.say("Not for the team.", channel=thread)
        await discord.say(f"<@{BOT}> Look.", channel=thread)
        await discord.say(f"<@{BOT}> Now.", channel=thread)
        first, second = await read_texts(user_comm, 2)
        assert first.startswith("Look.\n(in the thread web-2)\n(said here before, not to the team:)\n> Ann: Not for")
        assert second.startswith("Now.\n(in the thread web-2)\n")

        other, elsewhere = await discord.add_channel("other"), discord.world.snowflakes.next_id()
        discord.world.channels[elsewhere] = FakeChannel(elsewhere, PUBLIC_THREAD, "web-3", GUILD, other, ANN)
        for text in ("One.", "Two."):
            await discord.say(text, channel=elsewhere)
        assert await read_texts(user_comm, 2) == ["One.\n(in the thread web-3)", "Two.\n(in the thread web-3)"]


@pytest.mark.slow
async def test_embeds_components_and_listed_webhooks_are_heard(team: Team, join: Join) -> None:
    async with gateway_with_hub(team, join, toml=TOML) as (discord, user_comm):
        embeds = [{"title": "Build 7 failed", "fields": [{"name": "Branch", "value": "main"}]}]
        await discord.say("", author=OTHER_BOT, embeds=embeds)
        parts = [{"type": 17, "components": [{"type": 10, "content": "Deployed 1.2"}, {"type": 14}]}]
        await discord.say("", author=OTHER_BOT, components=parts)
        assert await read_texts(user_comm, 2) == ["Build 7 failed\nBranch: main", "Deployed 1.2"]

        await discord.say("by nobody", webhook=(WEBHOOK + 100, "Eve"))
        await discord.say("", webhook=(WEBHOOK, "GitHub"), embeds=[{"description": "3 commits"}])
        await discord.say("I am Zoe", webhook=(WEBHOOK + 200, "Zoe"), application=PROXY)
        first, second = await read_messages(user_comm, 2)
        assert (first.content, first.metadata["author_name"]) == ("3 commits", "GitHub")
        assert (second.content, second.metadata["author_name"]) == ("I am Zoe", "Zoe")


@pytest.mark.slow
async def test_mentions_have_names_and_the_bots_role_is_its_name(team: Team, join: Join) -> None:
    async with gateway_with_hub(team, join, toml=TOML) as (discord, user_comm):
        await discord.say(f"<@&{BOT_ROLE}> how is the load?")
        await discord.say(f"Ask <@{BOB}> in <#{CHANNEL}>, not <@{BOT}>.")
        assert await read_texts(user_comm, 2) == [
            "how is the load?",
            f"Ask <@{BOB}> (@Bob) in <#{CHANNEL}> (#general), not <@{BOT}> (@teamsup).",
        ]
