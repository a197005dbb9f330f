"""No more logins in a day than Discord forgives."""

import json
import re
import time
from collections.abc import Callable

import pytest

from fake_discord import FakeDiscord
from helpers.gateway_process import gateway_note, running_gateway, wait_until, wait_until_connected
from teamsup.hub import MessageHub, Team
from teamsup.workers.gateway.connection.login_limit import MAX_LOGINS, LoginLimit, LoginLimitReached

Join = Callable[..., MessageHub]


@pytest.mark.slow
async def test_logins_are_counted_across_restarts(team: Team, join: Join) -> None:
    lead = join("lead")
    async with FakeDiscord() as discord:
        for _ in range(2):
            async with running_gateway(team, discord):
                await wait_until_connected(lead)
    (row,) = lead.query("SELECT value FROM discord_state WHERE name = 'logins'")
    assert len(json.loads(row["value"])) == 2


@pytest.mark.slow
async def test_after_500_logins_in_a_day_it_waits_and_says_so(team: Team, join: Join) -> None:
    lead = join("lead")
    logins = json.dumps([time.time() - 3600] * MAX_LOGINS)
    lead.execute("INSERT INTO discord_state (name, value) VALUES ('logins', ?)", (logins,))
    async with FakeDiscord() as discord, running_gateway(team, discord):
        shown = r"no connection to Discord since .+, next try at .+: 500 logins in 24 hours"
        await wait_until(lambda: re.fullmatch(shown, gateway_note(lead)), "the status says so")
        assert not await discord.logins()


@pytest.mark.slow
def test_the_501st_login_may_come_when_the_first_is_a_day_old(team: Team) -> None:
    now = 1_700_000_000.0
    with MessageHub(team, agent="gateway") as hub:
        logins = LoginLimit(hub, lambda: now)
        first = now
        for _ in range(MAX_LOGINS):
            logins.record_login()
            now += 10
        with pytest.raises(LoginLimitReached) as refused:
            logins.record_login()
        assert refused.value.retry_at == first + 86_400
        now = refused.value.retry_at
        logins.record_login()
