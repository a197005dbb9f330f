"""Logging in, hearing, leaving: with the unchanged discord.py."""

from typing import Any

import aiohttp
import discord as library
import pytest

from fake_discord import ANN, BOB, BOT, CHANNEL, GUILD, TOKEN, DiscordRules, FakeDiscord
from fake_discord.bots import Bot, running, some_intents


async def test_a_bot_gets_its_guild_and_receives_messages(discord: FakeDiscord, bot: Bot) -> None:
    guild = bot.get_guild(GUILD)
    assert guild is not None
    assert [channel.name for channel in guild.text_channels] == ["general"]
    assert guild.me.id == BOT
    assert guild.me.guild_permissions.send_messages
    assert {role.name for role in guild.roles} == {"@everyone", "operators", "teamsup"}

    asked = await discord.say("Hello", author=BOB)

    message = await bot.hears("message")
    assert (message.id, message.content, message.channel.id) == (asked, "Hello", CHANNEL)
    assert (message.author.id, message.author.display_name) == (BOB, "Bob")
    assert [login.refused for login in await discord.logins()] == [None]


async def test_a_wrong_token_is_refused_over_rest_and_at_the_gateway(discord: FakeDiscord) -> None:
    with pytest.raises(library.LoginFailure):
        async with running(Bot(discord), "wrong"):
            pass

    bot = Bot(discord)
    await bot.login(TOKEN)
    discord.rules.token = "another"  # noqa: S105
    with pytest.raises(library.ConnectionClosed) as refused:
        await bot.connect()
    assert refused.value.code == 4004


@pytest.mark.parametrize("rules", [DiscordRules(privileged=0)])
async def test_an_intent_that_is_not_switched_on_is_refused(discord: FakeDiscord) -> None:
    with pytest.raises(library.PrivilegedIntentsRequired):
        async with running(Bot(discord)):
            pass
    assert [login.refused for login in await discord.logins()] == [4014]


@pytest.mark.parametrize(
    ("code", "rules", "options"),
    [
        (4010, DiscordRules(), {"shard_id": 2, "shard_count": 2}),
        (4011, DiscordRules(sharding_required=True), {}),
        (4013, DiscordRules(), {"intents": library.Intents._from_value(1 << 30)}),
    ],
)
async def test_logins_that_cannot_be_mended_are_closed_for_good(
    discord: FakeDiscord, code: int, options: dict[str, Any]
) -> None:
    with pytest.raises(library.ConnectionClosed) as refused:
        async with running(Bot(discord, **options)):
            pass
    assert refused.value.code == code


async def test_content_is_empty_without_the_intent_but_for_mentions_and_direct_messages(discord: FakeDiscord) -> None:
    intents = some_intents()
    intents.message_content = False
    async with running(Bot(discord, intents=intents)) as bot:
        await discord.say("to all")
        await discord.say(f"<@{BOT}> to you")
        await discord.say("in private", channel=await discord.open_dm())
        await bot.place(CHANNEL).send("my own")

        await bot.hears("message", 4)
        contents = [message.content for message in bot.all("message")]
        assert contents == ["", f"<@{BOT}> to you", "in private", "my own"]


async def test_an_event_that_no_intent_covers_is_not_received(discord: FakeDiscord) -> None:
    intents = library.Intents.none()
    intents.guilds = intents.dm_messages = True
    async with running(Bot(discord, intents=intents)) as bot:
        message = await discord.say("in the guild")
        await discord.react(message, "👍")
        await discord.say("in private", channel=await discord.open_dm())

        assert await bot.texts(until="in private") == ["in private"]
        assert not bot.all("raw_reaction_add")


async def test_a_dropped_socket_is_resumed_and_what_was_missed_is_replayed(discord: FakeDiscord, bot: Bot) -> None:
    discord.faults.add("drop", "event MESSAGE_CREATE", skip=2)
    for number in range(6):
        await discord.say(str(number))

    assert await bot.texts(until="5") == list("012345")
    (resumption,) = await discord.resumptions()
    assert resumption.replayed == 4
    assert resumption.at_right_url
    assert len(await discord.logins()) == 1


async def test_op_7_and_a_resumable_op_9_lose_nothing(discord: FakeDiscord, bot: Bot) -> None:
    await discord.ask_to_reconnect()
    await discord.say("one")
    await bot.hears("resumed")
    await discord.invalidate(resumable=True)
    await discord.say("two")
    await bot.hears("resumed", 2)

    assert await bot.texts(until="two") == ["one", "two"]
    assert len(await discord.logins()) == 1


async def test_an_invalid_session_needs_another_login_and_loses_what_came_between(
    discord: FakeDiscord, bot: Bot
) -> None:
    await discord.invalidate()
    await discord.say("lost")
    await bot.hears("ready", 2)
    await discord.say("heard")

    assert await bot.texts(until="heard") == ["heard"]
    assert len(await discord.logins()) == 2


@pytest.mark.parametrize(("kind", "code"), [("refuse", 0), ("close", 4007), ("close", 4009), ("drop", 0)])
async def test_a_resume_can_be_refused(discord: FakeDiscord, bot: Bot, kind: Any, code: int) -> None:  # noqa: ANN401 - a literal
    discord.faults.add(kind, "op RESUME", times=2, code=code)
    await discord.cut()
    await bot.hears("ready" if kind == "refuse" else "resumed", 2 if kind == "refuse" else 1)

    assert len(await discord.logins()) == (2 if kind == "refuse" else 1)


