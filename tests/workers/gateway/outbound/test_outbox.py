"""The way out, with the gateway's own process: after any failure each chunk of an answer is there once, in order."""

import asyncio
import signal
from collections.abc import Callable

import pytest

from fake_discord import ANN, BOT, CHANNEL, REAL_LIMITS, DiscordRules, FakeDiscord, Permission
from fake_discord.faults import FaultKind
from fake_discord.world.models import SUPPRESS_EMBEDS, FakeReference
from helpers.gateway_process import (
    ALLOW_ANN,
    gateway_with_hub,
    next_delivery,
    outcome_of,
    running_gateway,
    send_to_gateway,
    start_gateway,
    wait_until,
    wait_until_connected,
    wait_until_sent,
)
from helpers.support import TIMEOUT_SECONDS, run_foreign_sql
from teamsup.hub import Message, MessageHub, Team
from teamsup.workers.gateway.outbound.chunking import split

Join = Callable[..., MessageHub]
SAYING = f"POST /channels/{CHANNEL}/messages"
LONG = "\n\n".join(f"Part {number}. " + "word " * 300 for number in range(5))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["lost reply", "reset", "503 before", "503 after", "429"])
async def test_trouble_on_the_way_gives_exactly_one_message(team: Team, join: Join, kind: FaultKind) -> None:
    async with gateway_with_hub(team, join) as (discord, user_comm):
        discord.faults.add(kind, SAYING, times=2)
        first = send_to_gateway(user_comm, "one")
        second = send_to_gateway(user_comm, "two")

        await wait_until_sent(user_comm, first, second)
        assert await discord.said() == ["one", "two"]


@pytest.mark.slow
async def test_invisible_characters_are_shown(team: Team, join: Join) -> None:
    async with gateway_with_hub(team, join) as (discord, user_comm):
        await wait_until_sent(
            user_comm, send_to_gateway(user_comm, "pay \u202e001\u202c EUR\u200b\U000e0041 \u2764\ufe0f")
        )
        assert await discord.said() == ["pay \ufffd001\ufffd EUR\ufffd\ufffd \u2764\ufe0f"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["500 before", "lost reply", "503 after"])
async def test_trouble_in_the_middle_of_a_long_answer_doubles_no_chunk(team: Team, join: Join, kind: FaultKind) -> None:
    async with gateway_with_hub(team, join) as (discord, user_comm):
        discord.faults.add(kind, SAYING, skip=2)
        await wait_until_sent(user_comm, send_to_gateway(user_comm, LONG), send_to_gateway(user_comm, "after it"))
        assert await discord.said() == [piece.strip() for piece in split(LONG)] + ["after it"]


@pytest.mark.slow
async def test_a_gateway_that_is_killed_repeatedly_continues_where_it_was(team: Team, join: Join) -> None:
    user_comm = join("user_comm")
    team.create()
    team.configuration.write_text(ALLOW_ANN)
    user_comm.enroll("gateway", "daemon")
    message = send_to_gateway(user_comm, LONG)
    async with FakeDiscord() as discord:
        discord.faults.add("slow reply", SAYING, times=None, seconds=0.3)
        for done in range(1, 4):
            process = start_gateway(team, discord)
            await _has_said(discord, done)
            process.kill()
            await asyncio.to_thread(process.wait, TIMEOUT_SECONDS)
        async with running_gateway(team, discord):
            await wait_until_sent(user_comm, message)
        assert await discord.said() == [piece.strip() for piece in split(LONG)]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["lost reply", "reset"])
async def test_when_discord_has_forgotten_the_nonce_the_channel_is_asked(
    team: Team, join: Join, kind: FaultKind
) -> None:
    user_comm = join("user_comm")
    team.create()
    team.configuration.write_text(ALLOW_ANN)
    async with FakeDiscord() as discord:
        process = start_gateway(team, discord)
        await wait_until_connected(user_comm)
        discord.faults.add("drop", "event MESSAGE_CREATE", times=None)
        discord.faults.add(kind, SAYING, times=1)
        discord.faults.add("reset", SAYING, times=None)
        message = send_to_gateway(user_comm, "only once")
        await wait_until(lambda: _begun(user_comm, message), "it was begun")
        await discord.until(lambda: any(each.method == "POST" for each in discord.rest.requests), "it was sent")
        process.kill()
        await asyncio.to_thread(process.wait, TIMEOUT_SECONDS)
        discord.faults.clear()

        await discord.advance(400)
        _make_old(user_comm, message)
        async with running_gateway(team, discord):
            await wait_until_sent(user_comm, message)
        assert await discord.said() == ["only once"]


