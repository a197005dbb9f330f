"""SIGTERM: the gateway leaves Discord properly and in time, wherever it is, and keeps what it could not say."""

import asyncio
import signal
import subprocess
from collections.abc import Callable

import pytest

from fake_discord import CHANNEL, FakeDiscord
from helpers.gateway_process import gateway_note, locked_database, running_gateway, wait_until, wait_until_connected
from helpers.support import TIMEOUT_SECONDS
from teamsup.hub import MessageHub, Team

Join = Callable[..., MessageHub]
LONG = 10 * TIMEOUT_SECONDS
"""Seconds of a delay that nobody waits for."""


async def ended(process: subprocess.Popen[bytes]) -> int:
    """Its exit code. It must not wait for what is delayed, which takes much longer."""
    return await asyncio.to_thread(process.wait, TIMEOUT_SECONDS)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("phase", "logged_in"),
    [("GET /users/@me", False), ("event READY", True), ("GET /gateway/", False)],
)
async def test_sigterm_ends_it_in_time_before_it_is_connected(team: Team, phase: str, *, logged_in: bool) -> None:
    async with FakeDiscord() as discord:
        delayed = discord.faults.add("delay", phase, seconds=LONG)
        async with running_gateway(team, discord) as process:
            await discord.until(lambda: delayed.times == 0, "it is that far")
            process.terminate()
            assert await ended(process) == 0
        await discord.until(lambda: not logged_in or discord.gateway.closes, "the connection has ended")
        assert [close.code for close in await discord.closes()] == ([1000] if logged_in else [])


@pytest.mark.slow
async def test_sigterm_ends_it_in_time_while_it_waits_for_the_next_try(team: Team, join: Join) -> None:
    lead = join("lead")
    async with FakeDiscord() as discord, running_gateway(team, discord) as process:
        await wait_until_connected(lead)
        await discord.stop()
        await wait_until(lambda: "next try" in gateway_note(lead), "it waits")
        process.terminate()
        assert await ended(process) == 0


@pytest.mark.slow
async def test_sigterm_leaves_discord_properly_and_finishes_what_is_being_sent(team: Team, join: Join) -> None:
    lead = join("lead")
    async with FakeDiscord() as discord, running_gateway(team, discord) as process:
        await wait_until_connected(lead)
        slow = discord.faults.add("delay", "POST /channels/*/messages", seconds=0.5)
        lead.send("gateway", "on my way", conversation_id=f"discord:{CHANNEL}")
        await discord.until(lambda: slow.times == 0, "it is being sent")
        process.terminate()
        assert await ended(process) == 0
        assert await discord.said() == ["lead: on my way"]
        assert [close.code for close in await discord.closes()] == [1000]
        assert not await discord.is_online()
    assert lead.queries.trace("#1")[0].outcome == "sent"


@pytest.mark.slow
@pytest.mark.parametrize("phase", ["GET /resume/", "op RESUME"])
async def test_sigterm_leaves_properly_also_while_a_lost_connection_is_restored(
    team: Team, join: Join, phase: str
) -> None:
    lead = join("lead")
    async with FakeDiscord() as discord:
        async with running_gateway(team, discord) as process:
            await wait_until_connected(lead)
            slow = discord.faults.add("delay", phase, seconds=0.5)
            await discord.cut()
            await discord.until(lambda: slow.times == 0, "it is on its way back")
            process.terminate()
            assert await ended(process) == 0
        await discord.until(lambda: not discord.gateway.live_sessions(), "it is offline")


@pytest.mark.slow
@pytest.mark.parametrize("phase", ["connected", "resuming"])
async def test_sigterm_ends_it_in_time_on_a_dead_network(team: Team, join: Join, phase: str) -> None:
    lead = join("lead")
    async with FakeDiscord() as discord, running_gateway(team, discord) as process:
        await wait_until_connected(lead)
        dead = [
            discord.faults.add("delay", at, seconds=LONG)
            for at in ("GET /attachments/*", "POST /channels/*/messages", "GET /resume/")
        ]
        await discord.say("see file", files={"a.txt": b"a"})
        lead.send("gateway", "on my way", conversation_id=f"discord:{CHANNEL}")
        await discord.until(lambda: dead[0].times == dead[1].times == 0, "it stores and it sends")
        if phase == "resuming":
            await discord.cut()
            await discord.until(lambda: dead[2].times == 0, "it is on its way back")
        process.terminate()
        # Not in a thread: this Discord stands still meanwhile.
        assert process.wait(TIMEOUT_SECONDS) == 0
    assert lead.queries.trace("#1")[0].state == "ready"


@pytest.mark.slow
async def test_sigterm_leaves_discord_properly_while_the_hub_takes_nothing(team: Team, join: Join) -> None:
    user_comm = join("user_comm")
    async with FakeDiscord() as discord, running_gateway(team, discord) as process:
        await wait_until_connected(user_comm)
        slow = discord.faults.add("delay", "POST /channels/*/messages", seconds=LONG)
        user_comm.send("gateway", "on my way", conversation_id=f"discord:{CHANNEL}")
        await discord.until(lambda: slow.times == 0, "it is being sent")
        async with locked_database(team):
            await discord.say("Hello")
            process.terminate()
            await discord.until(lambda: discord.gateway.closes, "it has left")
            assert [close.code for close in await discord.closes()] == [1000]
            assert not await discord.is_online()


@pytest.mark.slow
async def test_a_message_that_cannot_be_sent_in_time_is_kept(team: Team, join: Join) -> None:
    lead = join("lead")
    async with FakeDiscord() as discord, running_gateway(team, discord) as process:
        await wait_until_connected(lead)
        slow = discord.faults.add("delay", "POST /channels/*/messages", seconds=LONG)
        lead.send("gateway", "on my way", conversation_id=f"discord:{CHANNEL}")
        await discord.until(lambda: slow.times == 0, "it is being sent")
        process.terminate()
        assert await ended(process) == 0
    assert lead.queries.trace("#1")[0].state == "ready"


async def test_sigterm_ends_it_at_once(team: Team, join: Join) -> None:
    lead = join("lead")
    async with FakeDiscord() as discord, running_gateway(team, discord) as process:
        await wait_until_connected(lead)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, TIMEOUT_SECONDS) == 0
    assert next(agent for agent in lead.agents() if agent.name == "gateway").status == "offline"
