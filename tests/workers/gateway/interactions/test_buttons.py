"""Buttons and what is decided by them, with the gateway's own process and the real user_comm."""

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator, Callable

import pytest

from fake_discord import ANN, BOB, CHANNEL, FakeDiscord
from helpers.gateway_process import next_delivery, running_gateway, wait_until, wait_until_connected
from helpers.support import TIMEOUT_SECONDS, clean_environment
from teamsup.hub import Message, MessageHub, Team
from teamsup.workers.gateway.interactions.interactions import NOT_A_DECIDER, UNKNOWN_QUESTION
from teamsup.workers.gateway.outbound.buttons import (
    ButtonPress,
    append_outcome,
    commands_of,
    describe_outcome,
    options_of,
    parse_custom_id,
)

Join = Callable[..., MessageHub]
BOTH = f"[gateway]\nusers = [{ANN}, {BOB}]\nhome_channel = {CHANNEL}\n"


def start_user_comm(team: Team) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "teamsup.workers.user_comm.user_comm_daemon", "--team", team.name],
        env={**clean_environment(), "TEAMSUP_HOME": str(team.folder.parent)},
    )


def is_online(hub: MessageHub, name: str) -> bool:
    found = hub.find_agent(name)
    return found is not None and found.status == "online"


@contextlib.asynccontextmanager
async def user_comm(team: Team) -> AsyncIterator[subprocess.Popen[bytes]]:
    process = start_user_comm(team)
    try:
        with MessageHub(team) as hub:
            await wait_until(lambda: is_online(hub, "user_comm"), "user_comm runs")
        yield process
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait, TIMEOUT_SECONDS)


@contextlib.asynccontextmanager
async def both(team: Team, discord: FakeDiscord, hub: MessageHub, toml: str = BOTH) -> AsyncIterator[None]:
    """The two workers between Discord and the team."""
    async with running_gateway(team, discord, toml), user_comm(team):
        await wait_until_connected(hub)
        yield


def ask(agent: MessageHub, **how: object) -> Message:
    how = {"message_type": "opinion_request", "metadata": {"options": ["restart", "wait"]}} | how
    return agent.send("user_comm", "Restart it?", **how)  # type: ignore[arg-type]


async def shown(discord: FakeDiscord, what: str = "Restart it?", channel: int = CHANNEL) -> int:
    """The number of the last message that shows it."""

    def found() -> list[int]:
        return [each.id for each in discord.world.channels[channel].messages.values() if what in each.content]

    await discord.until(found, "it is shown")
    return found()[-1]


def buttons(discord: FakeDiscord, message: int) -> list[tuple[str, str, bool]]:
    parts = [part for row in discord.world.messages[message].components for part in row["components"]]
    return [(part["label"], part["custom_id"], part.get("disabled", False)) for part in parts]


async def press(discord: FakeDiscord, message: int, label: str, user: int = ANN) -> int:
    (custom_id,) = [each[1] for each in buttons(discord, message) if each[0] == label]
    return await discord.press(message, custom_id, user=user)


async def closed(discord: FakeDiscord, message: int) -> str:
    """What it says once nobody can press it now."""
    await discord.until(lambda: all(each[2] for each in buttons(discord, message)), "nobody can press it now")
    return discord.world.messages[message].content


async def told(discord: FakeDiscord, interaction: int) -> list[str]:
    await discord.until(lambda: discord.world.interactions[interaction].messages, "somebody is told")
    return await discord.answers(interaction)


async def test_a_button_decides_also_after_a_restart_of_both_and_the_message_says_who_chose(
    team: Team, join: Join
) -> None:
    lead = join("lead")
    async with FakeDiscord() as discord:
        async with both(team, discord, lead):
            asked = ask(lead)
            message = await shown(discord)
            assert [(label, disabled) for label, _, disabled in buttons(discord, message)] == [
                ("restart", False),
                ("wait", False),
            ]
        async with both(team, discord, lead):
            used = await press(discord, message, "restart")
            answer = (await next_delivery(lead)).message
            assert (answer.content, answer.reply_to) == ("restart", asked.message_id)
            assert answer.metadata["author_name"] == "Ann"
            assert "\n\n**Ann** chose **restart** <t:" in await closed(discord, message)
            assert await discord.answers(used) == []


