"""What comes in from Discord, with the gateway's own process: once, in order, also what was written meanwhile."""

import asyncio
import subprocess
import threading
from collections.abc import Callable

import pytest

from fake_discord import ANN, BOB, BOT, CHANNEL, OTHER_BOT, FakeDiscord, May
from fake_discord.faults import Kind
from gateway_process import ALLOW_ANN, connected, gateway, start, until
from support import as_foreign_program
from teamsup.hub import Message, MessageHub, Team

Join = Callable[..., MessageHub]
FAST = ALLOW_ANN + "messages_per_minute = 1000\n"
ANYBODY_HERE = f"[gateway]\nchannels = [{CHANNEL}]\n"


def claim(hub: MessageHub, count: int) -> list[Message]:
    found: list[Message] = []
    while len(found) < count and hub.wait(20):
        for delivery in hub.claim():
            hub.acknowledge(delivery)
            found.append(delivery.message)
    return found


async def read(hub: MessageHub, count: int) -> list[Message]:
    """The next ones for that agent, which has then read them."""
    return await asyncio.to_thread(claim, hub, count)


async def texts(hub: MessageHub, count: int) -> list[str]:
    return [message.content for message in await read(hub, count)]


def stored(team: Team) -> list[str]:
    """The content of all that the gateway has ever stored."""
    return [
        row[0] for row in as_foreign_program(team, "SELECT content FROM messages WHERE sender = 'gateway' ORDER BY id")
    ]


