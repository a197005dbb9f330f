"""Discord's time counts, however wrong this host's clock is."""

from collections.abc import Callable

import pytest

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