@pytest.mark.slow
async def test_the_same_words_said_before_are_not_taken_for_what_is_looked_for(team: Team, join: Join) -> None:
    user_comm = join("user_comm")
    async with FakeDiscord() as discord:
        async with running_gateway(team, discord):
            await wait_until_connected(user_comm)
            await wait_until_sent(user_comm, send_to_gateway(user_comm, "yes"))
        process = start_gateway(team, discord)
        await wait_until_connected(user_comm)
        discord.faults.add("reset", SAYING, times=None)
        message = send_to_gateway(user_comm, "yes")
        await wait_until(lambda: _begun(user_comm, message), "it was begun")
        process.kill()
        await asyncio.to_thread(process.wait, TIMEOUT_SECONDS)
        discord.faults.clear()

        await discord.advance(400)
        _make_old(user_comm, message)
        async with running_gateway(team, discord):
            await wait_until_sent(user_comm, message)
        assert await discord.said() == ["yes", "yes"]


@pytest.mark.slow
async def test_white_space_from_a_foreign_program_holds_up_nothing(team: Team, join: Join) -> None:
    async with gateway_with_hub(team, join) as (discord, user_comm):
        into = "messages (message_id, sender, recipient, content, conversation_id)"
        values = "blank", "user_comm", "gateway", " ", f"discord:{CHANNEL}"
        run_foreign_sql(team, f"INSERT INTO {into} VALUES (?, ?, ?, ?, ?)", *values)
        await wait_until_sent(user_comm, send_to_gateway(user_comm, "next"))
        assert await discord.said() == ["next"]
        assert outcome_of(user_comm, user_comm.queries.message("blank")) == "refused: Cannot send an empty message"


@pytest.mark.slow
async def test_without_the_right_to_read_the_history_it_is_said_without_reference(team: Team, join: Join) -> None:
    async with gateway_with_hub(team, join) as (discord, user_comm):
        await discord.forbid(CHANNEL, Permission.READ_MESSAGE_HISTORY)
        await discord.say("Hello")
        user_comm.reply(await next_delivery(user_comm), "Hi")
        await discord.until_said(["Hi"])
        assert (await discord.messages())[-1].reference is None


@pytest.mark.slow
async def test_nobody_is_pinged_but_whom_the_sender_names(team: Team, join: Join) -> None:
    async with gateway_with_hub(team, join) as (discord, user_comm):
        text = f"<@{ANN}> @everyone look"
        await wait_until_sent(
            user_comm, send_to_gateway(user_comm, text), send_to_gateway(user_comm, text, metadata={"ping": [ANN]})
        )
        quiet, loud = await discord.messages(author=BOT)
        assert not quiet.pings
        assert (loud.mentions, loud.mention_everyone) == ([ANN], False)


@pytest.mark.slow
async def test_without_link_previews_discord_adds_none(team: Team, join: Join) -> None:
    async with gateway_with_hub(team, join, toml=ALLOW_ANN + "link_previews = false\n") as (discord, user_comm):
        plain = send_to_gateway(user_comm, "https://example.org")
        alert = send_to_gateway(user_comm, "https://example.org", metadata={"alert": {"title": "web-1"}})
        await wait_until_sent(user_comm, plain, alert)
        first, second = await discord.messages(author=BOT)
        assert first.flags & SUPPRESS_EMBEDS
        assert (second.flags & SUPPRESS_EMBEDS, len(second.embeds)) == (0, 1)

        asked = await discord.command("status")
        command = await next_delivery(user_comm)
        user_comm.reply(command, "see https://example.org")
        await discord.until_said(["https://example.org", "", "Here is the answer:", "see https://example.org"])
        assert await discord.answers(asked) == ["Here is the answer:"]


@pytest.mark.slow
async def test_an_alert_reaches_whom_its_sender_names(team: Team, join: Join) -> None:
    async with gateway_with_hub(team, join) as (discord, user_comm):
        alert = {"title": "Disk", "severity": "critical"}
        await wait_until_sent(
            user_comm, send_to_gateway(user_comm, "/ is full", metadata={"alert": alert, "ping": [str(ANN)]})
        )
        (said,) = await discord.messages(author=BOT)
        assert (said.mentions, said.content) == ([ANN], f"<@{ANN}>")
        assert [each["description"] for each in said.embeds] == ["/ is full"]


