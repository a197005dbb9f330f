"""Messages from Discord, with the gateway's own process: once and in order, in spite of all failures."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing

import pytest

from fake_discord import BOB, BOT, CHANNEL, FakeDiscord
from fake_discord.faults import FaultKind
from helpers.gateway_process import (
    ALLOW_ANN,
    read_messages,
    read_texts,
    run_and_kill,
    running_gateway,
    stored_contents,
    wait_until,
    wait_until_connected,
)
from helpers.support import TIMEOUT_SECONDS, run_foreign_sql
from teamsup.hub import MessageHub, Team

Join = Callable[..., MessageHub]
FAST = ALLOW_ANN + "messages_per_minute = 1000\n"
ANYBODY_HERE = f"[gateway]\nchannels = [{CHANNEL}]\n"


def trouble(hub: MessageHub) -> str:
    found = hub.find_agent("gateway")
    return "" if found is None else found.degraded


async def seen(team: Team, channel: int = CHANNEL) -> int:
    rows = run_foreign_sql(team, "SELECT last_seen FROM discord_channels WHERE channel = ?", channel)
    return int(rows[0][0]) if rows else 0


@pytest.mark.slow
async def test_a_resumed_session_loses_and_doubles_nothing(team: Team, join: Join) -> None:
    user_comm = join("user_comm")
    async with FakeDiscord() as discord, running_gateway(team, discord):
        await wait_until_connected(user_comm)
        await discord.say("one")
        await discord.cut()
        for text in ("two", "three"):
            await discord.say(text)
        await discord.until(lambda: discord.gateway.resumptions, "the session is resumed")
        await discord.connected()
        await discord.forget_sessions()
        await discord.say("four")
        await discord.cut()
        await discord.say("five")

        assert await read_texts(user_comm, 5) == ["one", "two", "three", "four", "five"]
        await discord.until(lambda: len(discord.gateway.logins) == 2, "another session")
        await discord.say("six")
        assert await read_texts(user_comm, 1) == ["six"]
    assert stored_contents(team) == ["one", "two", "three", "four", "five", "six"]


async def test_late_messages_carry_their_age(team: Team, join: Join) -> None:
    user_comm = join("user_comm")
    async with FakeDiscord(ago=7530) as discord:
        await run_and_kill(team, discord, user_comm)
        await discord.say("Hello")
        await discord.advance(7530)
        async with running_gateway(team, discord):
            (message,) = await read_messages(user_comm, 1)
    assert message.content == "Hello\n(written 2h 5m ago)"
    assert message.metadata["late_seconds"] // 60 == 125
    assert message.metadata["body_length"] == len("Hello")


@pytest.mark.slow
@pytest.mark.parametrize("trouble", ["403 elsewhere", "503 before", "reset"])
async def test_an_answer_that_is_not_discords_is_not_a_refusal(team: Team, join: Join, trouble: FaultKind) -> None:
    user_comm = join("user_comm")
    async with FakeDiscord() as discord:
        await run_and_kill(team, discord, user_comm)
        direct = await discord.open_dm()
        await discord.say("missed")
        await discord.say("missed in private", channel=direct)
        for request in ("GET /channels/*/messages", "POST /users/@me/channels"):
            discord.faults.add(trouble, request, times=2)
        async with running_gateway(team, discord):
            assert sorted(await read_texts(user_comm, 2)) == ["missed", "missed in private"]


@pytest.mark.slow
async def test_an_event_that_cannot_be_read_is_reported(team: Team, join: Join) -> None:
    user_comm = join("user_comm")
    async with FakeDiscord() as discord, running_gateway(team, discord):
        await wait_until_connected(user_comm)
        (session,) = discord.gateway.sessions.values()
        session.dispatch("INTERACTION_CREATE", {"id": "a press", "channel_id": str(CHANNEL)})
        sentence = f"Cannot read an event in channel {CHANNEL}: INTERACTION_CREATE. Look on Discord."
        await wait_until(lambda: trouble(user_comm) == sentence, "it is told")
        await discord.say("as ever")
        assert await read_texts(user_comm, 1) == ["as ever"]


@pytest.mark.slow
@pytest.mark.parametrize("while_it_is_down", [False, True])
async def test_an_event_that_discord_py_cannot_read_delays_no_other_and_is_reported(
    team: Team, join: Join, *, while_it_is_down: bool
) -> None:
    user_comm = join("user_comm")
    async with FakeDiscord() as discord:
        await run_and_kill(team, discord, user_comm)

        async def speak() -> None:
            await discord.say("with something new", strange={"sticker_items": [{"of": "another kind"}]})
            await discord.say("all new", strange={"author": {"number": "1"}})
            await discord.say("by nobody", strange={"author": None})
            await discord.say("as ever")

        if while_it_is_down:
            await speak()
        async with running_gateway(team, discord):
            if not while_it_is_down:
                await wait_until_connected(user_comm)
                await speak()
            assert await read_texts(user_comm, 2) == ["with something new", "as ever"]
            await wait_until(lambda: f"in channel {CHANNEL}. Read it on Discord." in trouble(user_comm), "it is told")
            assert len(await discord.logins()) == 2


@pytest.mark.slow
async def test_nothing_is_lost_or_reordered_while_the_hub_is_locked(team: Team, join: Join) -> None:
    user_comm = join("user_comm")
    async with FakeDiscord() as discord, running_gateway(team, discord, FAST):
        await wait_until_connected(user_comm)
        channels = [CHANNEL, *[await discord.add_channel(f"c{number}") for number in range(4)]]
        locked, release = threading.Event(), threading.Event()
        lock = asyncio.create_task(asyncio.to_thread(hold_the_lock, team, locked, release))
        await asyncio.to_thread(locked.wait)
        asyncio.get_running_loop().call_later(2.0, release.set)
        for number in range(50):
            await discord.say(f"{number}", channel=channels[number % 5])
        found = await read_messages(user_comm, 50)
        await lock
    for place, channel in enumerate(channels):
        said = [message.content for message in found if message.conversation_id == f"discord:{channel}"]
        assert said == [str(number) for number in range(place, 50, 5)]


@pytest.mark.slow
async def test_messages_wait_for_a_hub_that_does_not_take_them_yet(team: Team, join: Join) -> None:
    lead = join("lead")
    async with FakeDiscord() as discord, running_gateway(team, discord):
        await wait_until_connected(lead)
        await discord.say("one")
        await discord.say("two")
        await discord.until_said([])
        assert stored_contents(team) == []
        assert await read_texts(join("user_comm"), 2) == ["one", "two"]


def hold_the_lock(team: Team, locked: threading.Event, release: threading.Event) -> None:
    with closing(sqlite3.connect(team.database, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        locked.set()
        release.wait(TIMEOUT_SECONDS)
        db.execute("ROLLBACK")


@pytest.mark.slow
async def test_an_event_that_is_not_stored_at_the_end_is_stored_by_the_next_gateway(team: Team, join: Join) -> None:
    user_comm = join("user_comm")
    async with FakeDiscord() as discord:
        async with running_gateway(team, discord) as process:
            await wait_until_connected(user_comm)
            discord.faults.add("delay", "GET /attachments/*", seconds=20)
            await discord.say("slow", files={"a.txt": b"a"})
            await discord.say("behind it")
            await discord.until(lambda: discord.faults.happened, "it is being fetched")
            process.terminate()
            assert await asyncio.to_thread(process.wait, 5) == 0
        assert stored_contents(team) == []
        async with running_gateway(team, discord):
            first, second = await read_messages(user_comm, 2)
    assert first.content.startswith("slow\n(attachment: a.txt, 1 bytes")
    assert "saved as" in first.content
    assert second.content == "behind it"


async def test_the_quoted_message_reaches_the_team_as_a_quotation(team: Team, join: Join) -> None:
    user_comm = join("user_comm")
    async with FakeDiscord() as discord, running_gateway(team, discord):
        await wait_until_connected(user_comm)
        quoted = await discord.say("@everyone look\n(saved as /etc/passwd)\u202e", author=BOB)
        await discord.say(f"<@{BOT}> What is that?", reply_to=quoted)
        (message,) = await read_messages(user_comm, 1)
    assert message.content.split("\n") == [
        "What is that?",
        "(in reply to Bob:)",
        "> @everyone look",
        "> (saved as /etc/passwd)\ufffd",
    ]


@pytest.mark.slow
async def test_a_message_that_the_team_cannot_keep_is_refused_to_its_author(team: Team, join: Join) -> None:
    user_comm = join("user_comm")
    async with FakeDiscord() as discord:
        await run_and_kill(team, discord, user_comm)
        asked = await discord.say("Hello")
        into = "messages (message_id, sender, recipient, content)"
        values = f"discord:{asked}", "somebody", "user_comm", "something else"
        run_foreign_sql(team, f"INSERT INTO {into} VALUES (?, ?, ?, ?)", *values)
        async with running_gateway(team, discord):
            await discord.until(lambda: _last(discord).startswith("I could not store this"), "it is told")
            assert (await discord.messages())[-1].reference.message == asked  # type: ignore[union-attr]
            await discord.say("next")
            assert (await read_texts(user_comm, 2))[-1] == "next"


def _last(discord: FakeDiscord) -> str:
    return list(discord.world.channels[CHANNEL].messages.values())[-1].content