@pytest.mark.slow
async def test_one_of_two_presses_at_once_decides_and_only_the_other_user_learns_who(team: Team, join: Join) -> None:
    lead = join("lead")
    async with FakeDiscord() as discord, both(team, discord, lead):
        ask(lead)
        message = await shown(discord)
        pressed = await asyncio.gather(press(discord, message, "restart"), press(discord, message, "wait", user=BOB))
        answer = (await next_delivery(lead)).message
        winner, loser = ("Ann", pressed[1]) if answer.content == "restart" else ("Bob", pressed[0])
        assert answer.metadata["author_name"] == winner
        assert f"**{winner}** chose **{answer.content}**" in await closed(discord, message)
        (sentence,) = await told(discord, loser)
        assert sentence.startswith(f"**{winner}** chose **{answer.content}** <t:")
        assert len(await discord.said()) == 1
        assert not await lead.wait_async(0.2)


@pytest.mark.slow
async def test_only_a_user_who_may_not_decide_sees_the_refusal(team: Team, join: Join) -> None:
    lead = join("lead")
    toml = f"[gateway]\nusers = [{BOB}]\ndeciders = [{ANN}]\nhome_channel = {CHANNEL}\n"
    async with FakeDiscord() as discord, both(team, discord, lead, toml):
        unknown_user = await discord.add_person("Eve")
        asked = ask(lead)
        message = await shown(discord)
        assert await told(discord, await press(discord, message, "restart", unknown_user)) == [NOT_A_DECIDER]
        assert await told(discord, await press(discord, message, "restart", BOB)) == [
            f"You may not decide #{asked.id}."
        ]
        assert not any(disabled for _, _, disabled in buttons(discord, message))
        await press(discord, message, "wait")
        assert (await next_delivery(lead)).message.content == "wait"


@pytest.mark.slow
async def test_a_decision_made_elsewhere_shows_in_the_message(team: Team, join: Join) -> None:
    lead, ann = join("lead"), join("console-ann")
    ann.register("console")
    async with FakeDiscord() as discord, both(team, discord, lead):
        asked = ask(lead)
        message = await shown(discord)
        discord.faults.add("503 before", "PATCH /channels/*/messages/*", times=1)
        ann.send("user_comm", f"/decide {asked.id} 2")
        assert "**ann** chose **wait**" in await closed(discord, message)


@pytest.mark.slow
async def test_when_the_time_is_over_the_message_says_what_counts(team: Team, join: Join) -> None:
    lead = join("lead")
    async with FakeDiscord() as discord, both(team, discord, lead):
        denial = {"options": ["restart", "wait"], "default": "wait", "default_denies": True}
        asked = ask(lead, expires_in=4.0, metadata=denial)
        message = await shown(discord)
        sentence = f"Nobody has decided #{asked.id} in time, so the default counts: wait"
        assert (await closed(discord, message)).endswith(sentence)


@pytest.mark.slow
async def test_an_outcome_of_the_time_while_the_gateway_was_down_shows_afterwards(team: Team, join: Join) -> None:
    lead, ann = join("lead"), join("console-ann")
    ann.register("console")
    async with FakeDiscord() as discord, user_comm(team):
        team.configuration.write_text(BOTH)
        async with running_gateway(team, discord, BOTH):
            await wait_until_connected(lead)
            asked = ask(lead)
            message = await shown(discord)
        ann.send("user_comm", f"/decide {asked.id} 2")
        assert (await next_delivery(lead)).message.content == "wait"
        async with running_gateway(team, discord, BOTH):
            assert "**ann** chose **wait**" in await closed(discord, message)


async def test_a_reply_to_the_message_is_an_answer_in_words(team: Team, join: Join) -> None:
    lead = join("lead")
    async with FakeDiscord() as discord, both(team, discord, lead):
        asked = ask(lead, metadata={})
        message = await shown(discord)
        await discord.say("Tomorrow, please", reply_to=message)
        answer = (await next_delivery(lead)).message
        assert (answer.content, answer.reply_to) == ("Tomorrow, please", asked.message_id)
        await discord.until(lambda: "chose" in discord.world.messages[message].content, "it shows")
        await discord.until(
            lambda: any(f"has decided #{asked.id}" in each.content for each in discord.world.messages.values()),
            "the reply is answered",
        )


@pytest.mark.slow
async def test_a_number_typed_in_the_channel_decides(team: Team, join: Join) -> None:
    lead = join("lead")
    async with FakeDiscord() as discord, both(team, discord, lead):
        ask(lead)
        message = await shown(discord)
        await wait_until(
            lambda: lead.query("SELECT 1 FROM discord_chunks WHERE snowflake = ?", (message,)), "it is kept"
        )
        await discord.say("2")
        assert (await next_delivery(lead)).message.content == "wait"
        assert "**Ann** chose **wait**" in await closed(discord, message)


