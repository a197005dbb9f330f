"""No more logins in a day than Discord forgives."""

import asyncio
import json
import re
import time
from collections.abc import Callable

import pytest

from fake_discord import FakeDiscord
from gateway_process import connected, gateway, status, until
from teamsup.hub import MessageHub, Team
from teamsup.workers.gateway.logins import MOST, Logins, TooManyLogins

Join = Callable[..., MessageHub]


def test_logins_are_counted_across_restarts(team: Team, join: Join) -> None:
    async def use() -> None:
        lead = join("lead")
        async with FakeDiscord() as discord:
            for _ in range(2):
                async with gateway(team, discord):
                    await connected(lead)
        (row,) = lead.rows("SELECT value FROM discord_facts WHERE name = 'logins'")
        assert len(json.loads(row["value"])) == 2

    asyncio.run(use())


def test_after_500_logins_in_a_day_it_waits_and_says_so(team: Team, join: Join) -> None:
    async def use() -> None:
        lead = join("lead")
        logins = json.dumps([time.time() - 3600] * MOST)
        lead.change("INSERT INTO discord_facts (name, value) VALUES ('logins', ?)", (logins,))
        async with FakeDiscord() as discord, gateway(team, discord):
            shown = r"no connection to Discord since .+, next try at .+: 500 logins in 24 hours"
            await until(lambda: re.fullmatch(shown, status(lead)), "the status says so")
            assert not await discord.logins()

    asyncio.run(use())


def test_the_501st_login_may_come_when_the_first_is_a_day_old(team: Team) -> None:
    now = 1_700_000_000.0
    with MessageHub(team, agent="gateway") as hub:
        logins = Logins(hub, lambda: now)
        first = now
        for _ in range(MOST):
            logins.count()
            now += 10
        with pytest.raises(TooManyLogins) as refused:
            logins.count()
        assert refused.value.at == first + 86_400
        now = refused.value.at
        logins.count()
