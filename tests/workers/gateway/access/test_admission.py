"""Who is let in and when, also where Discord has to be asked first or refuses to say, with the gateway's process."""

from collections.abc import Callable

import pytest

from fake_discord import ANN, BOB, BOT, CHANNEL, OPERATORS, OTHER_BOT, FakeDiscord, Permission
from helpers.gateway_process import (
    ALLOW_ANN,
    next_delivery,
    read_texts,
    running_gateway,
    stored_contents,
    wait_until,
    wait_until_connected,
)
from teamsup.hub import MessageHub, Team
from teamsup.workers.gateway.access import unknown_users

ANYBODY_HERE = f"[gateway]\nchannels = [{CHANNEL}]\n"

Join = Callable[..., MessageHub]
IN_THREAD = "Ann in a thread\n(in the thread thread)"


@pytest.mark.slow
async def test_a_user_who_sends_a_needless_code_learns_it(team: Team, join: Join) -> None:
    user_comm = join("user_comm")
    async with FakeDiscord() as discord, running_gateway(team, discord):
        await wait_until_connected(user_comm)
        direct = await discord.open_dm(ANN)
        await discord.say("pair ABCD2345", channel=direct)
        await discord.until_said([unknown_users.ALREADY_PAIRED], direct)
        await discord.say("Hello", channel=direct)
        assert (await next_delivery(user_comm)).message.content == "Hello"
    assert stored_contents(team) == ["Hello"]


@pytest.mark.slow
async def test_in_a_thread_that_only_discord_knows_its_channel_counts(team: Team, join: Join) -> None:
    user_comm = join("user_comm")
    async with FakeDiscord() as discord:
        other = await discord.add_channel("other")
        here, elsewhere = await discord.open_thread("here"), await discord.open_thread("elsewhere", channel=other)
        gone = await discord.open_thread("gone")
        for thread in (here, elsewhere, gone):
            await discord.archive(thread)
        async with running_gateway(team, discord, f"[gateway]\nchannels = [{CHANNEL}]\n"):
            await wait_until_connected(user_comm)
            await discord.say("elsewhere", channel=elsewhere)
            await discord.say("gone", channel=gone)
            await discord.remove_channel(gone)
            await discord.say("here", channel=here)
            assert (await next_delivery(user_comm)).message.content == "here\n(in the thread here)"
            asked = f"/channels/{gone}"
            await discord.until(
                lambda: any(each.path.endswith(asked) for each in discord.rest.requests), "all are dealt with"
            )
    assert stored_contents(team) == ["here\n(in the thread here)"]


@pytest.mark.slow
async def test_a_member_who_has_left_has_no_role(team: Team, join: Join) -> None:
    user_comm = join("user_comm")
    toml = f"[gateway]\nroles = [{OPERATORS}]\n"
    async with FakeDiscord() as discord:
        await discord.give_role(OPERATORS, ANN)
        await discord.give_role(OPERATORS, BOB)
        async with running_gateway(team, discord, toml):
            await wait_until_connected(user_comm)
        await discord.say("before I left", author=BOB)
        await discord.say("still here")
        discord.world.remove_member(discord.world.channels[CHANNEL].guild or 0, BOB)
        async with running_gateway(team, discord, toml):
            assert (await next_delivery(user_comm)).message.content == "still here"
    assert stored_contents(team) == ["still here"]


@pytest.mark.slow
async def test_an_unknown_user_who_cannot_be_answered_holds_up_nobody(team: Team, join: Join) -> None:
    user_comm = join("user_comm")
    async with FakeDiscord() as discord, running_gateway(team, discord, ALLOW_ANN):
        await wait_until_connected(user_comm)
        await discord.forbid(CHANNEL, Permission.SEND_MESSAGES)
        await discord.say(f"<@{BOT}> Hello?", author=BOB)
        await discord.say("Hello")
        assert (await next_delivery(user_comm)).message.content == "Hello"
        posts = f"/channels/{CHANNEL}/messages"
        await wait_until(
            lambda: (
                [each.status for each in discord.rest.requests if each.method == "POST" and each.path.endswith(posts)]
                == [403]
            ),
            "the answer was refused",
        )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("toml", "heard"),
    [
        ("users = [{ANN}]", {"Ann", IN_THREAD, "Ann directly", "Ann elsewhere"}),
        ("channels = [{CHANNEL}]", {"Ann", "Bob", IN_THREAD}),
        ("guilds = [{GUILD}]", {"Ann", "Bob", IN_THREAD, "Ann elsewhere"}),
        ("roles = [{OPERATORS}]", {"Bob"}),
        ("bots = [{OTHER_BOT}]", {"Botty"}),
        ("", set()),
    ],
)
async def test_a_user_is_admitted_by_list_role_or_channel(team: Team, join: Join, toml: str, heard: set[str]) -> None:
    import fake_discord

    user_comm = join("user_comm")
    names = {name: getattr(fake_discord, name) for name in ("ANN", "CHANNEL", "GUILD", "OPERATORS", "OTHER_BOT")}
    section = "[gateway]\n" + toml.format(**names) + "\n"

    async def everybody_says(discord: FakeDiscord) -> None:
        await discord.say("Ann")
        await discord.say("Bob", author=BOB)
        await discord.say("Botty", author=OTHER_BOT)
        await discord.say("Ann in a thread", channel=thread)
        await discord.say("Ann elsewhere", channel=other)
        await discord.say("Ann directly", channel=direct)

    async with FakeDiscord() as discord:
        await discord.give_role(fake_discord.OPERATORS, BOB)
        thread, direct = await discord.open_thread("thread"), await discord.open_dm(ANN)
        other = await discord.add_channel("other")
        async with running_gateway(team, discord, section):
            await wait_until_connected(user_comm)
            await everybody_says(discord)
            assert set(await read_texts(user_comm, len(heard))) == heard
        # Also what Discord's history tells, which has less in it.
        await everybody_says(discord)
        async with running_gateway(team, discord, section):
            await wait_until_connected(user_comm)
            assert set(await read_texts(user_comm, len(heard))) == heard
    assert sorted(stored_contents(team)) == sorted([*heard, *heard])


@pytest.mark.slow
async def test_more_than_allowed_in_a_minute_waits_and_is_said_to(team: Team, join: Join) -> None:
    user_comm = join("user_comm")
    async with FakeDiscord() as discord, running_gateway(team, discord, ANYBODY_HERE + "messages_per_minute = 3\n"):
        await wait_until_connected(user_comm)
        for number in range(5):
            await discord.say(f"Ann {number}")
        assert await read_texts(user_comm, 3) == ["Ann 0", "Ann 1", "Ann 2"]
        await discord.until(
            lambda: any(
                "3 messages a minute" in each.content
                for each in discord.world.channels[CHANNEL].messages.values()
                if each.author == BOT
            ),
            "it is said",
        )
