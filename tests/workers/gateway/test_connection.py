"""The gateway's connection: kept up through everything, given up where only a person helps, and told truthfully."""

import asyncio
import io
import json
import logging
import os
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fake_discord import CHANNEL, TOKEN, FakeDiscord, Rules
from fake_discord.pointed import point_at
from gateway_process import arrival, connected, gateway, locked, status, until
from teamsup.hub import MessageHub, NotConfigured, Team
from teamsup.hub.sections import GatewaySection
from teamsup.workers.gateway.bot_token import Secret, find_token, hide_in_logs
from teamsup.workers.gateway.client import Client
from teamsup.workers.gateway.connection import Connection
from teamsup.workers.gateway.line import Line
from teamsup.workers.gateway.logins import MOST, Logins, TooManyLogins

Join = Callable[..., MessageHub]


async def ended(process: subprocess.Popen[bytes]) -> int:
    """Its exit code, which has to come within the five seconds that are promised."""
    return await asyncio.to_thread(process.wait, 5)


def test_the_status_tells_how_long_how_fast_and_when_last(team: Team, join: Join) -> None:
    async def use() -> None:
        lead = join("lead")
        async with FakeDiscord() as discord, gateway(team, discord):
            shown = r"connected for \d+s, latency \d+ ms, last event (just now|\d+0s ago)"
            await until(lambda: re.fullmatch(shown, status(lead)), "the status says it")

    asyncio.run(use())


def test_a_cut_connection_is_resumed_and_nothing_is_missed(team: Team, join: Join) -> None:
    async def use() -> None:
        user_comm = join("user_comm")
        async with FakeDiscord() as discord, gateway(team, discord):
            await connected(user_comm)
            await discord.cut()
            said = await discord.say("Hello")

            assert (await arrival(user_comm)).message.message_id == f"discord:{said}"
            assert (await discord.resumptions())[-1].replayed is not None
            assert len(await discord.logins()) == 1

    asyncio.run(use())


@pytest.mark.parametrize("code", [4007, 4009])
def test_a_session_that_is_refused_again_and_again_is_left_for_a_new_one(team: Team, join: Join, code: int) -> None:
    async def use() -> None:
        lead = join("lead")
        async with FakeDiscord() as discord, gateway(team, discord):
            await connected(lead)
            refused = discord.faults.add("close", "op RESUME", times=None, code=code)
            await discord.cut()

            await discord.until(lambda: len(discord.gateway.logins) == 2, "it logs in anew")
            await until(lambda: status(lead).startswith("connected"), "it is connected")
            assert sum(refused.seen.values()) <= 3

    asyncio.run(use())


def test_another_login_waits_until_discord_takes_one(team: Team, join: Join) -> None:
    async def use() -> None:
        lead = join("lead")
        async with FakeDiscord(rules=Rules(identify_every=4.5)) as discord:
            discord.faults.add("invalid session", "event READY")
            async with gateway(team, discord):
                await connected(lead)
            assert len(await discord.logins()) == 2

    asyncio.run(use())


def test_an_outage_is_told_and_waited_for(team: Team, join: Join) -> None:
    async def use() -> None:
        lead = join("lead")
        async with FakeDiscord() as discord, gateway(team, discord):
            await connected(lead)
            await discord.stop()
            shown = r"no connection to Discord since \d\d:\d\d, next try at \d\d:\d\d:\d\d: .+"
            await until(lambda: re.fullmatch(shown, status(lead)), "the status says so")
            await discord.start()
            await connected(lead)

    asyncio.run(use())


