"""While Cloudflare bans this host's address, there is one try now and then."""

import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import discord
import pytest

from fake_discord import CHANNEL
from helpers.gateway_process import gateway_with_hub, send_to_gateway, wait_until
from teamsup.hub import MessageHub, Team
from teamsup.workers.gateway.connection.address_ban import AddressBan, BanError, is_address_ban


def refusal(status: int, text: str, code: int = 0) -> discord.HTTPException:
    response: Any = SimpleNamespace(status=status, reason="")
    return discord.HTTPException(response, {"message": text, "code": code} if code else text)


@pytest.mark.parametrize(
    ("error", "is_ban"),
    [
        (refusal(429, "<html>error 1015</html>"), True),
        (refusal(403, "error code: 1015"), True),
        (refusal(403, "error code: 1020"), True),
        (refusal(403, "<html>Access denied</html>"), False),
        (refusal(403, "Missing Access", 50001), False),
        (refusal(500, "error code: 1015"), False),
    ],
)
def test_a_ban_is_recognised(error: discord.HTTPException, *, is_ban: bool) -> None:
    assert is_address_ban(error) is is_ban


def test_each_refusal_doubles_the_pause_and_one_request_at_a_time_tries() -> None:
    now, banned = [0.0], refusal(429, "<html>")
    ban = AddressBan(lambda: now[0])
    pauses = []
    for _ in range(6):
        ban.check()
        with pytest.raises(BanError) as found:
            ban.record(banned)
        pauses.append(found.value.retry_after)
        with pytest.raises(BanError):
            ban.check()
        now[0] += found.value.retry_after
    assert pauses == [60, 120, 240, 480, 900, 900]

    ban.check()
    with pytest.raises(BanError) as refused:
        ban.check()
    assert refused.value.retry_after == 30
    ban.record(None)
    ban.check()
    assert ban.note == ""


def test_the_note_of_a_ban_stays_until_the_next_try_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("time.time", lambda: 1_700_000_000.4 + now[0])
    ban = AddressBan(lambda: now[0])
    with pytest.raises(BanError):
        ban.record(refusal(429, "<html>"))
    told = ban.note
    assert re.fullmatch(r"Cloudflare blocks this host's address; next try at .*\d\d:\d\d:20 UTC", told)
    for _ in range(29):
        now[0] += 2.04
        assert ban.note == told
        with pytest.raises(BanError, match=re.escape(told)):
            ban.check()


@pytest.mark.slow
async def test_during_a_ban_nothing_else_is_asked_for(team: Team, join: Callable[..., MessageHub]) -> None:
    async with gateway_with_hub(team, join) as (discord, user_comm):
        discord.faults.add("cloudflare ban", "*/channels/*", times=None)
        first = [send_to_gateway(user_comm, "now", channel=CHANNEL)]
        other = await discord.add_channel("other")

        def trouble() -> str:
            found = user_comm.find_agent("gateway")
            return "" if found is None else found.degraded

        await wait_until(lambda: "Cloudflare blocks this host's address" in trouble(), "it is told")
        before = len(await discord.requests("POST", "/messages"))
        first.append(send_to_gateway(user_comm, "elsewhere", channel=other))
        await wait_until(lambda: user_comm.queries.trace(first[1].message_id)[0].next_try_at, "it waits")
        assert len(await discord.requests("POST", "/messages")) == before == 1
        assert await discord.said() == []
