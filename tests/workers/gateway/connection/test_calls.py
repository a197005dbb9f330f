"""Asking Discord until it answers, and saying so when that takes long."""

import itertools
import logging
from types import SimpleNamespace
from typing import Any

import pytest

from teamsup.workers.gateway.connection import calls


async def test_a_call_that_discord_does_not_answer_for_long_is_a_trouble_until_it_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(calls, "backoff", lambda longest: itertools.chain([0.01], itertools.repeat(longest)))
    monkeypatch.setattr(calls, "_MAX_RETRY_SECONDS", 0.02)
    asks = calls.DiscordCalls(logging.getLogger("gateway"))
    client: Any = SimpleNamespace(is_closed=lambda: False)
    asks.use_client(client)
    troubles = []

    async def question(_: object) -> str:
        troubles.append(asks.failure)
        if len(troubles) < 4:
            raise ConnectionResetError("no route")
        return "well"

    assert await asks.call_discord(question) == "well"
    assert troubles == ["", "", *["Discord does not return the missed messages: no route"] * 2]
    assert asks.failure == ""
