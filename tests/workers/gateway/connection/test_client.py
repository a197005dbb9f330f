"""What we add to discord.py's client, and the limits that Discord sets."""

import asyncio
from collections.abc import Callable

import pytest

from fake_discord import CHANNEL, TOKEN, FakeDiscord
from fake_discord.redirect import redirect_to
from helpers.gateway_process import running_gateway, wait_until, wait_until_connected
from teamsup.hub import MessageHub, Team
from teamsup.workers.gateway.connection.client import DiscordClient

Join = Callable[..., MessageHub]
SAYING = f"POST /channels/{CHANNEL}/messages"


async def log_in_at_once() -> None:
    """Wait for nothing before a login."""


def make_client() -> DiscordClient:
    return DiscordClient(log_in_at_once, lambda: None)


async def test_a_request_that_is_given_up_during_a_limit_on_everything_holds_up_no_other() -> None:
    async with FakeDiscord() as discord:
        redirect_to(discord.url)
        client = make_client()
        await client.login(TOKEN)
        place = client.get_partial_messageable(CHANNEL)
        limit = discord.faults.add("429 everywhere", SAYING, seconds=20)
        given_up = asyncio.create_task(place.send("given up"))
        await discord.until(lambda: limit.times == 0, "Discord has said it")
        await discord.until(lambda: not client.http._global_over.is_set(), "everything waits")
        given_up.cancel()
        await asyncio.wait((given_up,))

        async with asyncio.timeout(10):
            await place.send("said")
        assert await discord.said() == ["said"]
        await client.close()


async def test_it_is_ready_as_soon_as_all_servers_have_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("teamsup.workers.gateway.connection.client._GUILD_READY_SECONDS", 3600.0)

    async with FakeDiscord() as discord:
        await discord.add_guild("another")
        discord.faults.add("delay", "event GUILD_CREATE", skip=1, seconds=0.3)
        redirect_to(discord.url)
        client = make_client()
        running = asyncio.create_task(client.start(TOKEN))
        await discord.until(client.is_ready, "it is ready")
        assert [guild.unavailable for guild in client.guilds] == [False, False]
        running.cancel()
        await client.close()


async def test_no_event_that_cannot_be_read_is_passed_over_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    client, told = make_client(), []

    def note(event: str, *what: object) -> None:
        if event == "unreadable":
            told.append(what[0])

    monkeypatch.setattr(client._connection, "dispatch", note)
    # The first two must not be passed over, a message is handed on by its number, and there is no user yet.
    others = {"READY", "RESUMED", "MESSAGE_CREATE", "USER_UPDATE"}
    events = sorted(client._connection.parsers.keys() - others)
    for event in events:
        client._connection.parsers[event]("nothing that anybody knows")
    assert told == events
    await client.close()


@pytest.mark.slow
async def test_a_long_limit_is_waited_for_in_the_hub_where_it_is_seen(team: Team, join: Join) -> None:
    user_comm = join("user_comm")
    async with FakeDiscord() as discord, running_gateway(team, discord):
        await wait_until_connected(user_comm)
        discord.faults.add("429", SAYING, seconds=45)
        waits = user_comm.send("gateway", "Later.", conversation_id=f"discord:{CHANNEL}")

        def is_back() -> bool:
            (delivery,) = user_comm.queries.trace(waits.message_id)
            return delivery.state == "ready" and delivery.read_at is None and delivery.offered_at is not None

        await discord.until(lambda: discord.faults.happened, "Discord has said it")
        await wait_until(is_back, "the message has gone back")
        assert user_comm.queries.trace(waits.message_id)[0].attempts == 0
