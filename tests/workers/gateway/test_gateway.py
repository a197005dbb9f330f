"""The gateway's process against a Discord on loopback: the conversation, access, refusals and the end."""

import ast
import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from fake_discord import ANN, BOB, CHANNEL, FakeDiscord
from helpers.gateway_process import next_delivery, running_gateway, wait_until, wait_until_connected
from helpers.source_tree import nodes_of
from helpers.support import TIMEOUT_SECONDS, clean_environment
from teamsup.hub import MessageHub, Team
from teamsup.workers import gateway

Join = Callable[..., MessageHub]


async def test_an_admitted_person_is_answered_in_the_channel(team: Team, join: Join) -> None:
    user_comm = join("user_comm")
    async with FakeDiscord() as discord, running_gateway(team, discord):
        await wait_until_connected(user_comm)
        asked = await discord.say("Hello")
        delivery = await next_delivery(user_comm)
        assert (delivery.message.message_id, delivery.message.content) == (f"discord:{asked}", "Hello")
        assert delivery.message.metadata == {"author_name": "Ann", "user": ANN}

        user_comm.reply(delivery, "Hi @everyone")

        await discord.until_said(["Hi @everyone"])
        said = (await discord.messages())[-1]
        assert said.reference is not None
        assert said.reference.message == asked
        assert not said.pings
        await wait_until(lambda: user_comm.queries.trace("#2")[0].outcome == "sent", "the answer is acknowledged")


async def test_all_others_are_ignored(team: Team, join: Join) -> None:
    user_comm = join("user_comm")
    async with FakeDiscord() as discord, running_gateway(team, discord):
        await wait_until_connected(user_comm)
        await discord.say("let me in", author=BOB)
        allowed = await discord.say("Hello")

        assert (await next_delivery(user_comm)).message.message_id == f"discord:{allowed}"


async def test_a_long_answer_comes_in_order_in_chunks_that_discord_takes(team: Team, join: Join) -> None:
    user_comm = join("user_comm")
    async with FakeDiscord() as discord, running_gateway(team, discord):
        text = "\n".join(f"line {number} 👋" for number in range(500))
        user_comm.enroll("gateway", "daemon")
        user_comm.send("gateway", text, conversation_id=f"discord:{CHANNEL}")

        await wait_until(lambda: user_comm.queries.trace("#1")[0].state == "done", "all pieces are sent")
        assert "\n".join(await discord.said()).split() == text.split()


def test_a_gateway_without_a_token_does_not_load_discord_py(team: Team) -> None:
    program = (
        "import sys, runpy\n"
        "try:\n"
        "    runpy.run_module('teamsup.workers.gateway.discord_gateway', run_name='__main__')\n"
        "finally:\n"
        "    print([name for name in sys.modules if name in ('discord', 'aiohttp')])\n"
    )
    team.create()
    environment = clean_environment() | {"TEAMSUP_HOME": str(team.folder.parent), "TEAMSUP_TEAM": team.name}
    ended = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout) == (os.EX_CONFIG, "[]\n")


def test_only_the_loop_of_the_gateway_ends_a_delivery_or_answers_it() -> None:
    ends = {"acknowledge", "release", "reply", "answer"}
    callers = {
        path.name
        for path in Path(gateway.__path__[0]).rglob("*.py")
        for node in nodes_of(path)
        if isinstance(node, ast.Attribute) and node.attr in ends and ast.unparse(node.value).endswith("hub")
    }
    assert callers == {"app.py"}


async def test_a_refused_token_ends_the_gateway_as_not_configured(team: Team, join: Join) -> None:
    lead = join("lead")
    secret = "a-client-secret"  # noqa: S105
    async with FakeDiscord() as discord, running_gateway(team, discord, token=secret) as process:
        assert await asyncio.to_thread(process.wait, TIMEOUT_SECONDS) == os.EX_CONFIG
    state = next(agent for agent in lead.agents() if agent.name == "gateway")
    assert state.status == "not configured"
    assert "Discord refused the token" in state.note
    assert secret not in state.note
