"""Slash commands, with the gateway's own process: acknowledged in time, and answered once."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from functools import partial

import pytest

from fake_discord import ANN, BOB, CHANNEL, FakeDiscord, FakeInteraction
from helpers.gateway_process import locked_database, next_delivery, running_gateway, wait_until, wait_until_connected
from helpers.support import TIMEOUT_SECONDS, clean_environment
from teamsup.config.components import people_commands
from teamsup.hub import MessageHub, Team
from teamsup.workers.gateway.access.pairing import create_code, redeem_code
from teamsup.workers.gateway.interactions.command_replies import REPLY_FOLLOWS
from teamsup.workers.gateway.interactions.commands import SLASH_COMMANDS, describe_differences, to_text
from teamsup.workers.gateway.interactions.interactions import NOT_ALLOWED, NOT_STORED

Join = Callable[..., MessageHub]


async def ready(discord: FakeDiscord, hub: MessageHub) -> None:
    """Connected, and Discord knows the commands."""
    await wait_until_connected(hub)
    await discord.until(lambda: discord.world.commands.get(None), "the commands are known")


async def deferred(discord: FakeDiscord, interaction: int) -> None:
    await discord.until(lambda: discord.world.interactions[interaction].deferred, "it is acknowledged")


def start_user_comm(team: Team) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "teamsup.workers.user_comm.user_comm_daemon", "--team", team.name],
        env={**clean_environment(), "TEAMSUP_HOME": str(team.folder.parent)},
    )


def has_answer(interaction: FakeInteraction) -> bool:
    return any(message.content for message in interaction.messages)


@pytest.mark.parametrize(
    ("line", "options", "text"),
    [
        ("/ask", {"text": "What is wrong?"}, "What is wrong?"),
        ("/ask", {"text": " What is wrong? ", "agent": "lead"}, "/ask lead What is wrong?"),
        ("/status", {}, "/status"),
        ("/agents", {}, "/agents"),
        ("/ps", {}, "/ps"),
        ("/decide", {"id": "4", "answer": "2"}, "/decide 4 2"),
        ("/alerts", {}, "/alerts"),
        ("/ack", {"id": "17"}, "/ack 17"),
        ("/stop", {}, "/stop"),
        ("/trace", {}, "/trace"),
        ("/trace", {"id": "#12"}, "/trace #12"),
        ("/history", {"count": "20"}, "/history 20"),
    ],
)
def test_each_command_is_something_that_user_comm_understands(line: str, options: dict[str, str], text: str) -> None:
    assert to_text(line.removeprefix("/"), options) == text
    assert line.removeprefix("/") in [command["name"] for command in SLASH_COMMANDS]


def test_discord_knows_every_command_of_people() -> None:
    assert sorted(command["name"] for command in SLASH_COMMANDS) == sorted(each.name for each in people_commands())


async def test_a_command_is_answered_where_it_was_used(team: Team, join: Join) -> None:
    user_comm = join("user_comm")
    async with FakeDiscord() as discord, running_gateway(team, discord):
        await ready(discord, user_comm)
        used = await discord.command("/ask", {"text": "What is wrong?"})
        delivery = await next_delivery(user_comm)
        await deferred(discord, used)
        message = delivery.message
        assert (message.message_id, message.content) == (f"discord:{used}", "What is wrong?")
        assert message.conversation_id == f"discord:{CHANNEL}"
        assert message.metadata == {"author_name": "Ann", "user": ANN}

        user_comm.reply(delivery, "Nothing.")

        await wait_until(lambda: user_comm.queries.trace("#2")[0].outcome == "sent", "the answer is acknowledged")
        assert await discord.answers(used) == ["Nothing."]
        assert await discord.said() == ["Nothing."]
        assert not await discord.interaction_failed(used)


@pytest.mark.slow
async def test_every_command_reaches_user_comm(team: Team, join: Join) -> None:
    user_comm = join("user_comm")
    async with FakeDiscord() as discord, running_gateway(team, discord):
        await ready(discord, user_comm)
        for command in SLASH_COMMANDS:
            values = {option["name"]: "7" for option in command.get("options", [])}
            await discord.command(f"/{command['name']}", values)
            delivery = await next_delivery(user_comm)
            assert delivery.message.content == to_text(command["name"], values)
            user_comm.acknowledge(delivery)


@pytest.mark.slow
async def test_every_command_is_answered_by_the_real_user_comm(team: Team, join: Join) -> None:
    lead = join("lead")
    async with FakeDiscord() as discord, running_gateway(team, discord):
        user_comm = start_user_comm(team)
        try:
            await ready(discord, lead)
            for command in SLASH_COMMANDS:
                values = {option["name"]: "hello" for option in command.get("options", [])}
                used = discord.world.interactions[await discord.command(f"/{command['name']}", values)]
                await discord.until(partial(has_answer, used), f"/{used.name} is answered")
        finally:
            user_comm.terminate()
            await asyncio.to_thread(user_comm.wait, TIMEOUT_SECONDS)


@pytest.mark.slow
async def test_nobody_else_may_use_a_command_and_only_they_see_the_refusal(team: Team, join: Join) -> None:
    user_comm = join("user_comm")
    async with FakeDiscord() as discord, running_gateway(team, discord):
        await ready(discord, user_comm)
        used = await discord.command("/status", user=BOB)
        await discord.until(lambda: discord.world.interactions[used].messages, "it is answered")
        assert await discord.answers(used) == [NOT_ALLOWED]
        assert await discord.said() == []
        assert not await user_comm.wait_async(0.2)


@pytest.mark.slow
async def test_a_command_is_acknowledged_in_time_while_the_hub_takes_nothing(team: Team, join: Join) -> None:
    user_comm = join("user_comm")
    async with FakeDiscord() as discord, running_gateway(team, discord):
        await ready(discord, user_comm)
        redeem_code(user_comm, create_code(user_comm), BOB, "Bob")
        channels = [await discord.add_channel(f"c{number}") for number in range(20)]
        async with locked_database(team):
            for channel in channels:
                await discord.say("Hello", channel=channel)
            used = await discord.command("/status", user=BOB)
            await deferred(discord, used)
        await wait_until(lambda: user_comm.query("SELECT 1 FROM messages WHERE content = '/status'"), "it is stored")


@pytest.mark.slow
async def test_content_that_an_edit_cannot_bring_follows_as_a_message(team: Team, join: Join) -> None:
    user_comm = join("user_comm")
    async with FakeDiscord() as discord, running_gateway(team, discord):
        await ready(discord, user_comm)
        used = await discord.command("/alerts")
        alert = {"title": "Disk", "severity": "critical"}
        user_comm.reply(await next_delivery(user_comm), "/ is full", metadata={"alert": alert})
        await wait_until(lambda: user_comm.queries.trace("#2")[0].outcome == "sent", "the answer is acknowledged")
        assert await discord.answers(used) == [REPLY_FOLLOWS]
        (embed,) = (await discord.messages())[-1].embeds
        assert (embed["title"], embed["description"]) == ("Disk", "/ is full")

        used = await discord.command("/status")
        user_comm.reply(await next_delivery(user_comm), f"<@{ANN}> @everyone look")
        await discord.until(lambda: has_answer(discord.world.interactions[used]), "it is answered")
        assert not (await discord.messages())[-1].pings


async def test_the_progress_of_a_command_stands_where_its_answer_will(team: Team, join: Join) -> None:
    user_comm = join("user_comm")
    async with FakeDiscord() as discord, running_gateway(team, discord):
        await ready(discord, user_comm)
        used = await discord.command("/ask", {"text": "How long?"})
        delivery = await next_delivery(user_comm)
        for told in ("lead is here.", "lead has read it."):
            news = user_comm.answer(delivery.message, told, message_type="status_report")
            await wait_until(lambda: user_comm.queries.trace(news.message_id)[0].outcome == "sent", "it is told")  # noqa: B023
            assert await discord.answers(used) == [told]
        answer = user_comm.reply(delivery, "So long.")
        await wait_until(lambda: user_comm.queries.trace(answer.message_id)[0].outcome == "sent", "it is answered")
        assert await discord.answers(used) == ["So long."]
        assert await discord.said() == ["So long."]


async def test_a_long_answer_to_a_command_comes_as_messages(team: Team, join: Join) -> None:
    user_comm = join("user_comm")
    async with FakeDiscord() as discord, running_gateway(team, discord):
        await ready(discord, user_comm)
        used = await discord.command("/agents")
        user_comm.reply(await next_delivery(user_comm), text := "\n".join(f"agent {number}" for number in range(400)))

        await wait_until(lambda: user_comm.queries.trace("#2")[0].outcome == "sent", "the answer is acknowledged")
        assert await discord.answers(used) == [REPLY_FOLLOWS]
        assert "\n".join((await discord.said())[1:]).split() == text.split()


@pytest.mark.slow
async def test_a_long_limit_on_an_answer_to_a_command_does_not_hold_up_its_channel(team: Team, join: Join) -> None:
    user_comm = join("user_comm")
    async with FakeDiscord() as discord, running_gateway(team, discord):
        await ready(discord, user_comm)
        discord.faults.add("429", "PATCH /webhooks/*", seconds=60)
        used = await discord.command("/status")
        user_comm.reply(await next_delivery(user_comm), "All is well.")

        await wait_until(lambda: user_comm.queries.trace("#2")[0].outcome == "sent", "the answer is acknowledged")
        assert await discord.answers(used) == ["All is well."]


@pytest.mark.slow
@pytest.mark.parametrize("trouble", ["lost reply", "503 after", "503 before", "reset"])
async def test_trouble_with_the_answer_to_a_command_gives_one_answer(team: Team, join: Join, trouble: str) -> None:
    user_comm = join("user_comm")
    async with FakeDiscord() as discord, running_gateway(team, discord):
        await ready(discord, user_comm)
        discord.faults.add(trouble, "PATCH /webhooks/*")  # type: ignore[arg-type]
        used = await discord.command("/status")
        user_comm.reply(await next_delivery(user_comm), "All is well.")

        await wait_until(lambda: user_comm.queries.trace("#2")[0].outcome == "sent", "the answer is acknowledged")
        assert await discord.answers(used) == ["All is well."]
        assert await discord.said() == ["All is well."]


@pytest.mark.slow
async def test_a_lost_reply_to_the_acknowledgement_loses_no_command(team: Team, join: Join) -> None:
    user_comm = join("user_comm")
    async with FakeDiscord() as discord, running_gateway(team, discord):
        await ready(discord, user_comm)
        discord.faults.add("lost reply", "POST /interactions/*")
        used = await discord.command("/status")
        user_comm.reply(await next_delivery(user_comm), "All is well.")
        await discord.until_said(["All is well."])
        assert await discord.answers(used) == ["All is well."]


@pytest.mark.slow
async def test_after_fifteen_minutes_the_answer_comes_as_a_message(team: Team, join: Join) -> None:
    user_comm = join("user_comm")
    async with FakeDiscord() as discord, running_gateway(team, discord):
        await ready(discord, user_comm)
        used = await discord.command("/ask", {"text": "How long?"})
        delivery = await next_delivery(user_comm)
        await deferred(discord, used)
        await discord.advance(901)
        user_comm.reply(delivery, "So long.")

        await wait_until(lambda: user_comm.queries.trace("#2")[0].outcome == "sent", "the answer is acknowledged")
        assert (await discord.said())[-1] == "So long."
        assert await discord.answers(used) == []


@pytest.mark.slow
async def test_after_a_restart_the_answer_comes_as_a_message(team: Team, join: Join) -> None:
    user_comm = join("user_comm")
    async with FakeDiscord() as discord:
        async with running_gateway(team, discord):
            await ready(discord, user_comm)
            await discord.command("/ask", {"text": "Still there?"})
            delivery = await next_delivery(user_comm)
        user_comm.reply(delivery, "Yes.")
        async with running_gateway(team, discord):
            await wait_until(lambda: user_comm.queries.trace("#2")[0].outcome == "sent", "the answer is acknowledged")
            assert (await discord.said())[-1] == "Yes."


@pytest.mark.slow
async def test_an_answer_that_a_killed_gateway_gave_is_not_given_again(team: Team, join: Join) -> None:
    user_comm = join("user_comm")
    async with FakeDiscord() as discord:
        async with running_gateway(team, discord) as process:
            await ready(discord, user_comm)
            slow = discord.faults.add("slow reply", "PATCH /webhooks/*", seconds=10)
            await discord.command("/status")
            user_comm.reply(await next_delivery(user_comm), "All is well.")
            await discord.until_said(["All is well."])
            assert slow.times == 0
            process.kill()
            await asyncio.to_thread(process.wait, 5)
            process.returncode = 0
        async with running_gateway(team, discord):
            await wait_until(lambda: user_comm.queries.trace("#2")[0].outcome == "sent", "the answer is acknowledged")
            assert await discord.said() == ["All is well."]


@pytest.mark.slow
async def test_an_answer_that_was_given_while_the_gateway_ended_is_not_given_again(team: Team, join: Join) -> None:
    user_comm = join("user_comm")
    async with FakeDiscord() as discord:
        async with running_gateway(team, discord):
            await ready(discord, user_comm)
            discord.faults.add("slow reply", "PATCH /webhooks/*", seconds=10)
            await discord.command("/status")
            user_comm.reply(await next_delivery(user_comm), "All is well.")
            await discord.until_said(["All is well."])
        # The network's errors say nothing about the answer.
        discord.faults.add("reset", "GET /channels/*/messages", times=3)
        async with running_gateway(team, discord):
            await wait_until(lambda: user_comm.queries.trace("#2")[0].outcome == "sent", "the answer is acknowledged")
            assert await discord.said() == ["All is well."]
    assert user_comm.queries.trace("#2")[0].attempts == 1


def commands_read(discord: FakeDiscord) -> list[str]:
    """The answered requests of the bot for the commands that Discord knows."""
    return [
        each.path
        for each in discord.rest.requests
        if each.method == "GET" and each.path.endswith("/commands") and each.status == 200
    ]


@pytest.mark.slow
async def test_the_commands_are_registered_only_when_they_have_changed(team: Team, join: Join) -> None:
    lead = join("lead")
    async with FakeDiscord() as discord:
        discord.faults.add("500 before", "PUT /applications/*/commands", times=1)
        for times in (1, 2):
            async with running_gateway(team, discord):
                await ready(discord, lead)
                await discord.until(lambda: len(commands_read(discord)) == times, "it has compared them")  # noqa: B023
        told = [each for each in await discord.requests("PUT", "/commands") if each.status == 200]
        assert len(told) == 1
        assert [command["name"] for command in await discord.commands()] == [each["name"] for each in SLASH_COMMANDS]


def test_differences_of_the_registered_commands_are_named() -> None:
    # Discord adds fields, and leaves out an option's "required" if it is false.
    known = [
        {
            "id": "1",
            "type": 1,
            "nsfw": False,
            **each,
            "options": [drop_false(option) for option in each.get("options", ())],
        }
        for each in sorted(SLASH_COMMANDS, key=lambda each: each["name"] != "ask")
    ]
    assert describe_differences(known) == []
    assert describe_differences([*known, {"type": 4, "name": "launch", "description": ""}]) == []
    assert describe_differences([*known, {**known[0], "name": "old"}]) == ["/old is not a command of the team"]
    assert describe_differences(known[1:]) == ["/ask is missing"]
    changed = "/ask is registered with another description or other options"
    assert describe_differences([{**known[0], "description": "x"}, *known[1:]]) == [changed]
    assert describe_differences([{**known[0], "options": []}, *known[1:]]) == [changed]


def drop_false(option: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in option.items() if value is not False}


@pytest.mark.slow
async def test_a_command_that_goes_wrong_in_the_gateway_says_so(team: Team, join: Join) -> None:
    user_comm = join("user_comm")
    async with FakeDiscord() as discord, running_gateway(team, discord):
        await ready(discord, user_comm)
        user_comm.execute("ALTER TABLE discord_people RENAME TO gone")
        used = await discord.command("/status", user=BOB)
        await discord.until(lambda: has_answer(discord.world.interactions[used]), "it is answered")
        assert await discord.answers(used) == [NOT_STORED]
