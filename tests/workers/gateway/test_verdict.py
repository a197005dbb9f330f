"""What becomes of an answer after an error, as a table."""

from types import SimpleNamespace
from typing import Any

import aiohttp
import discord
import pytest

from teamsup.workers.gateway.verdict import Again, Never, verdict


def http(kind: type[discord.HTTPException], status: int, code: int = 0, text: str = "") -> discord.HTTPException:
    response: Any = SimpleNamespace(status=status, reason="")
    return kind(response, {"code": code, "message": text})


def judge(error: Exception, age: float = 0.0, *, closed: bool = False) -> Again | Never | None:
    client: Any = SimpleNamespace(is_closed=lambda: closed)
    return verdict(client, error, age)


@pytest.mark.parametrize(
    "error",
    [
        aiohttp.ServerDisconnectedError(),
        aiohttp.ClientPayloadError(),
        ConnectionResetError(),
        TimeoutError(),
        http(discord.DiscordServerError, 503),
        http(discord.HTTPException, 401),
        http(discord.HTTPException, 408),
        http(discord.HTTPException, 429),
        http(discord.Forbidden, 403, 0, "<html>"),
        discord.RateLimited(40.0),
    ],
)
def test_what_may_pass_is_tried_again(error: Exception) -> None:
    assert isinstance(judge(error), Again)


def test_pauses_grow_with_the_time_it_has_been_tried() -> None:
    assert [judge(TimeoutError(), age) for age in (0, 10, 1000)] == [Again(1), Again(5), Again(30)]
    assert judge(discord.RateLimited(40.0)) == Again(40)


def test_what_a_closed_client_raises_says_nothing_about_the_message() -> None:
    assert judge(AttributeError("request"), closed=True) == Again(1)


@pytest.mark.parametrize(
    ("error", "perhaps"),
    [
        (http(discord.Forbidden, 403, 50013, "Missing Permissions"), True),
        (http(discord.NotFound, 404, 10003, "Unknown Channel"), False),
        (http(discord.HTTPException, 413, 40005, "Request entity too large"), True),
        (http(discord.HTTPException, 400, 40005, "Request entity too large"), True),
        (http(discord.HTTPException, 400, 160005, "Thread is locked"), False),
    ],
)
def test_what_discord_refuses_is_refused_for_good(
    error: discord.HTTPException,
    perhaps: bool,
) -> None:
    assert judge(error) == Never(error.text, perhaps)


def test_an_error_of_ours_is_none_of_discords() -> None:
    assert judge(KeyError("x")) is None
