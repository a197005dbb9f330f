"""Pairing: a code printed in the terminal admits the user who writes it to the bot."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable

import pytest

from fake_discord import ANN, BOB, BOT, CHANNEL, FakeDiscord
from helpers.gateway_process import ALLOW_ANN, running_gateway, stored_contents, wait_until, wait_until_connected
from helpers.support import TeamsupCommand, refusal_of, run_foreign_sql
from teamsup.hub import MessageHub, Team
from teamsup.workers.gateway.access import unknown_users
from teamsup.workers.gateway.access.pairing import create_code, parse_code, redeem_code

Join = Callable[..., MessageHub]


async def answered(discord: FakeDiscord, channel: int, *sentences: str) -> None:
    await discord.until_said(list(sentences), channel)


@pytest.mark.slow
async def test_an_unknown_user_learns_once_how_to_be_admitted_and_then_is(team: Team, join: Join) -> None:
    user_comm = join("user_comm")
    teamsup = TeamsupCommand(team.folder.parent)
    async with FakeDiscord() as discord, running_gateway(team, discord):
        await wait_until_connected(user_comm)
        direct = await discord.open_dm(BOB)
        await discord.say("Hello?", author=BOB)
        await discord.say(f"<@{BOT}> Hello?", author=BOB)
        await answered(discord, CHANNEL, unknown_users.PAIRING_HINT)
        await discord.say("Hello?", channel=direct, author=BOB)

        shown = await asyncio.to_thread(teamsup.run, "pair", "--team", "crew", "--json")
        code = json.loads(shown.stdout)["code"]
        await discord.say(f"Pair {code[:4].lower()}-{code[4:]}", channel=direct, author=BOB)
        await answered(discord, direct, unknown_users.WELCOME)
        await discord.say("Hello", channel=direct, author=BOB)
        await wait_until(user_comm.wait, "the message")
        assert user_comm.claim()[0].message.content == "Hello"

        listed = await asyncio.to_thread(teamsup.run, "pair", "--team", "crew", "--list", "--json")
        assert [each["user"] for each in json.loads(listed.stdout)["people"]] == [BOB]
        removed = await asyncio.to_thread(teamsup.run, "pair", "--team", "crew", "--remove", str(BOB), "--yes")
        assert removed.returncode == 0
        await discord.say("Still there?", channel=direct, author=BOB)
        await discord.say("Only me", author=ANN)
        await wait_until(lambda: "Only me" in stored_contents(team), "the next message")
        assert stored_contents(team) == ["Hello", "Only me"]


@pytest.mark.slow
async def test_wrong_codes_are_limited(team: Team, join: Join) -> None:
    user_comm = join("user_comm")
    async with FakeDiscord() as discord, running_gateway(team, discord, ALLOW_ANN):
        await wait_until_connected(user_comm)
        direct = await discord.open_dm(BOB)
        sentences = []
        for number in range(7):
            await discord.say(f"pair WRONG{number:0>3}", channel=direct, author=BOB)
            if number < 6:
                sentences.append(unknown_users.WRONG_CODE if number < 5 else unknown_users.TOO_MANY_TRIES)
                await answered(discord, direct, *sentences)
        code = create_code(user_comm)
        await discord.say(f"pair {code}", channel=direct, author=BOB)
        await discord.say("marker")
        await wait_until(lambda: stored_contents(team) == ["marker"], "the next message")
        assert await discord.said(direct) == sentences
        assert not run_foreign_sql(team, "SELECT * FROM discord_people")


@pytest.mark.both_engines
def test_a_code_is_good_for_one_person_and_ten_minutes(join: Join) -> None:
    hub = join("lead")
    code = create_code(hub)
    (stored,) = hub.query("SELECT digest FROM discord_pairing_codes")
    assert code not in stored["digest"]
    old = create_code(hub)
    hub.execute("UPDATE discord_pairing_codes SET expires_at = '2020-01-01' WHERE digest <> ?", (stored["digest"],))

    assert redeem_code(hub, code, BOB, "Bob") is True
    assert redeem_code(hub, code, ANN, "Ann") is False
    assert redeem_code(hub, old, ANN, "Ann") is False


def test_a_code_is_found_however_it_is_written() -> None:
    assert parse_code("pair ABCD2345") == "ABCD2345"
    assert parse_code("  /Pair: abcd-2345 ") == "ABCD2345"
    assert parse_code("pair programming is nice") is None
    assert parse_code("please pair ABCD2345") is None


def test_a_user_who_has_not_paired_cannot_be_removed(teamsup: TeamsupCommand) -> None:
    assert "There is no team" in refusal_of(teamsup.run("pair"))
    MessageHub(teamsup.team).close()
    assert "No user with the number 5 has paired" in refusal_of(teamsup.run("pair", "--remove", "5"))
    assert teamsup.run("pair", "--list").stdout == "Nobody has paired.\n"
    assert "pair" in teamsup.run("--help").stdout


def test_other_commands_do_not_look_for_it() -> None:
    check = (
        "import sys; from teamsup.cli.command_line import build_parser; build_parser(['ps']); "
        "sys.exit('importlib.metadata' in sys.modules or 'teamsup.workers.gateway.access.pairing' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
