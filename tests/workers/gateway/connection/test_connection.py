"""The gateway's connection: kept up through everything, given up where only a person helps, and told truthfully."""

import asyncio
import logging
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fake_discord import TOKEN, DiscordRules, FakeDiscord
from fake_discord.redirect import redirect_to
from helpers.gateway_process import (
    ALLOW_ANN,
    gateway_note,
    next_delivery,
    running_gateway,
    wait_until,
    wait_until_connected,
)
from helpers.support import TIMEOUT_SECONDS
from teamsup.config.loader import Config
from teamsup.hub import MessageHub, NotConfigured, Team
from teamsup.workers.gateway.app import DiscordGateway
from teamsup.workers.gateway.connection.address_ban import ADDRESS_BLOCKED, AddressBan
from teamsup.workers.gateway.connection.client import DiscordClient
from teamsup.workers.gateway.connection.connection import DiscordConnection
from teamsup.workers.gateway.connection.token import BotToken

Join = Callable[..., MessageHub]


@pytest.mark.slow
async def test_the_status_shows_how_long_how_fast_and_when_last(team: Team, join: Join) -> None:
    lead = join("lead")
    async with FakeDiscord() as discord, running_gateway(team, discord):
        shown = r"connected for \d+s, latency \d+ ms, last event (just now|\d+0s ago)"
        await wait_until(lambda: re.fullmatch(shown, gateway_note(lead)), "the status says it")


@pytest.mark.slow
async def test_a_cut_connection_is_resumed_and_nothing_is_missed(team: Team, join: Join) -> None:
    user_comm = join("user_comm")
    async with FakeDiscord() as discord, running_gateway(team, discord):
        await wait_until_connected(user_comm)
        await discord.cut()
        said = await discord.say("Hello")

        assert (await next_delivery(user_comm)).message.message_id == f"discord:{said}"
        assert (await discord.resumptions())[-1].replayed is not None
        assert len(await discord.logins()) == 1


@pytest.mark.slow
@pytest.mark.parametrize("code", [4007, 4009])
async def test_a_session_that_is_refused_repeatedly_is_replaced(team: Team, join: Join, code: int) -> None:
    lead = join("lead")
    async with FakeDiscord() as discord, running_gateway(team, discord):
        await wait_until_connected(lead)
        refused = discord.faults.add("close", "op RESUME", times=None, code=code)
        await discord.cut()

        await discord.until(lambda: len(discord.gateway.logins) == 2, "it logs in again")
        await wait_until(lambda: gateway_note(lead).startswith("connected"), "it is connected")
        assert sum(refused.seen.values()) <= 3


@pytest.mark.slow
async def test_another_login_waits_until_discord_takes_one(team: Team, join: Join) -> None:
    lead = join("lead")
    async with FakeDiscord(rules=DiscordRules(identify_every=4.5)) as discord:
        discord.faults.add("invalid session", "event READY")
        async with running_gateway(team, discord):
            await wait_until_connected(lead)
        assert len(await discord.logins()) == 2


@pytest.mark.slow
async def test_an_outage_is_reported_and_waited_for(team: Team, join: Join) -> None:
    lead = join("lead")
    async with FakeDiscord() as discord, running_gateway(team, discord):
        await wait_until_connected(lead)
        await discord.stop()
        shown = (
            r"no connection to Discord since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC, next try at .*\d\d:\d\d:\d\d UTC: .+"
        )
        await wait_until(lambda: re.fullmatch(shown, gateway_note(lead)), "the status says so")
        assert re.fullmatch(shown, _trouble(lead))
        await discord.start()
        await wait_until_connected(lead)
        await wait_until(lambda: not _trouble(lead), "it works again")


@pytest.mark.slow
async def test_a_discord_that_was_never_reached_degrades_the_gateway_at_once(team: Team, join: Join) -> None:
    lead = join("lead")
    async with FakeDiscord() as discord:
        discord.faults.add("503 before", "GET /gateway/bot", times=None)
        discord.faults.add("503 before", "GET /users/@me", times=None)
        discord.faults.add("503 before", "GET /gateway*", times=None)
        async with running_gateway(team, discord):
            await wait_until(lambda: "no connection to Discord" in _trouble(lead), "it says so")
            discord.faults.clear()
            await wait_until_connected(lead)
            await wait_until(lambda: not _trouble(lead), "it works again")


