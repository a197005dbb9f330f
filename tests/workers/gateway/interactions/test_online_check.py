"""Doctor's questions to Discord, with unmodified discord.py against a strict Discord on loopback."""

from collections.abc import AsyncIterator

import pytest

from fake_discord import BOT, BOT_ROLE, CHANNEL, GUILD, TOKEN, FakeDiscord, Permission
from fake_discord.redirect import redirect_to
from fake_discord.world.commands import replace_commands
from fake_discord.world.models import FORUM
from teamsup.hub import MessageHub, Team
from teamsup.terminal.findings import Finding, Verdict
from teamsup.workers.gateway.component import GatewaySection
from teamsup.workers.gateway.connection.token import BotToken
from teamsup.workers.gateway.interactions import online_check
from teamsup.workers.gateway.interactions.commands import SLASH_COMMANDS
from teamsup.workers.gateway.interactions.online_check import check_online, examine_discord
from teamsup.workers.gateway.interactions.permissions import needed_permissions

SECTION = GatewaySection(home_channel=CHANNEL, guilds=(GUILD,))
CATEGORY = 4


@pytest.fixture
async def discord() -> AsyncIterator[FakeDiscord]:
    """A Discord at which all is well."""
    async with FakeDiscord() as server:
        redirect_to(server.url)
        replace_commands(server.world, None, SLASH_COMMANDS)
        yield server


def call(*words: str) -> str:
    return " ".join(("teamsup", *words))


async def examine(
    section: GatewaySection = SECTION, token: str = TOKEN, *, is_running: bool = True, seconds: float = 20.0
) -> dict[str, Finding]:
    found = await examine_discord(section, BotToken(token), call, is_running=is_running, seconds=seconds)
    assert token not in str(found)
    assert all(each.hint for each in found if each.verdict is not Verdict.OK)
    rows = {each.check.removeprefix("discord "): each for each in found}
    assert len(rows) == len(found)
    return rows


HOME = f"channel {CHANNEL}"


async def test_discord_is_only_read_and_no_session_is_opened(discord: FakeDiscord) -> None:
    rows = await examine()
    assert {name: row.text for name, row in rows.items() if row.verdict is Verdict.OK} == {
        "login": "the token is valid; the bot is teamsup",
        "intents": "all needed intents are switched on",
        "logins": rows["logins"].text,
        "commands": f"all {len(SLASH_COMMANDS)} are registered",
        "server Crew": "the bot's roles have all permissions that it needs",
        HOME: "home_channel: #general of Crew: the bot has all permissions that it needs",
    }
    assert rows["logins"].text.startswith("1000 of 1000 logins are left until ")
    assert len(rows) == 6
    assert {(each.method, each.status) for each in await discord.requests()} == {("GET", 200)}
    assert discord.gateway.logins_today() == 0


async def test_a_refused_token_ends_the_examination(discord: FakeDiscord) -> None:
    rows = await examine(token="a.wrong.token")  # noqa: S106
    assert list(rows) == ["login"]
    assert rows["login"].verdict is Verdict.FAILED
    assert rows["login"].text == "Discord refused the token"
    assert rows["login"].hint.endswith("then: teamsup restart gateway")
    assert len(await discord.requests()) == 1


async def test_a_missing_intent_is_named_with_the_page_that_has_its_switch(discord: FakeDiscord) -> None:
    discord.world.rules.privileged = 0
    row = (await examine())["intents"]
    assert (row.verdict, row.text) == (Verdict.FAILED, "switched off: Message Content Intent")
    assert f"/applications/{BOT}/bot" in row.hint


@pytest.mark.parametrize(("left", "verdict"), [(100, Verdict.OK), (99, Verdict.WARNING), (0, Verdict.FAILED)])
async def test_few_logins_are_a_warning_and_none_is_a_failure(
    discord: FakeDiscord, left: int, verdict: Verdict
) -> None:
    discord.world.rules.sessions_a_day = left
    row = (await examine())["logins"]
    assert row.verdict is verdict
    assert row.text.startswith(f"{left} of {left} logins are left until ")