def test_no_error_of_the_network_or_of_discord_ends_it(team: Team, join: Join) -> None:
    async def use() -> None:
        lead = join("lead")
        async with FakeDiscord() as discord:
            discord.faults.add("reset", "GET /users/@me")
            discord.faults.add("cloudflare ban", "GET /users/@me", skip=1)
            discord.faults.add("503 before", "GET /gateway/")
            async with gateway(team, discord):
                await connected(lead)

    asyncio.run(use())


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (4004, "Discord refused the token"),
        (4010, "make a bot of its own"),
        (4011, "make a bot of its own"),
        (4012, "install a newer teamsup"),
        (4013, "install a newer teamsup"),
        (4014, "switch on 'Message Content Intent'"),
    ],
)
def test_what_trying_again_does_not_mend_ends_it_with_what_helps(
    team: Team, join: Join, code: int, sentence: str
) -> None:
    async def use() -> None:
        lead = join("lead")
        async with FakeDiscord() as discord:
            discord.faults.add("close", "op IDENTIFY", times=None, code=code)
            async with gateway(team, discord) as process:
                assert await asyncio.to_thread(process.wait, 20) == os.EX_CONFIG
        assert sentence in status(lead)

    asyncio.run(use())


def test_a_token_that_is_revoked_later_ends_it_too(team: Team, join: Join) -> None:
    async def use() -> None:
        lead = join("lead")
        async with FakeDiscord() as discord, gateway(team, discord) as process:
            await connected(lead)
            await discord.close(4004)
            assert await asyncio.to_thread(process.wait, 20) == os.EX_CONFIG
        assert "Discord refused the token" in status(lead)

    asyncio.run(use())


def test_heartbeats_that_nobody_acknowledges_are_noticed(team: Team, join: Join) -> None:
    async def use() -> None:
        lead = join("lead")
        async with FakeDiscord(rules=Rules(heartbeat=0.5)) as discord, gateway(team, discord):
            await connected(lead)
            await discord.stop_acknowledging()
            await discord.until(lambda: discord.gateway.resumptions, "it connects again")
            await connected(lead)

    asyncio.run(use())


def test_online_but_deaf_is_noticed_and_what_was_said_is_heard(team: Team, join: Join) -> None:
    async def use() -> None:
        user_comm = join("user_comm")
        async with FakeDiscord(rules=Rules(heartbeat=0.5)) as discord, gateway(team, discord):
            await connected(user_comm)
            await discord.stop_telling()
            said = await discord.say("Hello")
            assert (await arrival(user_comm)).message.message_id == f"discord:{said}"

    asyncio.run(use())


def test_a_quiet_discord_is_not_taken_for_a_deaf_connection(team: Team, join: Join) -> None:
    async def use() -> None:
        lead = join("lead")
        async with FakeDiscord(rules=Rules(heartbeat=0.5)) as discord, gateway(team, discord):
            await connected(lead)
            (session,) = discord.gateway.sessions.values()
            before = session.seq
            await discord.until(lambda: session.seq >= before + 2, "it has asked for an event twice")
            assert not await discord.resumptions()
            assert len(await discord.logins()) == 1

    asyncio.run(use())


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


@pytest.mark.parametrize(
    ("phase", "logged_in"),
    [("GET /users/@me", False), ("event READY", True), ("GET /gateway/", False)],
)
def test_sigterm_ends_it_in_time_before_it_is_connected(team: Team, phase: str, *, logged_in: bool) -> None:
    async def use() -> None:
        async with FakeDiscord() as discord:
            delayed = discord.faults.add("delay", phase, seconds=8)
            async with gateway(team, discord) as process:
                await discord.until(lambda: delayed.times == 0, "it is that far")
                await asyncio.sleep(0.2)
                process.terminate()
                assert await ended(process) == 0
            await discord.until(lambda: not logged_in or discord.gateway.closes, "the connection has ended")
            assert [close.code for close in await discord.closes()] == ([1000] if logged_in else [])

    asyncio.run(use())


def test_sigterm_ends_it_in_time_while_it_waits_for_the_next_try(team: Team, join: Join) -> None:
    async def use() -> None:
        lead = join("lead")
        async with FakeDiscord() as discord, gateway(team, discord) as process:
            await connected(lead)
            await discord.stop()
            await until(lambda: "next try" in status(lead), "it waits")
            process.terminate()
            assert await ended(process) == 0

    asyncio.run(use())


