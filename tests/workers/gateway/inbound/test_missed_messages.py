"""What was written while nobody listened, with the gateway's own process."""

from collections.abc import Callable

import pytest

from fake_discord import ANN, BOB, CHANNEL, FakeDiscord, Permission
from fake_discord.world.models import FORUM
from helpers.gateway_process import (
    ALLOW_ANN,
    kill_process,
    read_messages,
    read_texts,
    run_and_kill,
    running_gateway,
    stored_contents,
    wait_until_connected,
)
from helpers.support import run_foreign_sql
from teamsup.hub import MessageHub, Team

Join = Callable[..., MessageHub]
FAST = ALLOW_ANN + "messages_per_minute = 1000\n"


@pytest.mark.slow
async def test_messages_from_its_downtime_are_fetched_in_order(team: Team, join: Join) -> None:
    user_comm = join("user_comm")
    async with FakeDiscord() as discord:
        await run_and_kill(team, discord, user_comm)
        missed = [f"missed {number}" for number in range(150)]
        for text in missed:
            await discord.say(text)
        async with running_gateway(team, discord, FAST):
            await discord.say("live")
            assert await read_texts(user_comm, 151) == [*missed, "live"]
        async with running_gateway(team, discord, FAST):
            await discord.say("later")
            assert await read_texts(user_comm, 1) == ["later"]
    assert stored_contents(team) == ["before", *missed, "live", "later"]


@pytest.mark.slow
async def test_live_messages_wait_for_what_was_missed_before_them(team: Team, join: Join) -> None:
    user_comm = join("user_comm")
    async with FakeDiscord() as discord:
        await run_and_kill(team, discord, user_comm)
        await discord.say("missed")
        discord.faults.add("503 before", f"GET /channels/{CHANNEL}/messages", times=2)
        async with running_gateway(team, discord):
            await discord.connected()
            await discord.say("live")
            assert await read_texts(user_comm, 2) == ["missed", "live"]
    assert stored_contents(team) == ["before", "missed", "live"]


@pytest.mark.slow
async def test_the_first_start_takes_in_nothing_that_was_written_before(team: Team, join: Join) -> None:
    user_comm = join("user_comm")
    async with FakeDiscord(ago=1) as discord:
        await discord.say("long ago")
        await discord.advance(1)
        async with running_gateway(team, discord):
            await wait_until_connected(user_comm)
            await discord.say("now")
            assert await read_texts(user_comm, 1) == ["now"]


@pytest.mark.slow
async def test_channels_made_meanwhile_are_caught_up_from_their_beginning(team: Team, join: Join) -> None:
    user_comm = join("user_comm")
    async with FakeDiscord() as discord:
        await run_and_kill(team, discord, user_comm)
        channel = await discord.add_channel("new")
        await discord.say("first there", channel=channel)
        thread = await discord.open_thread("a thread", channel=channel)
        await discord.say("in a thread", channel=thread)
        async with running_gateway(team, discord):
            found = await read_messages(user_comm, 2)
    assert {(message.content, message.conversation_id) for message in found} == {
        ("first there", f"discord:{channel}"),
        ("in a thread\n(in the thread a thread)", f"discord:{thread}"),
    }


@pytest.mark.slow
async def test_a_server_that_discord_lost_for_a_while_is_caught_up(team: Team, join: Join) -> None:
    user_comm = join("user_comm")
    async with FakeDiscord() as discord:
        await run_and_kill(team, discord, user_comm)
        channel = await discord.add_channel("new")
        await discord.lose_guild()
        await discord.say("missed", channel=channel)
        async with running_gateway(team, discord):
            await wait_until_connected(user_comm)
            await discord.find_guild()
            assert await read_texts(user_comm, 1) == ["missed"]
            await discord.lose_guild()
            await discord.say("missed again", channel=channel)
            await discord.find_guild()
            assert await read_texts(user_comm, 1) == ["missed again"]


@pytest.mark.slow
async def test_a_message_from_before_the_bots_invitation_is_not_for_it(team: Team, join: Join) -> None:
    user_comm = join("user_comm")
    async with FakeDiscord() as discord, running_gateway(team, discord):
        await wait_until_connected(user_comm)
        await discord.remove_bot()
        channel = await discord.add_channel("general")
        await discord.say("before", channel=channel)
        await discord.invite_bot()
        await discord.say("now", channel=channel)
        assert await read_texts(user_comm, 1) == ["now"]