@pytest.mark.parametrize("rules", [DiscordRules(replay_limit=10)])
async def test_only_so_much_is_kept_for_a_resume(discord: FakeDiscord, bot: Bot) -> None:
    await bot.socket.socket.close(code=4000)
    for number in range(20):
        await discord.say(str(number))
    await bot.hears("ready", 2)

    assert [resumption.replayed for resumption in await discord.resumptions()] == [None]


@pytest.mark.parametrize("rules", [DiscordRules(heartbeat=0.1, late_heartbeat=50)])
async def test_a_zombie_is_noticed_because_nothing_is_acknowledged(discord: FakeDiscord) -> None:
    async with running(Bot(discord, heartbeat_timeout=0.5)) as bot:
        await discord.until(lambda: len(discord.gateway.connections[0].heartbeats) > 2, "heartbeats")
        await discord.stop_acknowledging()
        await bot.hears("resumed")

        assert {close.code for close in await discord.closes()} == {4000}


async def test_a_deaf_connection_is_acknowledged_and_gets_no_event(discord: FakeDiscord, bot: Bot) -> None:
    await discord.stop_telling()
    await discord.say("unheard")
    beats = len(discord.gateway.connections[0].heartbeats)
    await discord.ask_for_heartbeat()
    await discord.until(lambda: len(discord.gateway.connections[0].heartbeats) > beats, "a heartbeat")
    assert not bot.read

    await discord.cut()
    assert await bot.texts(until="unheard") == ["unheard"]


@pytest.mark.parametrize("rules", [DiscordRules(heartbeat=0.05)])
async def test_a_client_without_heartbeats_is_disconnected(discord: FakeDiscord) -> None:
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{discord.url}/gateway/?v=10") as socket:
        assert (await socket.receive_json())["op"] == 10
        assert (await socket.receive(10)).type is aiohttp.WSMsgType.CLOSE
        assert socket.close_code == 4000


@pytest.mark.parametrize(
    ("code", "query", "frames"),
    [
        (4012, "?v=5", []),
        (4001, "?v=10", ['{"op": 99}']),
        (4002, "?v=10", ["what?"]),
        (4002, "?v=10", ['{"op": 1, "d": "' + "x" * 5000 + '"}']),
        (4003, "?v=10", ['{"op": 3, "d": {}}']),
        (4004, "?v=10", ['{"op": 6, "d": {"token": "wrong", "session_id": "", "seq": 1}}']),
        (4005, "?v=10", ['{"op": 2, "d": {"token": "%s", "intents": 0}}' % TOKEN] * 2),  # noqa: UP031
        (4008, "?v=10", ['{"op": 1, "d": null}'] * 121),
    ],
)
async def test_bad_manners_at_the_gateway_have_their_codes(
    discord: FakeDiscord, code: int, query: str, frames: list[str]
) -> None:
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{discord.url}/gateway/{query}") as socket:
        for frame in frames:
            await socket.send_str(frame)
        async for _ in socket:
            pass
        assert socket.close_code == code


async def test_a_bot_that_leaves_is_offline_and_one_that_is_killed_stays_online_for_minutes(
    discord: FakeDiscord,
) -> None:
    async with running(Bot(discord)):
        assert await discord.is_online()
    await discord.until(lambda: discord.gateway.closes, "the end of the connection")
    assert [(close.code, close.by_bot) for close in await discord.closes()] == [(1000, True)]
    assert not await discord.is_online()

    async with running(Bot(discord)) as bot:
        assert bot.socket.socket._response.connection is not None
        transport = bot.socket.socket._response.connection.transport
        assert transport is not None
        discord.faults.add("503 before", "GET /*/", times=None)
        transport.abort()
        await discord.until(lambda: len(discord.gateway.closes) == 2, "the end of the connection")
        assert (await discord.closes())[-1].code == 1006
        assert not await discord.is_connected()
        assert await discord.is_online()
        await discord.advance(300)
        assert not await discord.is_online()


@pytest.mark.parametrize("rules", [DiscordRules(sessions_a_day=2)])
async def test_logins_are_counted_and_too_many_cost_the_token(discord: FakeDiscord) -> None:
    async with running(Bot(discord)) as bot:
        assert (await bot.http.get_bot_gateway())[2]["remaining"] == 1
        await discord.invalidate()
        await bot.hears("ready", 2)
    bot = Bot(discord)
    await bot.login(TOKEN)
    with pytest.raises(library.ConnectionClosed) as refused:
        await bot.connect()
    assert refused.value.code == 4004


async def test_it_keeps_its_world_and_port_while_it_is_down(discord: FakeDiscord) -> None:
    url = discord.url
    async with running(Bot(discord)) as bot:
        await discord.stop()
        await discord.say("while it was down")
        await discord.start()
        assert discord.url == url
        assert await bot.texts(until="while it was down") == ["while it was down"]
    assert [message.author for message in await discord.messages()] == [ANN]
