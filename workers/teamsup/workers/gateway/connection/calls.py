"""Call Discord, and retry until it answers, because waiting loses nothing."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

import discord

from ...backoff import backoff
from ..rest_errors import Defer, Reject, classify

T = TypeVar("T")
_MAX_RETRY_SECONDS = 60.0


class NotMessageable(Exception):
    """The channel does not take messages."""


class DiscordCalls:
    """Calls through the client of the current connection."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._client_changed = asyncio.Event()
        self.client: discord.Client | None = None
        """None before the first connection."""
        self.failure = ""
        """The call that Discord has not answered for a while; empty while Discord answers."""

    def use_client(self, client: discord.Client) -> None:
        """Use this client from now on, also for calls that are waiting."""
        self.client = client
        self._client_changed.set()
        self._client_changed = asyncio.Event()

    async def call_discord(self, question: Callable[[discord.Client], Awaitable[T]]) -> T:
        """Return Discord's answer as soon as it comes. Raise one of permanent_errors()."""
        for pause in backoff(longest=_MAX_RETRY_SECONDS):
            changed = self._client_changed
            if self.client is not None:
                try:
                    answer = await question(self.client)
                except (NotMessageable, discord.InvalidData):
                    raise
                except Exception as error:  # discord.py raises errors of the network and of Discord
                    if isinstance(classify(self.client, error), Reject | Defer):
                        raise
                    self._log.warning("Discord does not answer, next try in %.0f s: %s", pause, error)
                    if pause == _MAX_RETRY_SECONDS:
                        self.failure = f"Discord does not return the missed messages: {error}"
                else:
                    self.failure = ""
                    return answer
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), pause)
        raise AssertionError("unreachable")

    async def call_discord_or_none(self, question: Callable[[discord.Client], Awaitable[T]]) -> T | None:
        """Return Discord's answer, or None if it refuses."""
        with contextlib.suppress(*permanent_errors()):
            return await self.call_discord(question)
        return None


def permanent_errors() -> tuple[type[Exception], ...]:
    """Return the errors that a retry cannot help."""
    return discord.HTTPException, discord.InvalidData, NotMessageable