@pytest.mark.parametrize(
    ("is_running", "verdict", "hint"),
    [
        (True, Verdict.FAILED, "Register them: teamsup restart gateway"),
        (False, Verdict.WARNING, "Register them: teamsup start"),
    ],
)
async def test_commands_that_discord_does_not_know_are_named(
    discord: FakeDiscord, is_running: bool, verdict: Verdict, hint: str
) -> None:
    replace_commands(discord.world, None, [{**SLASH_COMMANDS[0], "description": "Other"}, *SLASH_COMMANDS[2:]])
    row = (await examine(is_running=is_running))["commands"]
    assert (row.verdict, row.hint) == (verdict, hint)
    assert row.text == (
        f"/{SLASH_COMMANDS[0]['name']} is registered with another description or other options;"
        f" /{SLASH_COMMANDS[1]['name']} is missing"
    )


async def test_commands_that_go_to_a_web_address_never_reach_the_gateway(discord: FakeDiscord) -> None:
    discord.world.rules.interactions_endpoint = "https://elsewhere.example/secret-path"
    row = (await examine())["commands"]
    assert row.verdict is Verdict.FAILED
    assert "empty Interactions Endpoint URL" in row.hint
    assert "secret-path" not in str(row)


async def test_permissions_that_a_channel_takes_away_are_named_with_the_click(discord: FakeDiscord) -> None:
    section = GatewaySection(home_channel=CHANNEL, threads=True)
    needed = needed_permissions(section)
    discord.world.overwrite(CHANNEL, whom=BOT_ROLE, deny=sum(Permission[name.upper()] for name in needed))
    row = (await examine(section))[HOME]
    words = ", ".join(needed.values())
    assert row.verdict is Verdict.FAILED
    assert row.text == f"home_channel: #general of Crew: the bot lacks {words}"
    assert row.hint == f"#general > Edit Channel > Permissions > teamsup: allow {words}"


async def test_each_permission_that_no_role_has_is_named_with_the_click(discord: FakeDiscord) -> None:
    lost = Permission.SEND_MESSAGES | Permission.ADD_REACTIONS
    for role in (GUILD, BOT_ROLE):
        discord.world.guilds[GUILD].roles[role].permissions &= ~lost
    rows = await examine()
    assert rows["server Crew"].verdict is Verdict.WARNING
    assert rows["server Crew"].text == "the bot's roles lack Add Reactions, Send Messages"
    assert rows[HOME].hint == "Server Settings > Roles > teamsup: switch on Add Reactions, Send Messages"


@pytest.mark.parametrize(
    ("section", "name", "text"),
    [
        (GatewaySection(guilds=(5,)), "server 5", "guilds: the bot is not in that server"),
        (GatewaySection(channels=(6,)), "channel 6", "channels: there is no such channel for the bot"),
        (GatewaySection(answer_in={"6": "always"}), "channel 6", "answer_in: there is no such channel for the bot"),
    ],
)
async def test_a_number_without_a_place_is_a_failure_of_its_key(
    discord: FakeDiscord,  # noqa: ARG001
    section: GatewaySection,
    name: str,
    text: str,
) -> None:
    row = (await examine(section))[name]
    assert (row.verdict, row.text) == (Verdict.FAILED, text)


async def test_a_thread_has_the_permissions_of_its_channel(discord: FakeDiscord) -> None:
    thread = await discord.open_thread("Night")
    section = GatewaySection(channels=(thread,))
    assert (await examine(section))[f"channel {thread}"].verdict is Verdict.OK
    discord.world.overwrite(CHANNEL, whom=BOT, deny=Permission.SEND_MESSAGES_IN_THREADS)
    row = (await examine(section))[f"channel {thread}"]
    assert row.hint == "#general > Edit Channel > Permissions > teamsup: allow Send Messages in Threads"


