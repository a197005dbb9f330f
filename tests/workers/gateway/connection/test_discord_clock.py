"""Discord's time counts, however wrong this host's clock is."""

from collections.abc import Callable
from email.utils import formatdate
from types import SimpleNamespace
from typing import Any

import pytest
from yarl import URL

from fake_discord import FakeDiscord
from helpers.gateway_process import (
    gateway_note,
    read_messages,
    run_and_kill,
    running_gateway,
    wait_until,
    wait_until_connected,
)
from teamsup.hub import MessageHub, Team
from teamsup.workers.gateway.connection.discord_clock import DiscordClock

DAY = 86_400.0


class Clocks:
    """The steady seconds since the start of the host, and its clock."""

    steady, host = 1000.0, 50_000.0

    def pass_by(self, seconds: float) -> None:
        self.steady += seconds
        self.host += seconds


@pytest.mark.parametrize("skew", [-3 * DAY, -90.0, 90.0, 3 * DAY])
def test_the_hosts_clock_may_be_wrong_and_may_be_set(skew: float) -> None:
    clocks = Clocks()
    clock = DiscordClock(lambda: clocks.steady, lambda: clocks.host)
    assert clock.now() == 50_000.0
    clocks.pass_by(10)
    clock.learn(50_010.0 - skew)
    clocks.pass_by(5)
    assert clock.now() == 50_015.0 - skew
    assert clock.started_at() == 50_000.0 - skew
    assert clock.describe_skew().endswith("ahead of Discord's" if skew > 0 else "behind Discord's")

    clocks.host -= skew
    assert clock.now() == 50_015.0 - skew
    assert clock.describe_skew() == ""


def test_a_second_more_or_less_changes_nothing() -> None:
    clocks = Clocks()
    clock = DiscordClock(lambda: clocks.steady, lambda: clocks.host)
    clock.learn(50_001.5)
    assert clock.now() == 50_000.0
    clock.learn(10_000.0)
    clock.learn(10_001.5)
    assert clock.now() == 10_000.0


async def test_only_the_dates_of_the_api_count() -> None:
    clocks = Clocks()
    clock = DiscordClock(lambda: clocks.steady, lambda: clocks.host)
    (on_answer,) = clock.trace().on_request_end

    async def answer(url: str, seconds: float) -> None:
        response = SimpleNamespace(status=200, headers={"Date": formatdate(seconds, usegmt=True)})
        told: Any = SimpleNamespace(url=URL(url), response=response)
        await on_answer(Any, SimpleNamespace(), told)  # type: ignore[arg-type]

    await answer("https://discord.com/api/v10/users/@me", 10_000)
    await answer("wss://gateway.discord.gg/?v=10", clocks.host)
    await answer("https://cdn.discordapp.com/attachments/1/2/x.png", 20_000)
    assert clock.now() == 10_000.5


def test_a_skew_is_told_as_exactly_as_it_is_known() -> None:
    clocks = Clocks()
    clock = DiscordClock(lambda: clocks.steady, lambda: clocks.host)
    for error in (-1.5, 0, 1.5):
        clock.learn(clocks.host + 3 * DAY + error)
        assert clock.describe_skew() == "this host's clock is 3d 0h behind Discord's"


@pytest.mark.slow
@pytest.mark.parametrize("ago", [-3 * DAY, 3 * DAY])
async def test_a_wrong_clock_passes_over_nothing_and_marks_nothing_late(
    team: Team, join: Callable[..., MessageHub], ago: float
) -> None:
    user_comm = join("user_comm")
    async with FakeDiscord(ago=ago) as discord:
        await run_and_kill(team, discord, user_comm)
        await discord.say("missed")
        async with running_gateway(team, discord):
            await wait_until_connected(user_comm)
            await discord.say("at once")
            found = await read_messages(user_comm, 2)
            how = "ahead of" if ago > 0 else "behind"
            await wait_until(
                lambda: gateway_note(user_comm).endswith(f"; this host's clock is 3d 0h {how} Discord's"), "it is told"
            )
    assert [message.content for message in found] == ["missed", "at once"]
