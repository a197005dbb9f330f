"""What an agent tells people who have not asked, on its way to Discord and back."""

from collections.abc import Callable

import pytest

from fake_discord import BOT, CHANNEL, REAL_LIMITS, DiscordRules
from fake_discord.faults import FaultKind
from helpers.gateway_process import ALLOW_ANN, gateway_with_hub, send_to_gateway, wait_for_outcome, wait_until_sent
from teamsup.hub import MessageHub, Team

SAYING = f"POST /channels/{CHANNEL}/messages"

Join = Callable[..., MessageHub]
HOME = f"{ALLOW_ANN}home_channel = {CHANNEL}\n"


async def test_announcements_for_people_go_to_the_home_channel(team: Team, join: Join) -> None:
    async with gateway_with_hub(team, join, toml=ALLOW_ANN + f"home_channel = {CHANNEL}\n") as (discord, user_comm):
        news = user_comm.send("gateway", "lead has died", message_type="notification")
        await wait_until_sent(user_comm, news)
        alert = {"title": "Disk", "severity": "critical"}
        alerting = user_comm.send("gateway", "/ is full", message_type="notification", metadata={"alert": alert})
        await wait_until_sent(user_comm, alerting)
        said, embedded = await discord.messages(author=BOT)
        assert said.content == "lead has died"
        assert [(each["title"], each["description"]) for each in embedded.embeds] == [("Disk", "/ is full")]


@pytest.mark.slow
@pytest.mark.parametrize("trouble", ["503 before", "429", "lost reply"])
async def test_announcements_keep_their_order_in_trouble(team: Team, join: Join, trouble: FaultKind) -> None:
    async with gateway_with_hub(team, join, toml=ALLOW_ANN + f"home_channel = {CHANNEL}\n") as (discord, user_comm):
        discord.faults.add(trouble, SAYING, skip=1, times=2)
        news = [f"news {number}" for number in range(8)]
        for text in news:
            user_comm.send("gateway", text, message_type="notification")
        await discord.until_said(news)


@pytest.mark.slow
async def test_a_storm_of_announcements_holds_up_no_answer(team: Team, join: Join) -> None:
    home = ALLOW_ANN + f"home_channel = {CHANNEL}\n"
    async with gateway_with_hub(team, join, DiscordRules(limits=REAL_LIMITS), home) as (discord, user_comm):
        other = await discord.add_channel("other")
        news = [f"news {number}" for number in range(120)]
        for text in news:
            user_comm.send("gateway", text, message_type="notification")
        await discord.until(lambda: discord.world.channels[CHANNEL].messages, "the first are said")
        await wait_until_sent(user_comm, send_to_gateway(user_comm, "answer", other))
        said = await discord.said()
        assert said == news[: len(said)]
        assert len(said) < len(news), "the answer did not wait for the last of them"


@pytest.mark.slow
async def test_announcements_without_a_home_channel_are_not_for_discord(team: Team, join: Join) -> None:
    async with gateway_with_hub(team, join) as (_, user_comm):
        news = user_comm.send("gateway", "lead has died", message_type="notification")
        await wait_for_outcome(user_comm, news, "not for Discord")