async def kill(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    await asyncio.to_thread(process.wait, 20)


async def run_and_kill(team: Team, discord: FakeDiscord, hub: MessageHub, toml: str = ALLOW_ANN) -> None:
    """The gateway has been here, has heard something, and is gone."""
    team.create()
    team.configuration.write_text(toml)
    process = start(team, discord)
    try:
        await connected(hub)
        await discord.say("before")
        assert await texts(hub, 1) == ["before"]
    finally:
        await kill(process)


async def seen(team: Team, channel: int = CHANNEL) -> int:
    rows = as_foreign_program(team, "SELECT last_seen FROM discord_places WHERE channel = ?", channel)
    return int(rows[0][0]) if rows else 0


def test_what_was_written_while_it_was_down_is_caught_up_in_order(team: Team, join: Join) -> None:
    async def use() -> None:
        user_comm = join("user_comm")
        async with FakeDiscord() as discord:
            await run_and_kill(team, discord, user_comm)
            missed = [f"missed {number}" for number in range(150)]
            for text in missed:
                await discord.say(text)
            async with gateway(team, discord, FAST):
                await discord.say("live")
                assert await texts(user_comm, 151) == [*missed, "live"]
            async with gateway(team, discord, FAST):
                await discord.say("later")
                assert await texts(user_comm, 1) == ["later"]
        assert stored(team) == ["before", *missed, "live", "later"]

    asyncio.run(use())


def test_live_messages_wait_for_what_was_missed_before_them(team: Team, join: Join) -> None:
    async def use() -> None:
        user_comm = join("user_comm")
        async with FakeDiscord() as discord:
            await run_and_kill(team, discord, user_comm)
            await discord.say("missed")
            discord.faults.add("503 before", f"GET /channels/{CHANNEL}/messages", times=2)
            async with gateway(team, discord):
                await discord.connected()
                await discord.say("live")
                assert await texts(user_comm, 2) == ["missed", "live"]
        assert stored(team) == ["before", "missed", "live"]

    asyncio.run(use())


def test_the_first_start_takes_in_nothing_that_was_written_before(team: Team, join: Join) -> None:
    async def use() -> None:
        user_comm = join("user_comm")
        async with FakeDiscord(ago=1) as discord:
            await discord.say("long ago")
            await discord.advance(1)
            async with gateway(team, discord):
                await connected(user_comm)
                await discord.say("now")
                assert await texts(user_comm, 1) == ["now"]

    asyncio.run(use())


def test_places_made_meanwhile_are_caught_up_from_their_beginning(team: Team, join: Join) -> None:
    async def use() -> None:
        user_comm = join("user_comm")
        async with FakeDiscord() as discord:
            await run_and_kill(team, discord, user_comm)
            channel = await discord.add_channel("new")
            await discord.say("first there", channel=channel)
            thread = await discord.open_thread("a thread", channel=channel)
            await discord.say("in a thread", channel=thread)
            async with gateway(team, discord):
                found = await read(user_comm, 2)
        assert {(message.content, message.conversation_id) for message in found} == {
            ("first there", f"discord:{channel}"),
            ("in a thread", f"discord:{thread}"),
        }

    asyncio.run(use())


def test_a_server_that_discord_lost_for_a_while_is_caught_up(team: Team, join: Join) -> None:
    async def use() -> None:
        user_comm = join("user_comm")
        async with FakeDiscord() as discord:
            await run_and_kill(team, discord, user_comm)
            channel = await discord.add_channel("new")
            await discord.lose_guild()
            await discord.say("missed", channel=channel)
            async with gateway(team, discord):
                await connected(user_comm)
                await discord.find_guild()
                assert await texts(user_comm, 1) == ["missed"]
                await discord.lose_guild()
                await discord.say("missed again", channel=channel)
                await discord.find_guild()
                assert await texts(user_comm, 1) == ["missed again"]

    asyncio.run(use())


def test_what_was_written_before_the_bot_was_invited_is_not_for_it(team: Team, join: Join) -> None:
    async def use() -> None:
        user_comm = join("user_comm")
        async with FakeDiscord() as discord, gateway(team, discord):
            await connected(user_comm)
            await discord.remove_bot()
            channel = await discord.add_channel("general")
            await discord.say("before", channel=channel)
            await discord.invite_bot()
            await discord.say("now", channel=channel)
            assert await texts(user_comm, 1) == ["now"]

    asyncio.run(use())


def test_direct_messages_are_caught_up_also_the_first_of_somebody(team: Team, join: Join) -> None:
    async def use() -> None:
        user_comm = join("user_comm")
        async with FakeDiscord() as discord:
            toml = f"[gateway]\nusers = [{ANN}, {BOB}]\n"
            await run_and_kill(team, discord, user_comm, toml)
            anns, bobs = await discord.open_dm(ANN), await discord.open_dm(BOB)
            await discord.say("from Bob", channel=bobs, author=BOB)
            async with gateway(team, discord, toml) as process:
                assert await texts(user_comm, 1) == ["from Bob"]
                await discord.say("from Ann", channel=anns)
                assert await texts(user_comm, 1) == ["from Ann"]
                await kill(process)
                process.returncode = 0
            await discord.say("again", channel=anns)
            async with gateway(team, discord, toml):
                (again,) = await read(user_comm, 1)
        assert (again.content, again.conversation_id) == ("again", f"discord:{anns}")
        assert stored(team) == ["before", "from Bob", "from Ann", "again"]

    asyncio.run(use())


def test_a_resumed_session_loses_and_doubles_nothing(team: Team, join: Join) -> None:
    async def use() -> None:
        user_comm = join("user_comm")
        async with FakeDiscord() as discord, gateway(team, discord):
            await connected(user_comm)
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

            assert await texts(user_comm, 5) == ["one", "two", "three", "four", "five"]
            await discord.until(lambda: len(discord.gateway.logins) == 2, "another session")
            await discord.say("six")
            assert await texts(user_comm, 1) == ["six"]
        assert stored(team) == ["one", "two", "three", "four", "five", "six"]

    asyncio.run(use())


def test_late_messages_carry_their_age(team: Team, join: Join) -> None:
    async def use() -> None:
        user_comm = join("user_comm")
        async with FakeDiscord(ago=7530) as discord, gateway(team, discord):
            await connected(user_comm)
            await discord.say("Hello")
            (message,) = await read(user_comm, 1)
        assert message.content == "Hello\n(written 2h 5m ago)"
        assert message.metadata["late_seconds"] // 60 == 125
        assert message.metadata["words"] == len("Hello")

    asyncio.run(use())


@pytest.mark.parametrize(
    ("toml", "taken", "why"),
    [
        ("catch_up_messages = 2", ["three", "four"], "more than 2 messages"),
        ("catch_up_hours = 0.5", ["three", "four"], "messages older than 0.5 hours"),
        ("catch_up_messages = 0", [], "more than 0 messages"),
    ],
)
def test_what_is_passed_over_is_said(team: Team, join: Join, toml: str, taken: list[str], why: str) -> None:
    async def use() -> None:
        user_comm = join("user_comm")
        async with FakeDiscord(ago=7200) as discord:
            toml_of_all = ALLOW_ANN + toml + "\n"
            team.create()
            team.configuration.write_text(toml_of_all)
            as_foreign_program(team, "INSERT INTO discord_facts VALUES ('beginning', '0')")
            as_foreign_program(team, f"INSERT INTO discord_places VALUES ({CHANNEL}, 1, NULL)")
            for text in ("one", "two"):
                await discord.say(text)
            await discord.advance(7200)
            for text in ("three", "four"):
                await discord.say(text)
            async with gateway(team, discord, toml_of_all):
                notice, *found = await read(user_comm, 1 + len(taken))
                assert [message.content for message in found] == taken
                assert notice.message_type == "notification"
                assert why in notice.content
                assert "#general" in notice.content
                await discord.say("live")
                assert await texts(user_comm, 1) == ["live"]

    asyncio.run(use())


@pytest.mark.parametrize("trouble", ["403 elsewhere", "503 before", "reset"])
def test_what_is_no_word_of_discords_is_no_refusal(team: Team, join: Join, trouble: Kind) -> None:
    async def use() -> None:
        user_comm = join("user_comm")
        async with FakeDiscord() as discord:
            await run_and_kill(team, discord, user_comm)
            direct = await discord.open_dm()
            await discord.say("missed")
            await discord.say("missed in private", channel=direct)
            for request in ("GET /channels/*/messages", "POST /users/@me/channels"):
                discord.faults.add(trouble, request, times=2)
            async with gateway(team, discord):
                assert sorted(await texts(user_comm, 2)) == ["missed", "missed in private"]

    asyncio.run(use())


@pytest.mark.parametrize("while_it_is_down", [False, True])
def test_what_discord_py_cannot_read_holds_up_nothing(team: Team, join: Join, *, while_it_is_down: bool) -> None:
    async def use() -> None:
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
            async with gateway(team, discord):
                if not while_it_is_down:
                    await connected(user_comm)
                    await speak()
                assert await texts(user_comm, 2) == ["with something new", "as ever"]
                assert len(await discord.logins()) == 2

    asyncio.run(use())


def test_places_that_cannot_be_read_are_passed_over(team: Team, join: Join) -> None:
    async def use() -> None:
        user_comm = join("user_comm")
        async with FakeDiscord() as discord:
            await run_and_kill(team, discord, user_comm)
            hidden, gone = await discord.add_channel("hidden"), await discord.add_channel("gone")
            as_foreign_program(team, f"INSERT INTO discord_places VALUES ({hidden}, 1, NULL), ({gone}, 1, NULL)")
            await discord.forbid(hidden, May.VIEW_CHANNEL)
            await discord.remove_channel(gone)
            await discord.say("missed")
            async with gateway(team, discord):
                assert await texts(user_comm, 1) == ["missed"]

    asyncio.run(use())


def test_what_was_written_where_the_bot_could_not_read_is_caught_up(team: Team, join: Join) -> None:
    async def use() -> None:
        user_comm = join("user_comm")
        async with FakeDiscord() as discord, gateway(team, discord):
            await connected(user_comm)
            thread = await discord.open_thread("aside")
            for place in (CHANNEL, thread):
                await discord.say("before", channel=place)
            assert await texts(user_comm, 2) == ["before", "before"]

            await discord.forbid(CHANNEL, May.VIEW_CHANNEL)
            await discord.say("meanwhile")
            await discord.say("meanwhile, aside", channel=thread)
            await discord.forbid(CHANNEL)
            await discord.say("after")
            assert sorted(await texts(user_comm, 3)) == ["after", "meanwhile", "meanwhile, aside"]
            assert [text for text in stored(team) if text != "meanwhile, aside"][-2:] == ["meanwhile", "after"]

    asyncio.run(use())


def test_nothing_is_lost_or_reordered_while_the_hub_is_locked(team: Team, join: Join) -> None:
    async def use() -> None:
        user_comm = join("user_comm")
        async with FakeDiscord() as discord, gateway(team, discord, FAST):
            await connected(user_comm)
            channels = [CHANNEL, *[await discord.add_channel(f"c{number}") for number in range(4)]]
            locked, release = threading.Event(), threading.Event()
            lock = asyncio.create_task(asyncio.to_thread(hold_the_lock, team, locked, release))
            await asyncio.to_thread(locked.wait)
            asyncio.get_running_loop().call_later(2.0, release.set)
            for number in range(50):
                await discord.say(f"{number}", channel=channels[number % 5])
            found = await read(user_comm, 50)
            await lock
        for place, channel in enumerate(channels):
            said = [message.content for message in found if message.conversation_id == f"discord:{channel}"]
            assert said == [str(number) for number in range(place, 50, 5)]

    asyncio.run(use())


def test_messages_wait_for_a_hub_that_does_not_take_them_yet(team: Team, join: Join) -> None:
    async def use() -> None:
        lead = join("lead")
        async with FakeDiscord() as discord, gateway(team, discord):
            await connected(lead)
            await discord.say("one")
            await discord.say("two")
            await discord.until_said([])
            assert stored(team) == []
            assert await texts(join("user_comm"), 2) == ["one", "two"]

    asyncio.run(use())


def hold_the_lock(team: Team, locked: threading.Event, release: threading.Event) -> None:
    import sqlite3

    with sqlite3.connect(team.database, isolation_level=None) as db:
        db.execute("BEGIN IMMEDIATE")
        locked.set()
        release.wait(10)
        db.execute("ROLLBACK")
    db.close()


def test_an_edit_before_it_is_read_replaces_it(team: Team, join: Join) -> None:
    async def use() -> None:
        user_comm = join("user_comm")
        async with FakeDiscord() as discord, gateway(team, discord):
            await connected(user_comm)
            asked = await discord.say("wrnog")
            await until(lambda: stored(team) == ["wrnog"], "it is stored")
            await discord.preview_link(asked)
            await discord.edit(asked, "wrong")
            await discord.edit(asked, "right")
            await discord.say("next")
            await until(lambda: stored(team)[-1] == "next", "all is stored")
            first, second = await read(user_comm, 2)
        assert (first.content, second.content) == ("right", "next")
        assert first.message_id.startswith(f"discord:{asked}:")
        assert user_comm.trace(f"discord:{asked}")[0].state == "cancelled"

    asyncio.run(use())


def test_an_edit_after_it_is_read_follows_it(team: Team, join: Join) -> None:
    async def use() -> None:
        user_comm = join("user_comm")
        async with FakeDiscord() as discord, gateway(team, discord):
            await connected(user_comm)
            asked = await discord.say("wrnog")
            await read(user_comm, 1)
            await discord.preview_link(asked)
            await discord.edit(asked, "right")
            await discord.preview_link(asked)
            (edited,) = await read(user_comm, 1)
            await discord.say("next")
            assert await texts(user_comm, 1) == ["next"]
        assert (edited.content, edited.message_type) == ("edited: right", "edited")
        assert (edited.reply_to, edited.conversation_id) == (f"discord:{asked}", f"discord:{CHANNEL}")

    asyncio.run(use())


def test_an_edit_while_it_was_down_is_found(team: Team, join: Join) -> None:
    async def use() -> None:
        user_comm = join("user_comm")
        async with FakeDiscord() as discord:
            async with gateway(team, discord):
                await connected(user_comm)
                asked = [await discord.say(text) for text in ("read", "unread", "untouched")]
                await until(lambda: len(stored(team)) == 3, "all are stored")
                assert await texts(user_comm, 1) == ["read"]
            await discord.edit(asked[0], "read, edited")
            await discord.edit(asked[1], "unread, edited")
            async with gateway(team, discord):
                await until(lambda: len(stored(team)) == 5, "the edits are stored")
            async with gateway(team, discord):
                await connected(user_comm)
                await discord.say("next")
                assert await texts(user_comm, 4) == ["untouched", "edited: read, edited", "unread, edited", "next"]

    asyncio.run(use())


def test_a_deletion_before_it_is_read_withdraws_it(team: Team, join: Join) -> None:
    async def use() -> None:
        user_comm = join("user_comm")
        async with FakeDiscord() as discord, gateway(team, discord):
            await connected(user_comm)
            asked = [await discord.say(text) for text in ("one", "two", "three")]
            await until(lambda: len(stored(team)) == 3, "all are stored")
            await discord.delete(asked[0])
            await discord.delete_many(asked[1:])
            await discord.say("next")
            await until(lambda: len(stored(team)) == 4, "the next is stored")
            assert await texts(user_comm, 1) == ["next"]

    asyncio.run(use())


def test_a_deletion_after_it_is_read_is_told(team: Team, join: Join) -> None:
    async def use() -> None:
        user_comm = join("user_comm")
        async with FakeDiscord() as discord, gateway(team, discord):
            await connected(user_comm)
            asked = await discord.say("one")
            await read(user_comm, 1)
            await discord.delete(asked)
            (deleted,) = await read(user_comm, 1)
        assert (deleted.message_type, deleted.reply_to) == ("deleted", f"discord:{asked}")

    asyncio.run(use())


def test_attachments_are_fetched_into_the_teams_folder(team: Team, join: Join) -> None:
    async def use() -> None:
        user_comm = join("user_comm")
        async with FakeDiscord() as discord, gateway(team, discord, ALLOW_ANN + "file_mib = 0.01\n"):
            await connected(user_comm)
            files = {"report.pdf": b"x" * 5000, "large.bin": b"y" * 20_000}
            asked = await discord.say("Look:", files=files)
            alone = await discord.say("", files={"a.txt": b"alone"})
            (both, only) = await read(user_comm, 2)
        path = team.folder / "files" / "discord" / str(asked) / "report.pdf"
        assert path.read_bytes() == files["report.pdf"]
        assert path.stat().st_mode & 0o777 == 0o600
        assert both.content.startswith("Look:\n(attachment: report.pdf, 5,000 bytes, ")
        assert f"saved as {path}; http" in both.content
        assert "large.bin, 20,000 bytes" in both.content
        assert "too large to be fetched; http" in both.content
        assert not path.with_name("large.bin").exists()
        assert only.message_id == f"discord:{alone}"
        assert only.content.startswith("(attachment: a.txt, 5 bytes")
        assert only.metadata["words"] == 0

    asyncio.run(use())


def test_a_slow_attachment_holds_up_its_channel_only(team: Team, join: Join) -> None:
    async def use() -> None:
        user_comm = join("user_comm")
        async with FakeDiscord() as discord, gateway(team, discord):
            await connected(user_comm)
            other = await discord.add_channel("other")
            discord.faults.add("delay", "GET /attachments/*", seconds=3)
            slow = await discord.say("slow", files={"a.txt": b"a"})
            await discord.say("behind it")
            await discord.say("elsewhere", channel=other)
            found = await read(user_comm, 3)
        assert [message.content.split("\n")[0] for message in found] == ["elsewhere", "slow", "behind it"]
        assert (team.folder / "files" / "discord" / str(slow) / "a.txt").read_bytes() == b"a"

    asyncio.run(use())


def test_what_is_not_stored_when_it_ends_is_stored_by_the_next(team: Team, join: Join) -> None:
    async def use() -> None:
        user_comm = join("user_comm")
        async with FakeDiscord() as discord:
            async with gateway(team, discord) as process:
                await connected(user_comm)
                discord.faults.add("delay", "GET /attachments/*", seconds=20)
                await discord.say("slow", files={"a.txt": b"a"})
                await discord.say("behind it")
                await discord.until(lambda: discord.faults.happened, "it is being fetched")
                process.terminate()
                assert await asyncio.to_thread(process.wait, 5) == 0
            assert stored(team) == []
            async with gateway(team, discord):
                first, second = await read(user_comm, 2)
        assert first.content.startswith("slow\n(attachment: a.txt, 1 bytes")
        assert "saved as" in first.content
        assert second.content == "behind it"

    asyncio.run(use())


def test_an_attachment_that_cannot_be_fetched_is_named_all_the_same(team: Team, join: Join) -> None:
    async def use() -> None:
        user_comm = join("user_comm")
        async with FakeDiscord() as discord, gateway(team, discord):
            await connected(user_comm)
            discord.faults.add("503 before", "GET /attachments/*")
            await discord.say("broken", files={"a.txt": b"a"})
            (message,) = await read(user_comm, 1)
        assert "a.txt, 1 bytes" in message.content
        assert "could not be fetched" in message.content

    asyncio.run(use())


def test_the_quoted_message_reaches_the_team_as_a_quotation(team: Team, join: Join) -> None:
    async def use() -> None:
        user_comm = join("user_comm")
        async with FakeDiscord() as discord, gateway(team, discord):
            await connected(user_comm)
            quoted = await discord.say("@everyone look\n" + "x" * 400, author=BOB)
            await discord.say("What is that?", reply_to=quoted)
            (message,) = await read(user_comm, 1)
        own, line, *quotation = message.content.split("\n")
        assert (own, line) == ("What is that?", "(in reply to Bob:)")
        assert quotation[0] == "> @\u200beveryone look"
        assert all(each.startswith("> ") for each in quotation)
        assert len("".join(quotation)) <= 310

    asyncio.run(use())


@pytest.mark.parametrize(
    ("toml", "heard"),
    [
        ("users = [{ANN}]", {"Ann", "Ann in a thread", "Ann directly", "Ann elsewhere"}),
        ("channels = [{CHANNEL}]", {"Ann", "Bob", "Ann in a thread"}),
        ("guilds = [{GUILD}]", {"Ann", "Bob", "Ann in a thread", "Ann elsewhere"}),
        ("roles = [{OPERATORS}]", {"Bob"}),
        ("bots = [{OTHER_BOT}]", {"Botty"}),
        ("", set()),
    ],
)
def test_who_is_heard_where(team: Team, join: Join, toml: str, heard: set[str]) -> None:
    async def use() -> None:
        import fake_discord

        user_comm = join("user_comm")
        names = {name: getattr(fake_discord, name) for name in ("ANN", "CHANNEL", "GUILD", "OPERATORS", "OTHER_BOT")}
        section = "[gateway]\n" + toml.format(**names) + "\n"

        async def everybody_says(discord: FakeDiscord) -> None:
            await discord.say("Ann")
            await discord.say("Bob", author=BOB)
            await discord.say("Botty", author=OTHER_BOT)
            await discord.say("Ann in a thread", channel=thread)
            await discord.say("Ann elsewhere", channel=other)
            await discord.say("Ann directly", channel=direct)

        async with FakeDiscord() as discord:
            await discord.give_role(fake_discord.OPERATORS, BOB)
            thread, direct = await discord.open_thread("thread"), await discord.open_dm(ANN)
            other = await discord.add_channel("other")
            async with gateway(team, discord, section):
                await connected(user_comm)
                await everybody_says(discord)
                assert set(await texts(user_comm, len(heard))) == heard
            # Also what Discord's history tells, which has less in it.
            await everybody_says(discord)
            async with gateway(team, discord, section):
                await connected(user_comm)
                assert set(await texts(user_comm, len(heard))) == heard
        assert sorted(stored(team)) == sorted([*heard, *heard])

    asyncio.run(use())


def test_more_than_allowed_in_a_minute_waits_and_is_said_to(team: Team, join: Join) -> None:
    async def use() -> None:
        user_comm = join("user_comm")
        async with FakeDiscord() as discord, gateway(team, discord, ANYBODY_HERE + "messages_per_minute = 3\n"):
            await connected(user_comm)
            for number in range(5):
                await discord.say(f"Ann {number}")
            assert await texts(user_comm, 3) == ["Ann 0", "Ann 1", "Ann 2"]
            await discord.until(
                lambda: any(
                    "3 messages a minute" in each.content
                    for each in discord.world.channels[CHANNEL].messages.values()
                    if each.author == BOT
                ),
                "it is said",
            )

    asyncio.run(use())