def test_sigterm_leaves_discord_properly_and_finishes_what_is_being_sent(team: Team, join: Join) -> None:
    async def use() -> None:
        lead = join("lead")
        async with FakeDiscord() as discord, gateway(team, discord) as process:
            await connected(lead)
            slow = discord.faults.add("delay", "POST /channels/*/messages", seconds=0.5)
            lead.send("gateway", "on my way", conversation_id=f"discord:{CHANNEL}")
            await discord.until(lambda: slow.times == 0, "it is being sent")
            process.terminate()
            assert await ended(process) == 0
            assert await discord.said() == ["on my way"]
            assert [close.code for close in await discord.closes()] == [1000]
            assert not await discord.is_online()
        assert lead.trace("#1")[0].outcome == "sent"

    asyncio.run(use())


@pytest.mark.parametrize("phase", ["GET /resume/", "op RESUME"])
def test_sigterm_leaves_properly_also_while_a_lost_connection_is_made_anew(team: Team, join: Join, phase: str) -> None:
    async def use() -> None:
        lead = join("lead")
        async with FakeDiscord() as discord:
            async with gateway(team, discord) as process:
                await connected(lead)
                slow = discord.faults.add("delay", phase, seconds=0.5)
                await discord.cut()
                await discord.until(lambda: slow.times == 0, "it is on its way back")
                process.terminate()
                assert await ended(process) == 0
            await discord.until(lambda: not discord.gateway.alive(), "it is offline")

    asyncio.run(use())


@pytest.mark.parametrize("phase", ["connected", "resuming"])
def test_sigterm_ends_it_in_time_on_a_dead_network(team: Team, join: Join, phase: str) -> None:
    async def use() -> None:
        lead = join("lead")
        async with FakeDiscord() as discord, gateway(team, discord) as process:
            await connected(lead)
            dead = [
                discord.faults.add("delay", at, seconds=60)
                for at in ("GET /attachments/*", "POST /channels/*/messages", "GET /resume/")
            ]
            await discord.say("see file", files={"a.txt": b"a"})
            lead.send("gateway", "on my way", conversation_id=f"discord:{CHANNEL}")
            await discord.until(lambda: dead[0].times == dead[1].times == 0, "it stores and it sends")
            if phase == "resuming":
                await discord.cut()
                await discord.until(lambda: dead[2].times == 0, "it is on its way back")
            process.terminate()
            # Not in a thread: this Discord stands still meanwhile.
            assert process.wait(5) == 0
        assert lead.trace("#1")[0].state == "ready"

    asyncio.run(use())


def test_sigterm_leaves_discord_properly_while_the_hub_takes_nothing(team: Team, join: Join) -> None:
    async def use() -> None:
        user_comm = join("user_comm")
        async with FakeDiscord() as discord, gateway(team, discord) as process:
            await connected(user_comm)
            slow = discord.faults.add("delay", "POST /channels/*/messages", seconds=30)
            user_comm.send("gateway", "on my way", conversation_id=f"discord:{CHANNEL}")
            await discord.until(lambda: slow.times == 0, "it is being sent")
            async with locked(team):
                await discord.say("Hello")
                process.terminate()
                await discord.until(lambda: discord.gateway.closes, "it has left")
                assert [close.code for close in await discord.closes()] == [1000]
                assert not await discord.is_online()

    asyncio.run(use())


def test_what_cannot_be_sent_in_time_is_kept(team: Team, join: Join) -> None:
    async def use() -> None:
        lead = join("lead")
        async with FakeDiscord() as discord, gateway(team, discord) as process:
            await connected(lead)
            slow = discord.faults.add("delay", "POST /channels/*/messages", seconds=30)
            lead.send("gateway", "on my way", conversation_id=f"discord:{CHANNEL}")
            await discord.until(lambda: slow.times == 0, "it is being sent")
            process.terminate()
            assert await ended(process) == 0
        assert lead.trace("#1")[0].state == "ready"

    asyncio.run(use())


