"""Progress, with the gateway's own process: one message that is edited."""

import asyncio
import itertools
from collections.abc import Callable

import pytest

from fake_discord import BOT, CHANNEL, FakeDiscord
from fake_discord.faults import FaultKind
from helpers.gateway_process import gateway_with_hub, next_delivery, running_gateway, wait_until_connected
from teamsup.hub import MessageHub, Team

Join = Callable[..., MessageHub]
SAYING = f"POST /channels/{CHANNEL}/messages"


@pytest.mark.slow
async def test_progress_is_edited_into_one_message_and_the_end_is_a_new_one(team: Team, join: Join) -> None:
    async with gateway_with_hub(team, join) as (discord, user_comm):
        asked = await discord.say("Build it")
        question = (await next_delivery(user_comm)).message
        for number in range(30):
            user_comm.answer(question, f"step {number}", message_type="status_report")
            await asyncio.sleep(0.1)
        user_comm.answer(question, "done")

        await discord.until_said(["step 29", "done"])
        progress, end = await discord.messages(author=BOT)
        assert [each.reference and each.reference.message for each in (progress, end)] == [asked, asked]
        edits = [each for each in await discord.requests("PATCH") if each.status == 200]
        assert 1 <= len(edits) <= 3
        assert all(later.at - sooner.at > 1.9 for sooner, later in itertools.pairwise(edits))


@pytest.mark.slow
async def test_progress_after_a_restart_is_edited_into_the_message_that_is_there(team: Team, join: Join) -> None:
    user_comm = join("user_comm")
    async with FakeDiscord() as discord:
        async with running_gateway(team, discord):
            await wait_until_connected(user_comm)
            await discord.say("Build it")
            question = (await next_delivery(user_comm)).message
            user_comm.answer(question, "step 1", message_type="status_report")
            await discord.until_said(["step 1"])
        async with running_gateway(team, discord):
            user_comm.answer(question, "step 2", message_type="status_report")
            await discord.until_said(["step 2"])


@pytest.mark.slow
@pytest.mark.parametrize("trouble", ["delay", "503 before"])
async def test_progress_never_holds_up_an_answer(team: Team, join: Join, trouble: FaultKind) -> None:
    async with gateway_with_hub(team, join) as (discord, user_comm):
        await discord.say("Build it")
        question = (await next_delivery(user_comm)).message
        user_comm.answer(question, "step 1", message_type="status_report")
        await discord.until_said(["step 1"])
        discord.faults.add(trouble, "PATCH /channels/*/messages/*", times=None, seconds=60)
        user_comm.answer(question, "step 2", message_type="status_report")
        await discord.until(
            lambda: user_comm.queries.find(reply_to=question.message_id, unread=True) == [], "it is read"
        )
        user_comm.answer(question, "done")
        await discord.until_said(["step 1", "done"])
