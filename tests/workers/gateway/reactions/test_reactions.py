"""Where a question stands, as the gateway's process shows it by reactions and typing."""

import asyncio
from collections.abc import Callable

import pytest

from fake_discord import CHANNEL, REAL_LIMITS, DiscordRules, FakeDiscord, Permission
from helpers.gateway_process import (
    ALLOW_ANN,
    next_delivery,
    running_gateway,
    start_gateway,
    wait_until,
    wait_until_connected,
)
from helpers.support import TIMEOUT_SECONDS
from teamsup.hub import Delivery, Message, MessageHub, Team

Join = Callable[..., MessageHub]


def pass_on(user_comm: MessageHub, question: Delivery, agent: str) -> Message:
    """As user_comm does."""
    with user_comm.transaction():
        relay = user_comm.send(
            agent,
            question.message.content,
            metadata={"question": question.message.message_id},
            conversation_id=question.message.conversation_id,
        )
        user_comm.acknowledge(question, outcome="passed on")
    return relay


async def shows(discord: FakeDiscord, message: int, *emojis: str) -> None:
    def here() -> list[str]:
        return list(discord.world.messages[message].reactions)

    await discord.until(lambda: here() == list(emojis), f"message {message} has {emojis}")


async def test_a_question_goes_through_all_stages_to_its_answer(team: Team, join: Join) -> None:
    user_comm, lead = join("user_comm"), join("lead")
    async with FakeDiscord(rules=DiscordRules(limits=dict(REAL_LIMITS))) as discord, running_gateway(team, discord):
        await wait_until_connected(user_comm)
        asked = await discord.say("How are you?")
        await shows(discord, asked, "👀")
        assert await discord.typing() == []

        relay = pass_on(user_comm, await next_delivery(user_comm), "lead")
        delivery = await next_delivery(lead)
        assert delivery.message.message_id == relay.message_id
        await shows(discord, asked, "⚙")
        await discord.until(lambda: discord.world.typing, "the bot is typing")

        lead.acknowledge(delivery)
        question = user_comm.queries.message(f"discord:{asked}")
        user_comm.answer(question, "Fine")
        await shows(discord, asked, "✅")
        assert await discord.said() == ["Fine"]
        await wait_until(lambda: not user_comm.query("SELECT * FROM discord_questions"), "it is not an open question")


@pytest.mark.slow
async def test_typing_is_renewed_while_an_agent_works(team: Team, join: Join) -> None:
    user_comm, lead = join("user_comm"), join("lead")
    async with FakeDiscord() as discord, running_gateway(team, discord):
        await wait_until_connected(user_comm)
        asked = await discord.say("How are you?")
        pass_on(user_comm, await next_delivery(user_comm), "lead")
        delivery = await next_delivery(lead)
        await discord.until(lambda: len(discord.world.typing) == 2, "typing is renewed")
        assert await discord.is_typing()
        lead.acknowledge(delivery)
        await shows(discord, asked, "⚙")


async def test_a_question_that_fails_is_shown_as_failed(team: Team, join: Join) -> None:
    user_comm = join("user_comm")
    async with FakeDiscord() as discord, running_gateway(team, discord):
        await wait_until_connected(user_comm)
        asked = await discord.say("Do it")
        user_comm.reply(await next_delivery(user_comm), "I cannot", message_type="error")
        await shows(discord, asked, "❌")


@pytest.mark.slow
async def test_the_next_gateway_repairs_the_state_of_a_killed_one(team: Team, join: Join) -> None:
    user_comm, lead = join("user_comm"), join("lead")
    team.create()
    team.configuration.write_text(ALLOW_ANN)
    async with FakeDiscord() as discord:
        process = start_gateway(team, discord)
        await wait_until_connected(user_comm)
        asked, other = await discord.say("How are you?"), await discord.say("And you?")
        await shows(discord, asked, "👀")
        await shows(discord, other, "👀")
        discord.faults.add("delay", f"DELETE /channels/{CHANNEL}/messages/*/reactions/*", times=None, seconds=60)
        pass_on(user_comm, await next_delivery(user_comm), "lead")
        await next_delivery(lead)
        await shows(discord, asked, "👀", "⚙")
        process.kill()
        await asyncio.to_thread(process.wait, TIMEOUT_SECONDS)
        discord.faults.clear()
        user_comm.reply(await next_delivery(user_comm), "Me too")
        user_comm.answer(user_comm.queries.message(f"discord:{asked}"), "Fine")

        async with running_gateway(team, discord):
            await shows(discord, asked, "✅")
            await shows(discord, other, "✅")
            assert sorted(await discord.said()) == ["Fine", "Me too"]


async def test_a_channel_without_the_right_to_react_is_answered_anyway(team: Team, join: Join) -> None:
    user_comm = join("user_comm")
    async with FakeDiscord() as discord, running_gateway(team, discord):
        await wait_until_connected(user_comm)
        await discord.forbid(CHANNEL, Permission.ADD_REACTIONS)
        asked = await discord.say("Hello")
        user_comm.reply(await next_delivery(user_comm), "Hi")
        await discord.until_said(["Hi"])
        assert await discord.reactions(asked) == []


@pytest.mark.slow
async def test_reactions_that_have_to_wait_hold_up_no_answer(team: Team, join: Join) -> None:
    user_comm = join("user_comm")
    async with FakeDiscord() as discord, running_gateway(team, discord):
        await wait_until_connected(user_comm)
        discord.faults.add("429", "PUT *", times=None, seconds=60)
        for number in range(20):
            await discord.say(f"{number}")
            user_comm.reply(await next_delivery(user_comm), f"answer {number}")
        await discord.until_said([f"answer {number}" for number in range(20)])


@pytest.mark.slow
async def test_a_question_that_was_withdrawn_shows_so(team: Team, join: Join) -> None:
    user_comm = join("user_comm")
    user_comm.enroll("lead")
    async with FakeDiscord() as discord, running_gateway(team, discord):
        await wait_until_connected(user_comm)
        asked = await discord.say("How are you?")
        relay = pass_on(user_comm, await next_delivery(user_comm), "lead")
        await shows(discord, asked, "👀")
        user_comm.cancel(relay.message_id)
        await shows(discord, asked, "🚫")
