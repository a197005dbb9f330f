"""The gateway's own process, with unmodified discord.py, against a Discord on loopback."""

import asyncio
import contextlib
import os
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from fake_discord import ANN, CHANNEL, TOKEN, FakeDiscord, Rules
from support import as_foreign_program, environment_of_a_stranger, eventually
from teamsup.hub import Delivery, Message, MessageHub, Team

ALLOW_ANN = f"[gateway]\nusers = [{ANN}]\n"


def start(team: Team, discord: FakeDiscord, token: str = TOKEN) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "fake_discord.pointed", "teamsup.workers.gateway.discord_gateway", "--team", team.name],
        env={
            **environment_of_a_stranger(),
            "TEAMSUP_HOME": str(team.folder.parent),
            "TEAMSUP_HEARTBEAT_SECONDS": "1",
            "DISCORD_TOKEN": token,
            "FAKE_DISCORD": discord.url,
            "PYTHONPATH": str(Path(__file__).parent),
        },
    )


@contextlib.asynccontextmanager
async def gateway(
    team: Team, discord: FakeDiscord, toml: str = ALLOW_ANN, token: str = TOKEN
) -> AsyncIterator[subprocess.Popen[bytes]]:
    """Runs until the context ends; it has then ended well, unless the test has ended it."""
    team.create()
    team.configuration.write_text(toml)
    process = start(team, discord, token)
    try:
        yield process
    finally:
        process.terminate()
        assert await asyncio.to_thread(process.wait, 20) in (0, os.EX_CONFIG)


@contextlib.asynccontextmanager
async def locked(team: Team) -> AsyncIterator[None]:
    """Meanwhile the hub takes nothing."""
    db = sqlite3.connect(team.database, isolation_level=None)
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        db.execute("ROLLBACK")
        db.close()


def status(hub: MessageHub) -> str:
    """What the gateway tells people of its connection."""
    found = hub.agent_named("gateway")
    return "" if found is None else found.note


async def connected(hub: MessageHub) -> None:
    await until(lambda: status(hub).startswith("connected"), "the gateway is connected")


async def until(condition: Callable[[], object], what: str) -> None:
    await asyncio.to_thread(eventually, condition, what)


async def arrival(hub: MessageHub) -> Delivery:
    """The next message for that agent."""
    assert await hub.wait_async(20)
    (delivery,) = await asyncio.to_thread(hub.claim)
    return delivery


def _claim(hub: MessageHub, count: int) -> list[Message]:
    found: list[Message] = []
    while len(found) < count and hub.wait(20):
        for delivery in hub.claim():
            hub.acknowledge(delivery)
            found.append(delivery.message)
    return found


async def read(hub: MessageHub, count: int) -> list[Message]:
    """The next ones for that agent, which has then read them."""
    return await asyncio.to_thread(_claim, hub, count)


async def texts(hub: MessageHub, count: int) -> list[str]:
    return [message.content for message in await read(hub, count)]


def stored(team: Team) -> list[str]:
    """The content of all that the gateway has ever stored."""
    return [
        row[0] for row in as_foreign_program(team, "SELECT content FROM messages WHERE sender = 'gateway' ORDER BY id")
    ]


async def kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    await asyncio.to_thread(process.wait, 20)


async def run_and_kill(team: Team, discord: FakeDiscord, hub: MessageHub, toml: str = ALLOW_ANN) -> None:
    """The gateway has been here, has heard something, and is gone."""
    team.create()
    team.configuration.write_text(toml)
    process = start(team, discord)
    try:
        await connected(hub)
        await discord.say("before")
        assert await texts(hub, 1) == ["before"]
    finally:
        await kill(process)


@contextlib.asynccontextmanager
async def running(
    team: Team, join: Callable[..., MessageHub], rules: Rules | None = None, toml: str = ALLOW_ANN
) -> AsyncIterator[tuple[FakeDiscord, MessageHub]]:
    """A connected gateway, and the hub as user_comm sees it."""
    user_comm = join("user_comm")
    async with FakeDiscord(rules=rules) as discord, gateway(team, discord, toml):
        await connected(user_comm)
        yield discord, user_comm


def say(hub: MessageHub, text: str, channel: int = CHANNEL, **more: object) -> Message:
    """Have the gateway say it."""
    return hub.send("gateway", text, conversation_id=f"discord:{channel}", **more)  # type: ignore[arg-type]


def outcome(hub: MessageHub, message: Message) -> str | None:
    """How the gateway has acknowledged it; None: not yet."""
    return hub.trace(message.message_id)[0].outcome


async def ended(hub: MessageHub, message: Message, how: str) -> None:
    await until(lambda: outcome(hub, message) == how, f"it has ended: {how}")


async def sent(hub: MessageHub, *messages: Message) -> None:
    await until(lambda: all(outcome(hub, message) == "sent" for message in messages), "it is sent")