@pytest.mark.slow
async def test_with_threads_a_question_is_answered_in_a_thread_of_its_own(team: Team, join: Join) -> None:
    async with gateway_with_hub(team, join, toml=ALLOW_ANN + "threads = true\n") as (discord, user_comm):
        asked = await discord.say("How are you?")
        question = await next_delivery(user_comm)
        discord.faults.add("lost reply", f"POST /channels/{CHANNEL}/messages/*/threads")
        # An answer does not wait for progress that is sent again, so it comes after that.
        user_comm.answer(question.message, "wait", message_type="status_report")
        await discord.until(lambda: asked in discord.world.channels, "there is a thread")
        await discord.until_said(["wait"], asked)
        user_comm.reply(question, "Fine")
        await discord.until_said(["wait", "Fine"], asked)
        assert discord.world.channels[asked].name == "How are you?"

        again = await discord.say("And now?", channel=asked)
        delivery = await next_delivery(user_comm)
        assert delivery.message.conversation_id == f"discord:{asked}"
        user_comm.reply(delivery, "Better")
        await discord.until_said(["wait", "Fine", "Better"], asked)
        last = (await discord.messages(asked))[-1]
        assert last.reference == FakeReference(asked, again)
        assert await discord.said() == []


@pytest.mark.slow
async def test_in_a_direct_message_threads_change_nothing(team: Team, join: Join) -> None:
    async with gateway_with_hub(team, join, toml=ALLOW_ANN + "threads = true\n") as (discord, user_comm):
        channel = await discord.open_dm()
        await discord.say("Hello", channel=channel)
        user_comm.reply(await next_delivery(user_comm), "Hi")
        await discord.until_said(["Hi"], channel)


@pytest.mark.slow
async def test_a_channel_that_has_to_wait_holds_up_no_other(team: Team, join: Join) -> None:
    async with gateway_with_hub(team, join, DiscordRules(limits=dict(REAL_LIMITS))) as (discord, user_comm):
        channels = [await discord.add_channel(f"room-{number}") for number in range(20)]
        discord.faults.add("429", f"POST /channels/{channels[0]}/messages", seconds=600, times=1)
        slow = send_to_gateway(user_comm, "late", channels[0])
        quick = [send_to_gateway(user_comm, f"{number}", channel) for number in range(3) for channel in channels[1:]]
        await wait_until_sent(user_comm, *quick)
        assert outcome_of(user_comm, slow) is None
        for channel in channels[1:]:
            assert await discord.said(channel) == ["0", "1", "2"]


@pytest.mark.slow
async def test_sigterm_in_the_middle_gives_the_rest_to_the_next_one(team: Team, join: Join) -> None:
    user_comm = join("user_comm")
    team.create()
    team.configuration.write_text(ALLOW_ANN)
    async with FakeDiscord() as discord:
        process = start_gateway(team, discord)
        await wait_until_connected(user_comm)
        discord.faults.add("429", SAYING, skip=2, seconds=30)
        message = send_to_gateway(user_comm, LONG)
        await _has_said(discord, 2)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 5) == 0
        assert user_comm.queries.trace(message.message_id)[0].state == "ready"
        async with running_gateway(team, discord):
            await wait_until_sent(user_comm, message)
        assert await discord.said() == [piece.strip() for piece in split(LONG)]


async def _has_said(discord: FakeDiscord, pieces: int) -> None:
    here = discord.world.channels[CHANNEL].messages
    await discord.until(lambda: sum(each.author == BOT for each in here.values()) >= pieces, f"{pieces} pieces")


def _begun(hub: MessageHub, message: Message) -> bool:
    return bool(
        hub.query("SELECT 1 FROM discord_chunks WHERE message = ? AND first_sent_at IS NOT NULL", (message.id,))
    )


def _make_old(hub: MessageHub, message: Message) -> None:
    """For the gateway's clock too, minutes have passed."""
    sql = "UPDATE discord_chunks SET first_sent_at = datetime(first_sent_at, '-400 seconds') WHERE message = ?"
    hub.execute(sql, (message.id,))
