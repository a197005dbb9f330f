"""What becomes of an answer after an error, as a table."""

from types import SimpleNamespace
from typing import Any

import aiohttp
import discord
import pytest

from teamsup.workers.gateway.rest_errors import DEFER_CODES, REJECT_CODES, RETRY_CODES, Defer, Reject, Retry, classify


def http(kind: type[discord.HTTPException], status: int, code: int = 0, text: str = "") -> discord.HTTPException:
    response: Any = SimpleNamespace(status=status, reason="")
    return kind(response, {"code": code, "message": text})


def judge(error: Exception, age: float = 0.0, *, closed: bool = False) -> Retry | Defer | Reject | None:
    client: Any = SimpleNamespace(is_closed=lambda: closed)
    return classify(client, error, age)


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
def test_a_passing_error_is_tried_again(error: Exception) -> None:
    assert isinstance(judge(error), Retry)


def test_pauses_grow_with_the_time_it_has_been_tried() -> None:
    assert [judge(TimeoutError(), age) for age in (0, 10, 1000)] == [Retry(1), Retry(5), Retry(30)]
    assert judge(discord.RateLimited(40.0)) == Retry(40)


def test_an_error_of_a_closed_client_says_nothing_about_the_message() -> None:
    assert judge(AttributeError("request"), closed=True) == Retry(1)


@pytest.mark.parametrize("code", sorted(RETRY_CODES))
def test_codes_of_a_busy_discord_are_tried_again(code: int) -> None:
    for status in (400, 403, 404):
        assert judge(http(discord.HTTPException, status, code)) == Retry(1)


@pytest.mark.parametrize("code", sorted(DEFER_CODES))
def test_codes_that_rights_or_time_may_change_wait(code: int) -> None:
    for status in (400, 403, 404):
        judged = judge(http(discord.HTTPException, status, code, "no"), 10)
        assert judged == Defer(5, "no", may_pass_without_files=status == 403, is_unknown_channel=code == 10003)


@pytest.mark.parametrize("code", sorted(REJECT_CODES))
def test_codes_that_are_certain_are_refused_for_good(code: int) -> None:
    for status in (400, 403, 404):
        judged = judge(http(discord.HTTPException, status, code, "no"))
        about_files = status == 403 or code in (40005, 50045, 50046, 50146)
        assert judged == Reject("no", about_files, is_channel_wide=code in (40058, 50008, 50024, 50083, 160005))


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (403, 50001, Defer),
        (403, 50007, Defer),
        (403, 50013, Defer),
        (403, 40004, Defer),
        (404, 10003, Defer),
        (400, 50035, Reject),
        (400, 160005, Reject),
        (400, 200000, Reject),
        (413, 40005, Reject),
        (403, 99999, Defer),
        (404, 0, Defer),
        (400, 99999, Reject),
        (405, 0, Reject),
    ],
)
def test_each_error_of_discord_is_retried_deferred_or_rejected(status: int, code: int, kind: type) -> None:
    assert isinstance(judge(http(discord.HTTPException, status, code)), kind)


def test_no_code_is_judged_in_two_ways() -> None:
    assert len(RETRY_CODES | DEFER_CODES | REJECT_CODES) == len(RETRY_CODES) + len(DEFER_CODES) + len(REJECT_CODES)


def test_an_error_of_ours_is_none_of_discords() -> None:
    assert judge(KeyError("x")) is None
