"""People who write on Discord, and read what the bot answers."""

import random
import re

from fake_discord import BOT, FakeDiscord

from .book import Book

_CHANNELS, _PEOPLE = 6, 5
_ANSWER = re.compile(r"answer to (ask-\d+)\b")


class People:
    """They ask in several channels, in each of which the answers must have the order of the questions."""

    def __init__(self, discord: FakeDiscord, chance: random.Random) -> None:
        self.book = Book("people on Discord")
        self._discord = discord
        self._chance = chance
        self._channels: list[int] = []
        self._people: list[int] = []
        self._read: set[int] = set()

    async def arrive(self) -> None:
        self._channels = [await self._discord.add_channel(f"channel-{number}") for number in range(_CHANNELS)]
        self._people = [await self._discord.add_person(f"Person {number}") for number in range(_PEOPLE)]

    async def ask(self) -> None:
        channel = self._chance.choice(self._channels)
        nonce = f"ask-{len(self.book.sent) + 1}"
        self.book.begin(nonce, f"channel {channel}")
        await self._discord.say(f"how about {nonce}?", channel=channel, author=self._chance.choice(self._people))
        self.book.confirm(nonce)

    def look(self) -> None:
        """Read the bot's new messages. Each has a number of its own, so the same answer under two is doubled."""
        for channel in self._channels:
            for message in list(self._discord.world.channels[channel].messages.values()):
                found = _ANSWER.search(message.content)
                if message.author == BOT and found and message.id not in self._read:
                    self._read.add(message.id)
                    self.book.answer(found[1], str(message.id))
