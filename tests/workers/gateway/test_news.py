"""What an agent tells people, on its way through user_comm to Discord and back."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from fake_discord import ANN, CHANNEL, FakeDiscord
from gateway_process import ALLOW_ANN, connected, gateway
from support import environment_of_a_stranger, eventually
from teamsup.hub import MessageHub, Team

Join = Callable[..., MessageHub]
HOME = f"{ALLOW_ANN}home_channel = {CHANNEL}\n"


@pytest.fixture
def user_comm(team: Team) -> Iterator[None]:
    team.create()
    team.configuration.write_text(HOME)
    command = [sys.executable, "-m", "teamsup.workers.user_comm.user_comm_daemon", "--team", team.name]
    process = subprocess.Popen(command, env={**environment_of_a_stranger(), "TEAMSUP_HOME": str(team.folder.parent)})
    with MessageHub(team) as hub:
        eventually(lambda: hub.agent_named("user_comm"), "user_comm is there")
        yield
    process.terminate()
    assert process.wait(20) in (0, os.EX_CONFIG)


@pytest.mark.usefixtures("user_comm")
def test_a_decision_is_asked_in_the_home_channel_and_the_press_of_a_button_goes_to_who_asked(
    team: Team, join: Join
) -> None:
    async def use() -> None:
        lead = join("lead")
        async with FakeDiscord() as discord, gateway(team, discord, HOME):
            await connected(lead)
            lead.send("user_comm", "Roll back?", metadata={"options": ["roll back", "leave it"]})
            await discord.until_said(["lead: Roll back?\n@lead roll back\n@lead leave it"], CHANNEL)
            asked = (await discord.messages(CHANNEL))[-1]
            await discord.press(asked.id, "teamsup:2:0", user=ANN)
            assert await lead.wait_async(20)
            assert lead.claim()[0].message.content == "roll back"

    asyncio.run(use())
