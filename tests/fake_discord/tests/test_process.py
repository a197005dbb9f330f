"""The same Discord as a process of its own, and faults that fall alike in every run."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fake_discord import TOKEN, FaultPlan
from fake_discord.control.remote import RemoteDiscord

TESTS = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(TESTS)}

ECHO = f"""
import discord
intents = discord.Intents.none()
intents.guilds = intents.guild_messages = intents.message_content = True
bot = discord.Client(intents=intents)
@bot.event
async def on_message(message):
    if not message.author.bot:
        await message.channel.send("echo " + message.content, nonce=str(message.id))
bot.run({TOKEN!r}, log_handler=None)
"""


@pytest.fixture
def url() -> Iterator[str]:
    """Yield the address of a Discord that runs as a process."""
    server = subprocess.Popen([sys.executable, "-m", "fake_discord"], stdout=subprocess.PIPE, env=ENVIRONMENT)
    assert server.stdout is not None
    try:
        yield json.loads(server.stdout.readline())["url"]
    finally:
        server.terminate()
        assert server.wait(10) == 0
        server.stdout.close()


@pytest.mark.slow
async def test_it_keeps_its_world_while_a_bot_is_killed_and_started_again(tmp_path: Path, url: str) -> None:
    (tmp_path / "echo_bot.py").write_text(ECHO)
    remote = RemoteDiscord(url)
    command = [sys.executable, "-m", "fake_discord.redirect", "echo_bot"]
    environment = {**ENVIRONMENT, "PYTHONPATH": f"{TESTS}:{tmp_path}", "FAKE_DISCORD": url}

    async def talk(text: str, heard: list[str]) -> None:
        bot = subprocess.Popen(command, env=environment)  # noqa: ASYNC220 - it is only started here
        try:
            await remote.call("connected")
            await remote.call("say", text)
            await remote.call("until_said", heard)
        finally:
            bot.send_signal(signal.SIGKILL)
            await asyncio.to_thread(bot.wait, 10)
        await remote.call("disconnected")

    await talk("one", ["echo one"])
    await talk("two", ["echo one", "echo two"])
    assert [message["content"] for message in await remote.call("messages")] == [
        "one",
        "echo one",
        "two",
        "echo two",
    ]
    assert [close["code"] for close in await remote.call("closes")] == [1006, 1006]
    assert len(await remote.call("logins")) == 2
    with pytest.raises(LookupError):
        await remote.call("delete", 1)
    with pytest.raises(LookupError, match="nobody can start"):
        await remote.call("start")


def struck(seed: int, channels: list[int]) -> list[tuple[int, int]]:
    """The message and the channel of each fault, in any order of channels."""
    faults, counts, struck_at = FaultPlan(seed), dict.fromkeys(channels, 0), []
    faults.add("reset", "POST /channels/*/messages", times=None, chance=0.3)
    for _ in range(50):
        for channel in channels:
            counts[channel] += 1
            if faults.pick(f"POST /channels/{channel}/messages"):
                struck_at.append((channel, counts[channel]))
    return sorted(struck_at)


def test_faults_depend_on_the_seed_and_not_on_what_other_channels_do() -> None:
    assert struck(1, [1, 2, 3]) == struck(1, [3, 1, 2])
    assert struck(1, [1, 2, 3]) != struck(2, [1, 2, 3])
    assert 20 < len(struck(1, [1, 2, 3])) < 70


def test_a_fault_strikes_where_and_as_often_as_was_planned() -> None:
    faults = FaultPlan()
    faults.add("429", "POST /channels/7/*", times=2, skip=1)

    assert faults.pick("GET /channels/7/messages") is None
    picked = [faults.pick("POST /channels/7/messages") is not None for _ in range(5)]
    assert picked == [False, True, True, False, False]
    assert faults.happened == {"429 at POST /channels/*/messages": 2}
