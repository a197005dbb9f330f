"""The conversation of the README on Discord, with a whole team as a person starts it."""

import asyncio
import os
import re
from pathlib import Path

import pytest

import fake_discord
from fake_discord import TOKEN, FakeDiscord
from helpers.gateway_process import ALLOW_ANN, wait_until
from helpers.support import TeamsupCommand

_FOLDER = Path(fake_discord.__file__).parent


async def test_the_conversation_of_the_readme(
    teamsup: TeamsupCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = tmp_path / "token"
    token.touch(0o600)
    token.write_text(TOKEN)
    teamsup.team.folder.mkdir(parents=True)
    # A host that is busy with tests is not reported.
    quiet = "[monitor-bridge]\ncpu_percent = 100\nmemory_percent = 100\ndisk_percent = 100\n"
    teamsup.team.configuration.write_text(f'{quiet}{ALLOW_ANN}token_file = "{token}"\n')

    async with FakeDiscord() as discord:
        monkeypatch.setenv("FAKE_DISCORD", discord.url)
        monkeypatch.setenv("PYTHONPATH", f"{_FOLDER.parent}{os.pathsep}{_FOLDER / 'startup'}")
        started = await asyncio.to_thread(teamsup.run, "start", "--detach")
        try:
            assert started.returncode == 0, started.stderr
            await talk(teamsup, discord)
            assert TOKEN not in await asyncio.to_thread(everything_shown, teamsup)
        finally:
            ended = await asyncio.to_thread(teamsup.run, "stop")
        assert ended.stdout == "Team 'default' has ended.\n"
        assert [close.code for close in await discord.closes()] == [1000]


async def talk(teamsup: TeamsupCommand, discord: FakeDiscord) -> None:
    await discord.connected()
    await discord.say("Hello")
    await discord.until_said(["Hi there! 👋"])
    await wait_until(lambda: "CPU" in (teamsup.ps()["monitor-bridge"]["note"] or ""), "the first look at the host")
    asked = await discord.say("@monitor-bridge how is the load?")
    await discord.until(lambda: discord.world.messages[asked].reactions.keys() == {"✅"}, "it is answered")
    load = (await discord.said())[-1]
    assert re.fullmatch(r"monitor-bridge: CPU \d+ %, memory \d+ %, disk \d+ %", load)
    shown = re.compile(r"connected for .+, latency \d+ ms, last event .+")
    await wait_until(lambda: shown.fullmatch(teamsup.ps()["gateway"]["note"]), "the gateway says it is connected")
    assert teamsup.ps()["gateway"]["state"] == "RUNNING"


def everything_shown(teamsup: TeamsupCommand) -> str:
    shown = [teamsup.run("ps"), teamsup.run("ps", "gateway"), teamsup.run("logs"), teamsup.run("hub", "stats")]
    return "".join(each.stdout + each.stderr for each in shown)