@pytest.mark.slow
async def test_a_number_typed_in_the_thread_where_it_is_shown_decides(team: Team, join: Join) -> None:
    lead = join("lead")
    async with FakeDiscord() as discord, both(team, discord, lead, f"{BOTH}threads = true\n"):
        asked = await discord.say("@lead is it slow?")
        lead.reply(
            await next_delivery(lead),
            "?",
            message_type="opinion_request",
            metadata={"options": ["restart", "wait"]},
        )
        await discord.until(lambda: asked in discord.world.channels, "there is a thread")
        message = await shown(discord, "lead asks", asked)
        await wait_until(
            lambda: lead.query("SELECT 1 FROM discord_chunks WHERE snowflake = ?", (message,)), "it is kept"
        )
        await discord.say("2", channel=asked)
        assert (await next_delivery(lead)).message.content == "wait"


@pytest.mark.slow
async def test_a_decision_that_comes_first_leaves_a_command_its_answer(team: Team, join: Join) -> None:
    lead = join("lead")
    async with FakeDiscord() as discord, both(team, discord, lead):
        await discord.until(lambda: discord.world.commands.get(None), "the commands are known")
        used = await discord.command("/ask", {"text": "@lead is it slow?"})
        asked = await next_delivery(lead)
        lead.reply(asked, "Restart it?", message_type="opinion_request", metadata={"options": ["restart", "wait"]})
        message = await shown(discord)
        await press(discord, message, "wait")
        assert (await next_delivery(lead)).message.content == "wait"
        lead.answer(asked.message, "I wait.")
        await discord.until(
            lambda: any("I wait." in each.content for each in discord.world.interactions[used].messages),
            "the command is answered where it was used",
        )


@pytest.mark.slow
async def test_a_refusal_after_a_restart_of_the_gateway_comes_too_late(team: Team, join: Join) -> None:
    decider, lead = join("user_comm"), join("lead")
    async with FakeDiscord() as discord:
        async with running_gateway(team, discord):
            await wait_until_connected(lead)
            decider.send(
                "gateway", "Restart it?", conversation_id=f"discord:{CHANNEL}", metadata={"options": ["a", "b"]}
            )
            used = await press(discord, await shown(discord), "a")
            delivery = await next_delivery(decider)
            assert delivery.message.message_id == f"discord:{used}"
            assert delivery.message.metadata == {"author_name": "Ann", "user": ANN}
        refusal = decider.reply(delivery, "No.", message_type="error")
        async with running_gateway(team, discord):
            await wait_until(
                lambda: decider.queries.trace(refusal.message_id)[0].outcome == "too late for a reply",
                "it is ended",
            )
        assert await discord.answers(used) == []
        assert len(await discord.said()) == 1


@pytest.mark.slow
async def test_an_outcome_waits_for_the_message_that_is_to_show_it(team: Team, join: Join) -> None:
    decider, lead = join("user_comm"), join("lead")
    async with FakeDiscord() as discord, running_gateway(team, discord):
        await wait_until_connected(lead)
        discord.faults.add("503 before", "POST /channels/*/messages", times=3)
        asked = decider.send(
            "gateway", "Restart it?", conversation_id=f"discord:{CHANNEL}", metadata={"options": ["a", "b"]}
        )
        about = {"decision": 1, "chosen": 1, "by": "ann", "answer": "b"}
        decider.send("gateway", "b", message_type="opinion_response", reply_to=asked.message_id, metadata=about,
                     conversation_id=f"discord:{CHANNEL}")  # fmt: skip
        message = await shown(discord)
        assert "**ann** chose **b**" in await closed(discord, message)


async def test_an_outcome_for_a_message_that_somebody_has_removed_is_dealt_with(team: Team, join: Join) -> None:
    decider, lead = join("user_comm"), join("lead")
    async with FakeDiscord() as discord, running_gateway(team, discord):
        await wait_until_connected(lead)
        place = f"discord:{CHANNEL}"
        asked = decider.send("gateway", "Restart it?", conversation_id=place, metadata={"options": ["a", "b"]})
        message = await shown(discord)
        await wait_until(lambda: decider.queries.trace(asked.message_id)[0].state == "done", "it is said")
        await discord.delete(message)
        outcome = decider.send(
            "gateway", "b", message_type="opinion_response", reply_to=asked.message_id, conversation_id=place
        )
        await wait_until(lambda: decider.queries.trace(outcome.message_id)[0].state == "done", "it is dealt with")
        assert (decider.queries.trace(outcome.message_id)[0].outcome or "").startswith("refused")


