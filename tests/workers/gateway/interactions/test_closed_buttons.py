"""A message with a button that says a command, once that is settled: who takes care of it, and no button any more."""

from collections.abc import Callable

import pytest

from fake_discord import ANN, BOT, CHANNEL, FakeDiscord, FakeMessage, Permission
from helpers.gateway_process import (
    ALLOW_ANN,
    gateway_with_hub,
    running_gateway,
    wait_until,
    wait_until_connected,
    wait_until_sent,
)
from teamsup import hub as teamsup_hub
from teamsup.hub import MessageHub, Team

Join = Callable[..., MessageHub]
HOME = f"{ALLOW_ANN}home_channel = {CHANNEL}\n"
ALERT = {
    "alert": {"title": "Disk", "severity": "critical"},
    "commands": {"Acknowledge": "/ack 1"},
    "ping": [str(ANN)],
}


def alert(user_comm: MessageHub) -> teamsup_hub.Message:
    return user_comm.send("gateway", "/ is full", message_type="notification", metadata=ALERT)


def settle(user_comm: MessageHub, showing: teamsup_hub.Message, words: str) -> teamsup_hub.Message:
    return user_comm.send(
        "gateway", words, message_type="close_buttons", conversation_id="incident:1", reply_to=showing.message_id
    )


async def only(discord: FakeDiscord) -> FakeMessage:
    """The one message that was said."""
    (message,) = await discord.messages(author=BOT)
    return message


async def edits(discord: FakeDiscord) -> int:
    return len(await discord.requests("PATCH", "/messages/"))


@pytest.mark.slow
async def test_its_button_ends_and_it_says_who_takes_care_of_it_and_then_that_it_is_over(
    team: Team, join: Join
) -> None:
    async with gateway_with_hub(team, join, toml=HOME) as (discord, user_comm):
        showing = alert(user_comm)
        await wait_until_sent(user_comm, showing)
        assert len((await only(discord)).components) == 1
        await wait_until_sent(user_comm, settle(user_comm, showing, "*Ann* takes care of it."))
        message = await only(discord)
        assert (message.components, message.content) == ([], "\\*Ann\\* takes care of it.")
        assert message.embeds[0]["description"] == "/ is full"
        assert message.mentions == []
        await wait_until_sent(user_comm, settle(user_comm, showing, "Resolved after 3m 0s."))
        assert (await only(discord)).content == "Resolved after 3m 0s."
        assert await edits(discord) == 2


@pytest.mark.slow
async def test_an_outcome_from_the_downtime_of_the_gateway_shows_afterwards(team: Team, join: Join) -> None:
    user_comm = join("user_comm")
    async with FakeDiscord() as discord:
        async with running_gateway(team, discord, HOME):
            await wait_until_connected(user_comm)
            showing = alert(user_comm)
            await wait_until_sent(user_comm, showing)
        settling = [settle(user_comm, showing, words) for words in ("Ann takes care of it.", "Resolved.")]
        discord.faults.add("503 before", "PATCH /channels/*/messages/*", times=1)
        async with running_gateway(team, discord, HOME):
            await wait_until_sent(user_comm, *settling)
            message = await only(discord)
            assert (message.components, message.content) == ([], "Resolved.")


async def test_without_the_right_to_embed_the_text_stays(team: Team, join: Join) -> None:
    async with gateway_with_hub(team, join, toml=HOME) as (discord, user_comm):
        await discord.forbid(CHANNEL, Permission.EMBED_LINKS)
        showing = alert(user_comm)
        await wait_until_sent(user_comm, showing)
        await wait_until_sent(user_comm, settle(user_comm, showing, "Ann takes care of it."))
        message = await only(discord)
        assert (message.components, message.content) == ([], "/ is full\n\nAnn takes care of it.")


@pytest.mark.slow
async def test_a_removed_message_needs_no_notice(team: Team, join: Join) -> None:
    async with gateway_with_hub(team, join, toml=HOME) as (discord, user_comm):
        showing = alert(user_comm)
        await wait_until_sent(user_comm, showing)
        await discord.delete((await only(discord)).id)
        settling = settle(user_comm, showing, "Ann takes care of it.")
        await wait_until(lambda: user_comm.queries.trace(settling.message_id)[0].state == "done", "it is dealt with")
        assert await discord.messages(author=BOT) == []
