"""The gateway's own process, with unmodified discord.py, against a Discord on loopback."""

import asyncio
import contextlib
import os
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from fake_discord import ANN, CHANNEL, TOKEN, DiscordRules, FakeDiscord
from helpers.support import TIMEOUT_SECONDS, clean_environment, eventually, run_foreign_sql
from teamsup.hub import Delivery, Message, MessageHub, Team

ALLOW_ANN = f"[gateway]\nusers = [{ANN}]\n"


def start_gateway(team: Team, discord: FakeDiscord, token: str = TOKEN) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "fake_discord.redirect", "teamsup.workers.gateway.discord_gateway", "--team", team.name],
        env={
            **clean_environment(),
            "TEAMSUP_HOME": str(team.folder.parent),
            "TEAMSUP_HEARTBEAT_SECONDS": "1",
            "DISCORD_TOKEN": token,
            "FAKE_DISCORD": discord.url,
            "PYTHONPATH": str(Path(__file__).parents[1]),
        },
    )


@contextlib.asynccontextmanager
async def running_gateway(
    team: Team, discord: FakeDiscord, toml: str = ALLOW_ANN, token: str = TOKEN
) -> AsyncIterator[subprocess.Popen[bytes]]:
    """Runs until the context ends; it has then ended well, unless the test has ended it."""
    team.create()
    team.configuration.write_text(toml)
    process = start_gateway(team, discord, token)
    try:
        yield process
    finally:
        process.terminate()
        assert await asyncio.to_thread(process.wait, TIMEOUT_SECONDS) in (0, os.EX_CONFIG)


@contextlib.asynccontextmanager
async def locked_database(team: Team) -> AsyncIterator[None]:
    """Meanwhile the hub takes nothing."""
    db = sqlite3.connect(team.database, isolation_level=None)
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        db.execute("ROLLBACK")
        db.close()


def gateway_note(hub: MessageHub) -> str:
    """What the gateway tells people of its connection."""
    found = hub.find_agent("gateway")
    return "" if found is None else found.note


async def wait_until_connected(hub: MessageHub) -> None:
    await wait_until(lambda: gateway_note(hub).startswith("connected"), "the gateway is connected")


async def wait_until(condition: Callable[[], object], what: str) -> None:
    await asyncio.to_thread(eventually, condition, what)


async def next_delivery(hub: MessageHub) -> Delivery:
    """The next message for that agent."""
    assert await hub.wait_async(TIMEOUT_SECONDS)
    (delivery,) = await asyncio.to_thread(hub.claim)
    return delivery


def _claim(hub: MessageHub, count: int) -> list[Message]:
    found: list[Message] = []
    while len(found) < count and hub.wait(TIMEOUT_SECONDS):
        for delivery in hub.claim():
            hub.acknowledge(delivery)
            found.append(delivery.message)
    return found


async def read_messages(hub: MessageHub, count: int) -> list[Message]:
    """The next ones for that agent, which has then read them."""
    return await asyncio.to_thread(_claim, hub, count)


async def read_texts(hub: MessageHub, count: int) -> list[str]:
    return [message.content for message in await read_messages(hub, count)]


def stored_contents(team: Team) -> list[str]:
    """The content of all that the gateway has ever stored."""
    return [
        row[0] for row in run_foreign_sql(team, "SELECT content FROM messages WHERE sender = 'gateway' ORDER BY id")
    ]


async def kill_process(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    await asyncio.to_thread(process.wait, TIMEOUT_SECONDS)


async def run_and_kill(team: Team, discord: FakeDiscord, hub: MessageHub, toml: str = ALLOW_ANN) -> None:
    """The gateway has been here, has heard something, and is gone."""
    team.create()
    team.configuration.write_text(toml)
    process = start_gateway(team, discord)
    try:
        await wait_until_connected(hub)
        await discord.say("before")
        assert await read_texts(hub, 1) == ["before"]
    finally:
        await kill_process(process)


@contextlib.asynccontextmanager
async def gateway_with_hub(
    team: Team, join: Callable[..., MessageHub], rules: DiscordRules | None = None, toml: str = ALLOW_ANN
) -> AsyncIterator[tuple[FakeDiscord, MessageHub]]:
    """A connected gateway, and the hub as user_comm sees it."""
    user_comm = join("user_comm")
    async with FakeDiscord(rules=rules) as discord, running_gateway(team, discord, toml):
        await wait_until_connected(user_comm)
        yield discord, user_comm


def send_to_gateway(hub: MessageHub, text: str, channel: int = CHANNEL, **more: object) -> Message:
    """Have the gateway say it."""
    return hub.send("gateway", text, conversation_id=f"discord:{channel}", **more)  # type: ignore[arg-type]


def outcome_of(hub: MessageHub, message: Message) -> str | None:
    """How the gateway has acknowledged it; None: not yet."""
    return hub.queries.trace(message.message_id)[0].outcome


async def wait_for_outcome(hub: MessageHub, message: Message, how: str) -> None:
    await wait_until(lambda: outcome_of(hub, message) == how, f"it has ended: {how}")


async def wait_until_sent(hub: MessageHub, *messages: Message) -> None:
    await wait_until(
        lambda: all((outcome_of(hub, message) or "").startswith("sent") for message in messages), "it is sent"
    )