@pytest.mark.slow
async def test_direct_messages_are_caught_up_also_the_first_of_somebody(team: Team, join: Join) -> None:
    user_comm = join("user_comm")
    async with FakeDiscord() as discord:
        toml = f"[gateway]\nusers = [{ANN}, {BOB}]\n"
        await run_and_kill(team, discord, user_comm, toml)
        anns, bobs = await discord.open_dm(ANN), await discord.open_dm(BOB)
        await discord.say("from Bob", channel=bobs, author=BOB)
        async with running_gateway(team, discord, toml) as process:
            assert await read_texts(user_comm, 1) == ["from Bob"]
            await discord.say("from Ann", channel=anns)
            assert await read_texts(user_comm, 1) == ["from Ann"]
            await kill_process(process)
            process.returncode = 0
        await discord.say("again", channel=anns)
        async with running_gateway(team, discord, toml):
            (again,) = await read_messages(user_comm, 1)
    assert (again.content, again.conversation_id) == ("again", f"discord:{anns}")
    assert stored_contents(team) == ["before", "from Bob", "from Ann", "again"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("toml", "taken", "why"),
    [
        ("catch_up_messages = 2", ["three", "four"], "more than 2 messages"),
        ("catch_up_hours = 0.5", ["three", "four"], "messages older than 0.5 hours"),
        ("catch_up_messages = 0", [], "more than 0 messages"),
    ],
)
async def test_skipped_messages_are_reported(team: Team, join: Join, toml: str, taken: list[str], why: str) -> None:
    user_comm = join("user_comm")
    async with FakeDiscord(ago=7200) as discord:
        toml_of_all = ALLOW_ANN + toml + "\n"
        team.create()
        team.configuration.write_text(toml_of_all)
        run_foreign_sql(team, "INSERT INTO discord_state VALUES ('beginning', '0')")
        run_foreign_sql(team, f"INSERT INTO discord_channels VALUES ({CHANNEL}, 1, NULL)")
        for text in ("one", "two"):
            await discord.say(text)
        await discord.advance(7200)
        for text in ("three", "four"):
            await discord.say(text)
        async with running_gateway(team, discord, toml_of_all):
            notice, *found = await read_messages(user_comm, 1 + len(taken))
            assert [message.content for message in found] == taken
            assert notice.message_type == "notification"
            assert why in notice.content
            assert "#general" in notice.content
            await discord.say("live")
            assert await read_texts(user_comm, 1) == ["live"]


@pytest.mark.slow
async def test_channels_that_cannot_be_read_are_passed_over(team: Team, join: Join) -> None:
    user_comm = join("user_comm")
    async with FakeDiscord() as discord:
        await run_and_kill(team, discord, user_comm)
        hidden, gone = await discord.add_channel("hidden"), await discord.add_channel("gone")
        run_foreign_sql(team, f"INSERT INTO discord_channels VALUES ({hidden}, 1, NULL), ({gone}, 1, NULL)")
        await discord.forbid(hidden, Permission.VIEW_CHANNEL)
        await discord.remove_channel(gone)
        await discord.say("missed")
        async with running_gateway(team, discord):
            assert await read_texts(user_comm, 1) == ["missed"]


@pytest.mark.slow
async def test_messages_in_a_channel_that_the_bot_could_not_read_are_fetched(team: Team, join: Join) -> None:
    user_comm = join("user_comm")
    async with FakeDiscord() as discord, running_gateway(team, discord):
        await wait_until_connected(user_comm)
        thread = await discord.open_thread("aside")
        for place in (CHANNEL, thread):
            await discord.say("before", channel=place)
        assert sorted(await read_texts(user_comm, 2)) == ["before", "before\n(in the thread aside)"]

        await discord.forbid(CHANNEL, Permission.VIEW_CHANNEL)
        await discord.say("meanwhile")
        await discord.say("meanwhile, aside", channel=thread)
        await discord.forbid(CHANNEL)
        await discord.say("after")
        aside = "meanwhile, aside\n(in the thread aside)"
        assert sorted(await read_texts(user_comm, 3)) == ["after", "meanwhile", aside]
        assert [text for text in stored_contents(team) if text != aside][-2:] == ["meanwhile", "after"]


@pytest.mark.slow
@pytest.mark.parametrize("closed", [False, True])
async def test_posts_of_a_forum_that_were_made_meanwhile_are_caught_up_with_their_first_message(
    team: Team, join: Join, closed: bool
) -> None:
    user_comm = join("user_comm")
    async with FakeDiscord() as discord:
        forum = await discord.add_channel("help", kind=FORUM)
        await run_and_kill(team, discord, user_comm)
        post = await discord.post("The disk", "It is full", forum=forum)
        await discord.say("Really", channel=post)
        alone = await discord.post("The CPU", "It is busy", forum=forum)
        if closed:
            await discord.archive(post)
            await discord.archive(alone)
        async with running_gateway(team, discord):
            found = await read_messages(user_comm, 3)
            await discord.say("Still", channel=post)
            (text,) = await read_texts(user_comm, 1)
            assert text.split("\n")[0] == "Still"
    said = sorted((message.content, message.conversation_id) for message in found)
    assert said == [
        ("It is busy\n(in the thread The CPU)", f"discord:{alone}"),
        ("It is full\n(in the thread The disk)", f"discord:{post}"),
        ("Really\n(in the thread The disk)", f"discord:{post}"),
    ]
    stored = [text.split("\n")[0] for text in stored_contents(team)]
    assert [text for text in stored if text in ("It is full", "Really")] == ["It is full", "Really"]


@pytest.mark.slow
async def test_a_thread_that_was_opened_and_closed_meanwhile_is_caught_up(team: Team, join: Join) -> None:
    user_comm = join("user_comm")
    async with FakeDiscord() as discord:
        await run_and_kill(team, discord, user_comm)
        asked = await discord.say("in the channel")
        for thread in (await discord.open_thread("aside"), await discord.open_thread("of it", message=asked)):
            await discord.say(f"in {thread}", channel=thread)
            await discord.archive(thread)
        discord.faults.add("503 before", f"GET /channels/{CHANNEL}/threads/archived/public")
        async with running_gateway(team, discord):
            assert len(await read_messages(user_comm, 3)) == 3


@pytest.mark.slow
async def test_a_post_arrives_at_once_while_the_gateway_runs(team: Team, join: Join) -> None:
    user_comm = join("user_comm")
    async with FakeDiscord() as discord, running_gateway(team, discord):
        await wait_until_connected(user_comm)
        forum = await discord.add_channel("help", kind=FORUM)
        post = await discord.post("The disk", "It is full", forum=forum)
        asked = (await read_messages(user_comm, 1))[0]
        assert (asked.content, asked.conversation_id) == ("It is full\n(in the thread The disk)", f"discord:{post}")