async def test_pauses_between_attempts_grow_to_a_minute_and_differ(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    async def rest(seconds: float, why: str) -> None:
        pauses.append(seconds)
        if len(pauses) == 10:
            raise NotConfigured(why)

    async def tell(*_: str) -> None:
        pass

    def make_client(*_: object) -> DiscordClient:
        raise OSError("no network")

    with MessageHub(team, agent="gateway") as hub:
        connection = DiscordConnection(hub, BotToken(TOKEN), make_client, tell, tell, logging.getLogger("gateway"))
        monkeypatch.setattr(connection, "_wait_before_retry", rest)
        with pytest.raises(NotConfigured, match="no network"):
            await connection.run()

    longest = [1, 2, 4, 8, 16, 32, 60, 60, 60, 60]
    assert all(most / 2 <= pause <= most for pause, most in zip(pauses, longest, strict=True))
    assert len(set(pauses)) == 10


async def test_a_delivery_that_waits_for_a_connection_sets_no_timer(
    team: Team, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = join("gateway")
    worker = DiscordGateway(hub, Config(team), BotToken(TOKEN))

    loop, timers = asyncio.get_running_loop(), []
    call_at = loop.call_at

    def note(when: float, *what: Any, **how: Any) -> asyncio.TimerHandle:  # noqa: ANN401 - the loop's own
        timers.append(when)
        return call_at(when, *what, **how)

    monkeypatch.setattr(loop, "call_at", note)
    reading = asyncio.create_task(worker._next_delivery(hub.listen_async()))
    showing = asyncio.create_task(worker._reactions.run())
    for _ in range(10):
        await asyncio.sleep(0)
    assert timers == []
    worker._stopping.set()
    assert await reading is None
    showing.cancel()


@pytest.mark.slow
async def test_no_error_of_the_network_or_of_discord_ends_it(team: Team, join: Join) -> None:
    lead = join("lead")
    async with FakeDiscord() as discord:
        discord.faults.add("reset", "GET /users/@me")
        discord.faults.add("500 before", "GET /users/@me", skip=1)
        discord.faults.add("503 before", "GET /gateway/")
        async with running_gateway(team, discord):
            await wait_until_connected(lead)


async def test_a_ban_of_the_address_is_waited_for_and_told_once(join: Join, monkeypatch: pytest.MonkeyPatch) -> None:
    rests: list[tuple[float, str]] = []
    now, lead = [0.0], join("lead")
    ban = AddressBan(lambda: now[0])

    async def tell(*_: str) -> None:
        pass

    async def rest(seconds: float, why: str) -> None:
        rests.append((seconds, why))
        now[0] += seconds

    async with FakeDiscord() as discord:
        redirect_to(discord.url)
        discord.faults.add("cloudflare ban", "GET /users/@me", times=2)
        connection = DiscordConnection(
            lead,
            BotToken(TOKEN),
            lambda before_login, on_ready: DiscordClient(before_login, on_ready, ban=ban),
            tell,
            tell,
            logging.getLogger("gateway"),
        )
        monkeypatch.setattr(connection, "_wait_before_retry", rest)
        running = asyncio.create_task(connection.run())
        await asyncio.wait_for(connection.wait_until_ready(), TIMEOUT_SECONDS)
        running.cancel()
        await asyncio.wait((running,))
    assert rests == [(60, ADDRESS_BLOCKED), (120, ADDRESS_BLOCKED)]
    assert ban.note == ""


async def test_a_discord_that_refuses_a_good_token_for_a_while_is_waited_for(
    join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    rests: list[tuple[float, str]] = []
    lead = join("lead")

    async def tell(*_: str) -> None:
        pass

    async with FakeDiscord() as discord:
        redirect_to(discord.url)
        discord.faults.add("401 before", "GET /users/@me", times=3)
        discord.faults.add("close", "op IDENTIFY", code=4004)
        connection = DiscordConnection(lead, BotToken(TOKEN), DiscordClient, tell, tell, logging.getLogger("gateway"))

        async def rest(seconds: float, why: str) -> None:
            rests.append((seconds, why))

        monkeypatch.setattr(connection, "_wait_before_retry", rest)
        monkeypatch.setattr("teamsup.workers.gateway.connection.connection.MIN_INTERVAL_SECONDS", 0.0)
        running = asyncio.create_task(connection.run())
        await asyncio.wait_for(connection.wait_until_ready(), 20)
        running.cancel()
        await asyncio.wait((running,))
    assert [seconds for seconds, _ in rests] == [60, 300, 900, 900]
    assert all(why.startswith("Discord refused the token.") for _, why in rests)


@pytest.mark.slow
async def test_a_refused_token_is_reported_until_its_file_has_another(team: Team, join: Join, tmp_path: Path) -> None:
    lead = join("lead")
    file = tmp_path / "token"
    file.touch(0o600)
    file.write_text("an.old.token")
    toml = f'{ALLOW_ANN}token_file = "{file}"\n'
    async with FakeDiscord() as discord, running_gateway(team, discord, toml, token="") as process:
        refused = r"no connection to Discord since .+, next try at .+: Discord refused the token\..+"
        await wait_until(lambda: re.fullmatch(refused, _trouble(lead)), "it says so")
        file.write_text(TOKEN)
        await wait_until_connected(lead)
        await wait_until(lambda: not _trouble(lead), "it works again")
        assert process.poll() is None


@pytest.mark.parametrize(
    ("code", "sentence"), [(4004, "Discord refused the token"), (4014, "switch on 'Message Content Intent'")]
)
async def test_a_refusal_that_may_pass_without_a_change_here_degrades_it(
    team: Team, join: Join, code: int, sentence: str
) -> None:
    lead = join("lead")
    async with FakeDiscord() as discord:
        discord.faults.add("close", "op IDENTIFY", times=None, code=code)
        async with running_gateway(team, discord):
            await wait_until(lambda: sentence in _trouble(lead), "it says so")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (4010, "Make a separate bot"),
        (4011, "Make a separate bot"),
        (4012, "Install a newer teamsup"),
        (4013, "Install a newer teamsup"),
    ],
)
async def test_an_error_that_a_retry_does_not_mend_ends_it_with_the_remedy(
    team: Team, join: Join, code: int, sentence: str
) -> None:
    lead = join("lead")
    async with FakeDiscord() as discord:
        discord.faults.add("close", "op IDENTIFY", times=None, code=code)
        async with running_gateway(team, discord) as process:
            assert await asyncio.to_thread(process.wait, TIMEOUT_SECONDS) == os.EX_CONFIG
    assert sentence in gateway_note(lead)


@pytest.mark.slow
async def test_a_token_that_is_revoked_later_is_reported_too(team: Team, join: Join) -> None:
    lead = join("lead")
    async with FakeDiscord() as discord, running_gateway(team, discord):
        await wait_until_connected(lead)
        await discord.close(4004)
        await wait_until(lambda: "Discord refused the token" in _trouble(lead), "it says so")


@pytest.mark.slow
async def test_heartbeats_that_nobody_acknowledges_are_noticed(team: Team, join: Join) -> None:
    lead = join("lead")
    async with FakeDiscord(rules=DiscordRules(heartbeat=0.5)) as discord, running_gateway(team, discord):
        await wait_until_connected(lead)
        await discord.stop_acknowledging()
        await discord.until(lambda: discord.gateway.resumptions, "it connects again")
        await wait_until_connected(lead)


@pytest.mark.slow
async def test_a_stalled_connection_is_noticed_and_its_missed_messages_arrive(team: Team, join: Join) -> None:
    user_comm = join("user_comm")
    async with FakeDiscord(rules=DiscordRules(heartbeat=0.5)) as discord, running_gateway(team, discord):
        await wait_until_connected(user_comm)
        await discord.stop_telling()
        said = await discord.say("Hello")
        assert (await next_delivery(user_comm)).message.message_id == f"discord:{said}"


@pytest.mark.slow
async def test_a_quiet_discord_is_not_taken_for_a_stalled_connection(team: Team, join: Join) -> None:
    lead = join("lead")
    async with FakeDiscord(rules=DiscordRules(heartbeat=0.5)) as discord, running_gateway(team, discord):
        await wait_until_connected(lead)
        (session,) = discord.gateway.sessions.values()
        before = session.seq
        await discord.until(lambda: session.seq >= before + 2, "it has asked for an event twice")
        assert not await discord.resumptions()
        assert len(await discord.logins()) == 1


def _trouble(hub: MessageHub) -> str:
    """Why the gateway cannot do its work; empty: it can."""
    found = hub.find_agent("gateway")
    return str(found.metadata["reason"]) if found is not None and found.status == "degraded" else ""