@pytest.mark.slow
async def test_a_button_that_says_a_command_is_that_command(team: Team, join: Join) -> None:
    decider, lead = join("user_comm"), join("lead")
    async with FakeDiscord() as discord, running_gateway(team, discord):
        await wait_until_connected(lead)
        place = f"discord:{CHANNEL}"
        decider.send(
            "gateway", "web-1 is down", conversation_id=place, metadata={"commands": {"Acknowledge": "/ack 12"}}
        )
        message = await shown(discord, "web-1 is down")
        used = await press(discord, message, "Acknowledge")
        delivery = await next_delivery(decider)
        assert (delivery.message.content, delivery.message.message_type) == ("/ack 12", "command")
        assert delivery.message.metadata == {"author_name": "Ann", "user": ANN}
        decider.reply(delivery, "Ann takes care of 12.")
        await discord.until(
            lambda: [each.content for each in discord.world.interactions[used].messages] == ["Ann takes care of 12."],
            "it is answered where it was pressed",
        )
        assert [label for label, _, _ in buttons(discord, message)] == ["Acknowledge"]


@pytest.mark.slow
async def test_many_and_long_options_become_buttons_that_discord_takes(team: Team, join: Join) -> None:
    decider, lead = join("user_comm"), join("lead")
    async with FakeDiscord() as discord, running_gateway(team, discord):
        await wait_until_connected(lead)
        many = ["x" * 100, " ", *(f"option {number}" for number in range(30))]
        decider.send("gateway", "Which?", conversation_id=f"discord:{CHANNEL}", metadata={"options": many})
        message = await shown(discord, "Which?")
        found = buttons(discord, message)
        assert len(found) == 25
        assert [label for label, _, _ in found[:3]] == ["x" * 80, "2", "option 0"]
        await discord.press(message, found[0][1])
        assert (await next_delivery(decider)).message.content == "x" * 100


@pytest.mark.slow
@pytest.mark.parametrize("metadata", [{"options": ["a", "b"]}, {"commands": {"a": "/status"}}])
async def test_a_button_of_a_message_that_is_gone_says_so(team: Team, join: Join, metadata: dict[str, object]) -> None:
    decider, lead = join("user_comm"), join("lead")
    async with FakeDiscord() as discord, running_gateway(team, discord):
        await wait_until_connected(lead)
        decider.send("gateway", "Restart it?", conversation_id=f"discord:{CHANNEL}", metadata=metadata)
        message = await shown(discord)
        await wait_until(lambda: decider.queries.trace("#1")[0].state == "done", "it is said")
        decider.execute("DELETE FROM messages")
        assert await told(discord, await press(discord, message, "a")) == [UNKNOWN_QUESTION]


def test_only_ids_of_ours_are_buttons_of_ours() -> None:
    assert parse_custom_id("teamsup:12:3") == ButtonPress(12, 3)
    assert parse_custom_id("teamsup:12:c3") == ButtonPress(12, 3, is_command=True)
    for strange in ("", "other", "teamsup:", "teamsup:1:2:3", "teamsup:-1:0", "teamsup:1:999", "teamsup:1:d3"):
        assert parse_custom_id(strange) is None


def test_a_button_has_a_label() -> None:
    message = Message(
        1, "m", "user_comm", "gateway", "?", metadata={"options": ["a"], "commands": {"A": "/a", "": "/b"}}
    )
    assert (options_of(message), commands_of(message)) == (["a"], {"A": "/a"})
    assert ButtonPress(1, 0).text_in(message) == "a"
    assert ButtonPress(1, 1).text_in(message) is None
    assert ButtonPress(1, 0, is_command=True).text_in(message) == "/a"
    strange = Message(1, "m", "user_comm", "gateway", "?", metadata={"options": "a", "commands": ["a"]})
    assert (options_of(strange), commands_of(strange)) == ([], {})


def test_an_outcome_is_a_sentence() -> None:
    metadata = {"by": "*Ann*", "answer": "@here", "at": 1795386425}
    outcome = Message(1, "m", "user_comm", "gateway", "x", metadata=metadata)
    assert describe_outcome(outcome) == "**\\*Ann\\*** chose **@\u200bhere** <t:1795386425:f>"
    assert (
        describe_outcome(Message(1, "m", "user_comm", "gateway", "Nobody has decided #3.")) == "Nobody has decided #3."
    )
    assert append_outcome("text", "**Ann** chose") == "text\n\n**Ann** chose"
    assert append_outcome("", "**Ann** chose") == "**Ann** chose"
    full = append_outcome("x" * 1999, "**Ann** chose")
    assert len(full) <= 2000
    assert full.endswith("x…\n\n**Ann** chose")
