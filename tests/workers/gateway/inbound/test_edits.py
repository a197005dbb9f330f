"""Messages that are changed and deleted on Discord, with the gateway's own process."""

from collections.abc import Callable

import pytest

from fake_discord import CHANNEL, FakeDiscord
from helpers.gateway_process import (
    read_messages,
    read_texts,
    running_gateway,
    stored_contents,
    wait_until,
    wait_until_connected,
)
from teamsup.hub import MessageHub, Team

Join = Callable[..., MessageHub]


@pytest.mark.slow
async def test_an_edit_before_it_is_read_replaces_it(team: Team, join: Join) -> None:
    user_comm = join("user_comm")
    async with FakeDiscord() as discord, running_gateway(team, discord):
        await wait_until_connected(user_comm)
        asked = await discord.say("wrnog")
        await wait_until(lambda: stored_contents(team) == ["wrnog"], "it is stored")
        await discord.preview_link(asked)
        await discord.edit(asked, "wrong")
        await discord.edit(asked, "right")
        # A look for missed messages, which a start begins, may find a new one before it lets the edits through.
        await wait_until(lambda: stored_contents(team)[-1] == "right", "the edits are stored")
        await discord.say("next")
        await wait_until(lambda: stored_contents(team)[-1] == "next", "all is stored")
        first, second = await read_messages(user_comm, 2)
    assert (first.content, second.content) == ("right", "next")
    assert first.message_id.startswith(f"discord:{asked}:")
    assert user_comm.queries.trace(f"discord:{asked}")[0].state == "cancelled"


@pytest.mark.slow
async def test_an_edit_after_it_is_read_follows_it(team: Team, join: Join) -> None:
    user_comm = join("user_comm")
    async with FakeDiscord() as discord, running_gateway(team, discord):
        await wait_until_connected(user_comm)
        asked = await discord.say("wrnog")
        await read_messages(user_comm, 1)
        await discord.preview_link(asked)
        await discord.edit(asked, "right")
        await discord.preview_link(asked)
        (edited,) = await read_messages(user_comm, 1)
        await discord.say("next")
        assert await read_texts(user_comm, 1) == ["next"]
    assert (edited.content, edited.message_type) == ("edited: right", "edited")
    assert (edited.reply_to, edited.conversation_id) == (f"discord:{asked}", f"discord:{CHANNEL}")


@pytest.mark.slow
async def test_an_edit_while_it_was_down_is_found(team: Team, join: Join) -> None:
    user_comm = join("user_comm")
    async with FakeDiscord() as discord:
        async with running_gateway(team, discord):
            await wait_until_connected(user_comm)
            asked = [await discord.say(text) for text in ("read", "unread", "untouched")]
            await wait_until(lambda: len(stored_contents(team)) == 3, "all are stored")
            assert await read_texts(user_comm, 1) == ["read"]
        await discord.edit(asked[0], "read, edited")
        await discord.edit(asked[1], "unread, edited")
        async with running_gateway(team, discord):
            await wait_until(lambda: len(stored_contents(team)) == 5, "the edits are stored")
        async with running_gateway(team, discord):
            await wait_until_connected(user_comm)
            await discord.say("next")
            assert await read_texts(user_comm, 4) == ["untouched", "edited: read, edited", "unread, edited", "next"]


@pytest.mark.slow
async def test_a_deletion_before_it_is_read_withdraws_it(team: Team, join: Join) -> None:
    user_comm = join("user_comm")
    async with FakeDiscord() as discord, running_gateway(team, discord):
        await wait_until_connected(user_comm)
        asked = [await discord.say(text) for text in ("one", "two", "three")]
        await wait_until(lambda: len(stored_contents(team)) == 3, "all are stored")
        await discord.delete(asked[0])
        await discord.delete_many(asked[1:])
        await discord.say("next")
        await wait_until(lambda: len(stored_contents(team)) == 4, "the next is stored")
        await wait_until(
            lambda: all(user_comm.queries.trace(f"discord:{each}")[0].state == "cancelled" for each in asked),
            "all are withdrawn",
        )
        assert await read_texts(user_comm, 1) == ["next"]


@pytest.mark.slow
async def test_a_deletion_after_the_read_is_reported(team: Team, join: Join) -> None:
    user_comm = join("user_comm")
    async with FakeDiscord() as discord, running_gateway(team, discord):
        await wait_until_connected(user_comm)
        asked = await discord.say("one")
        await read_messages(user_comm, 1)
        await discord.delete(asked)
        (deleted,) = await read_messages(user_comm, 1)
    assert (deleted.message_type, deleted.reply_to) == ("deleted", f"discord:{asked}")
