"""A Discord of its own for each test, and a bot in it."""

from collections.abc import AsyncIterator

import pytest

from fake_discord import DiscordRules, FakeDiscord
from fake_discord.bots import Bot, running


@pytest.fixture
def rules() -> DiscordRules:
    """Return what this Discord allows; a test that needs other rules is parametrized with them."""
    return DiscordRules()


@pytest.fixture
async def discord(rules: DiscordRules) -> AsyncIterator[FakeDiscord]:
    async with FakeDiscord(rules=rules) as discord:
        yield discord


@pytest.fixture
async def bot(discord: FakeDiscord) -> AsyncIterator[Bot]:
    """Yield a bot that is logged in."""
    async with running(Bot(discord)) as bot:
        yield bot
