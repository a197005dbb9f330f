"""Open decisions outlive a whole team: its supervisor is killed and started again."""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

import fake_discord
from fake_discord import ANN, CHANNEL, TOKEN, FakeDiscord
from helpers.gateway_process import ALLOW_ANN, next_delivery
from helpers.support import TeamsupCommand
from teamsup.hub import Message, MessageHub

from .test_buttons import ask, closed, press, shown

_FOLDER = Path(fake_discord.__file__).parent


@pytest.fixture
def with_discord(
    teamsup: TeamsupCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[FakeDiscord], None]:
    """Writes the team's teamsup.toml, and has its gateway take this for Discord."""
    token = tmp_path / "token"
    token.touch(0o600)
    token.write_text(TOKEN)
    teamsup.team.create()
    # A host that is busy with tests is not reported.
    quiet = "[monitor-bridge]\ncpu_percent = 100\nmemory_percent = 100\ndisk_percent = 100\n"
    gateway = f'{ALLOW_ANN}token_file = "{token}"\nhome_channel = {CHANNEL}\n'
    teamsup.team.configuration.write_text(quiet + gateway)

    def point(discord: FakeDiscord) -> None:
        monkeypatch.setenv("FAKE_DISCORD", discord.url)
        monkeypatch.setenv("PYTHONPATH", f"{_FOLDER.parent}{os.pathsep}{_FOLDER / 'startup'}")

    return point


@pytest.mark.slow
async def test_a_decision_survives_the_supervisor(
    teamsup: TeamsupCommand, with_discord: Callable[[FakeDiscord], None]
) -> None:
    async def run(*words: str) -> str:
        ran = await asyncio.to_thread(teamsup.run, *words)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    with MessageHub(teamsup.team, agent="lead") as lead:
        lead.register()
        lead.enroll("user_comm", "daemon")
        async with FakeDiscord() as discord:
            with_discord(discord)
            try:
                await run("start", "--detach")
                asked = ask(lead)
                message = await shown(discord)
                os.kill((await asyncio.to_thread(teamsup.ps))["supervisor"]["pid"], signal.SIGKILL)
                await run("start", "--detach")
                await discord.connected()
                await press(discord, message, "restart", ANN)
                await decided(lead, asked, "restart")
                assert "**Ann** chose **restart**" in await closed(discord, message)

                asked = ask(lead)
                message = await shown(discord, f"(#{asked.id})")
                await run("stop")
                await run("start", "--detach")
                assert f"#{asked.id} lead" in await run("decisions")
                await run("decisions", "answer", str(asked.id), "wait")
                await decided(lead, asked, "wait")
                assert "chose **wait**" in await closed(discord, message)
            finally:
                await asyncio.to_thread(teamsup.run, "stop")


async def decided(lead: MessageHub, asked: Message, answer: str) -> None:
    delivery = await next_delivery(lead)
    assert (delivery.message.content, delivery.message.reply_to) == (answer, asked.message_id)
    lead.acknowledge(delivery)