@pytest.mark.parametrize(("kind", "what"), [(CATEGORY, "is a category"), (FORUM, "takes no announcements")])
async def test_a_home_channel_that_takes_no_messages_is_a_failure(discord: FakeDiscord, kind: int, what: str) -> None:
    number = discord.world.add_channel("posts", kind=kind)
    row = (await examine(GatewaySection(home_channel=number)))[f"channel {number}"]
    assert row.verdict is Verdict.FAILED
    assert what in row.text


async def test_a_bot_that_is_timed_out_or_in_no_server_is_told_so(discord: FakeDiscord) -> None:
    await discord.time_out(60)
    row = (await examine())["server Crew"]
    assert row.verdict is Verdict.FAILED
    assert row.text.startswith("a moderator has timed the bot out until ")
    discord.world.remove_member(GUILD, BOT)
    rows = await examine(GatewaySection())
    assert rows["servers"].verdict is Verdict.WARNING
    assert f"client_id={BOT}" in rows["servers"].hint


async def test_servers_beyond_the_limit_are_unknown(discord: FakeDiscord, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(online_check, "_MAX_SERVERS", 1)
    other = discord.world.add_guild("Other")
    rows = await examine(GatewaySection(guilds=(other,)))
    assert rows["server Other"].verdict is Verdict.OK
    assert (rows["servers"].verdict, rows["servers"].text) == (Verdict.UNKNOWN, "not examined: Crew")


async def test_a_dead_network_is_unknown(discord: FakeDiscord) -> None:
    await discord.stop()
    rows = await examine()
    assert list(rows) == ["login"]
    assert rows["login"].verdict is Verdict.UNKNOWN
    assert rows["login"].text.startswith("Discord cannot be asked: ")


@pytest.mark.slow
async def test_an_answer_that_does_not_come_in_time_is_unknown_and_the_rest_is_known(discord: FakeDiscord) -> None:
    discord.faults.add("503 before", "GET /applications/*/commands", times=None)
    rows = await examine(seconds=4.0)
    assert {name for name, row in rows.items() if row.verdict is not Verdict.OK} == {"commands"}
    assert rows["commands"].verdict is Verdict.UNKNOWN


async def test_a_discord_that_never_answers_does_not_hold_doctor(discord: FakeDiscord) -> None:
    discord.faults.add("delay", "GET /users/@me", times=None, seconds=0.1)
    rows = await examine(seconds=0.01)
    assert list(rows) == ["login"]
    assert rows["login"].verdict is Verdict.UNKNOWN


async def test_a_refusal_that_has_nothing_to_do_with_permissions_is_unknown(discord: FakeDiscord) -> None:
    discord.faults.add("cloudflare ban", "GET /gateway/bot", times=None)
    discord.faults.add("403 elsewhere", f"GET /guilds/{GUILD}", times=None)
    rows = await examine()
    assert rows["logins"].verdict is Verdict.UNKNOWN
    assert rows["server Crew"].verdict is Verdict.UNKNOWN
    assert rows[HOME].verdict is Verdict.UNKNOWN


def test_a_gateway_without_a_token_here_is_not_called_well(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISCORD_TOKEN", raising=False)
    team.create()
    assert [each.verdict for each in check_online(team, {}, call)] == [Verdict.OK]
    with MessageHub(team, agent="gateway") as hub:
        hub.register()
        agents = {agent.name: agent for agent in hub.agents()}
        assert [each.verdict for each in check_online(team, agents, call)] == [Verdict.UNKNOWN]


def test_nothing_is_sent_while_the_address_is_banned(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", TOKEN)
    monkeypatch.setattr(online_check, "examine_discord", None)
    team.create()
    with MessageHub(team, agent="gateway") as hub:
        hub.register(note="Cloudflare blocks this host's address; next try at 12:00")
        (found,) = check_online(team, {agent.name: agent for agent in hub.agents()}, call)
    assert found.verdict is Verdict.UNKNOWN
    assert "each request prolongs" in found.text