def test_the_token_stands_in_no_log_however_much_is_logged(team: Team) -> None:
    async def use() -> None:
        # Whatever imports discord has to come after the log is set up.
        async def tell() -> None:
            pass

        async with FakeDiscord() as discord:
            point_at(discord.url)
            discord.faults.add("reset", "GET /users/@me")
            with MessageHub(team, agent="gateway") as hub:
                connection = Connection(hub, Secret(TOKEN), Client, tell, logging.getLogger("gateway"))
                running = asyncio.create_task(connection.run())
                await discord.connected()
                running.cancel()
                await asyncio.wait((running,))

    shown, root = io.StringIO(), logging.getLogger()
    handler, level = logging.StreamHandler(shown), root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        hide_in_logs(Secret(TOKEN))
        asyncio.run(use())
        try:
            raise ValueError(f"Bot {TOKEN}")
        except ValueError:
            logging.getLogger("discord").exception("with %s", TOKEN)
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    assert "[token]" in shown.getvalue()
    assert TOKEN not in shown.getvalue()
    assert TOKEN not in repr(Secret(TOKEN))


def test_a_token_that_cannot_be_one_is_refused_without_showing_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for strange in ("two words", "a\tb", "schlüssel", "a\r\nX-Evil: b"):
        monkeypatch.setenv("DISCORD_TOKEN", strange)
        with pytest.raises(NotConfigured, match="is no Discord token") as refused:
            find_token(GatewaySection())
        assert strange not in str(refused.value)
    monkeypatch.delenv("DISCORD_TOKEN")
    file = tmp_path / "token"
    file.touch(0o600)
    with pytest.raises(NotConfigured, match="is empty"):
        find_token(GatewaySection(token_file=str(file)))


def a_line(*, interval: float = 40.0) -> Line:
    line = Line(0.0)
    line.hears("READY", 0.0)
    line.beats(interval, 0.05, 0.0)
    return line


@pytest.mark.parametrize(
    ("now", "up", "zombie"), [(40.0, True, False), (61.0, True, False), (62.0, False, False), (82.0, False, True)]
)
def test_connected_means_that_heartbeats_are_acknowledged(now: float, *, up: bool, zombie: bool) -> None:
    line = a_line()
    assert (line.is_up(now), line.is_zombie(now)) == (up, zombie)


def test_a_client_is_left_when_discord_ends_its_connections_again_and_again() -> None:
    in_a_row, now_and_then, seldom, never_in = a_line(), a_line(), a_line(), Line(0.0)
    for number in range(3):
        assert not in_a_row.is_hopeless(number)
        in_a_row.drops(number)
    assert "in a row" in in_a_row.is_hopeless(3)
    for number in range(5):
        assert not now_and_then.is_hopeless(10 * number)
        now_and_then.drops(10 * number)
        now_and_then.hears("RESUMED", 10 * number + 1)
    assert "within a minute" in now_and_then.is_hopeless(45)
    for number in range(50):
        seldom.drops(20 * number)
        seldom.hears("RESUMED", 20 * number + 1)
        assert not seldom.is_hopeless(20 * number + 1)
    assert not never_in.is_hopeless(60)
    assert "not taken us in" in never_in.is_hopeless(61)


def test_the_status_changes_only_where_somebody_would_notice() -> None:
    line = a_line()
    line.hears("MESSAGE_CREATE", 7500.0)
    line.beats(40.0, 0.043, 7510.0)
    assert line.describe(7512.0) == "connected for 2h 5m, latency 43 ms, last event 10s ago"
    assert line.describe(7512.0) == line.describe(7519.0)
    assert line.describe(7503.0).endswith("last event just now")
