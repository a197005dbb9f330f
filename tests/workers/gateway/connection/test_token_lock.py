"""Two gateways with one token: on a host the second stays out, on two hosts each notices the other."""

import os
import subprocess
import sys
from collections.abc import Callable

import pytest
from discord.http import Route

from fake_discord import CHANNEL, TOKEN, FakeDiscord
from fake_discord.bots import Bot, running
from helpers.gateway_process import (
    gateway_note,
    gateway_with_hub,
    read_texts,
    running_gateway,
    wait_until,
    wait_until_connected,
)
from teamsup.hub import MessageHub, Team
from teamsup.workers.gateway.connection.token_lock import TokenInUse, TokenLock

Join = Callable[..., MessageHub]
HOLD = """
import sys
from discord.http import Route
from teamsup.workers.gateway.connection.token_lock import TokenLock
Route.BASE = sys.argv[2]
lock = TokenLock()
lock.acquire(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


def test_a_token_belongs_to_one_process_until_that_ends() -> None:
    lock, token = TokenLock(), f"a.token.of{os.getpid()}"
    # An earlier test of this process may have moved Discord, to which the lock belongs.
    command, held = [sys.executable, "-c", HOLD, token, Route.BASE], subprocess.PIPE
    with subprocess.Popen(command, stdin=held, stdout=held, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(TokenInUse, match=f"another gateway on this host uses .* token(: process {holder.pid})?$"):
            lock.acquire(token)
        lock.acquire(token + "2")
        # The holder accepts no connection, and its queue of them ends. Nobody waits for that.
        for _ in range(200):
            with pytest.raises(TokenInUse, match="another gateway on this host uses"):
                TokenLock().acquire(token)
    lock.acquire(token)
    lock.acquire(token)
    lock.release()


@pytest.mark.slow
async def test_the_second_gateway_of_a_host_stays_out_until_the_first_ends(
    team: Team, join: Join, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = Team("other", tmp_path_factory.mktemp("teams") / "other")
    with MessageHub(other, agent="user_comm") as elsewhere:
        elsewhere.register()
        user_comm = join("user_comm")
        async with FakeDiscord() as discord, running_gateway(team, discord):
            await wait_until_connected(user_comm)
            async with running_gateway(other, discord):
                await wait_until(
                    lambda: "another gateway on this host uses the bot's token" in gateway_note(elsewhere), "it says so"
                )
                await discord.say("Hello")
                assert await read_texts(user_comm, 1) == ["Hello"]
                assert len(await discord.logins()) == 1


@pytest.mark.slow
async def test_a_gateway_notices_another_program_with_its_token(team: Team, join: Join) -> None:
    async with gateway_with_hub(team, join) as (discord, user_comm), running(Bot(discord)) as bot:
        await bot.place(CHANNEL).send("I am the bot of another host.")

        def trouble() -> str:
            found = user_comm.find_agent("gateway")
            return "" if found is None else found.degraded

        await wait_until(
            lambda: trouble().startswith("Another program uses the bot's token, here or on another host"), "it is told"
        )
        assert TOKEN not in trouble()
