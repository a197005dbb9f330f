"""Who is admitted and whose turn it is; whoever has to be let in first, or has to wait, is told."""

import asyncio
import functools
import logging
import time
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from teamsup.hub import MessageHub
from teamsup.hub.sections import GatewaySection

from .access import Author, admits
from .asking import Asking
from .heard import Heard
from .pairing import code_in, paired
from .rate import Rate
from .snowflakes import written_at
from .strangers import KNOWN, Strangers

if TYPE_CHECKING:
    import discord

_REMEMBERED = 1000
_NEW_SECONDS = 120.0
WAIT = "I take {} messages a minute from one person. The others wait here for their turn."


class Admission:
    """What is heard goes by here before it is taken in."""

    def __init__(
        self,
        hub: MessageHub,
        section: GatewaySection,
        log: logging.Logger,
        asking: Asking,
    ) -> None:
        self._hub = hub
        self._section = section
        self._log = log
        self._asking = asking
        self._strangers = Strangers(hub, log)
        self._rate = Rate(section.messages_per_minute)
        self._parents: dict[int, int | None] = {}
        self._met: deque[int] = deque(maxlen=_REMEMBERED)
        self._told_to_wait: dict[int, float] = {}
        self._saying: set[asyncio.Task[None]] = set()

    async def lets_in(self, heard: Heard) -> bool:
        """Whether this is for the team. Strangers, and who sends a code without need, may be answered."""
        if not await self.admits(heard):
            await self._meet(heard)
            return False
        if heard.author.guild is None and code_in(heard.text) is not None:
            self.say(heard, KNOWN)
            return False
        return True

    async def admits(self, heard: Heard) -> bool:
        """Whether its author is. Nobody is answered."""
        author, section = heard.author, self._section
        if admits(section, (), author):
            return True
        if author.is_bot:
            return False
        if admits(section, await self._asking.hub_does(paired, self._hub), author):
            return True
        # What discord.py does not know is only asked for where it matters.
        if section.channels and author.guild is not None and author.parent is None:
            author = replace(author, parent=await self._parent(author.channel))
        if section.roles and not heard.knows_roles:
            author = replace(author, roles=await self._roles(author))
        return admits(section, (), author)

    async def wait_for_turn(self, heard: Heard, written: float) -> None:
        """Returns when it may be taken. ``written`` is in Unix seconds. Who has to wait is told, now and then."""
        person = heard.author.user
        now = time.time()
        seconds = self._rate.turn(person, written, now) - now
        if seconds <= 0:
            return
        if time.monotonic() - self._told_to_wait.get(person, -600.0) >= 600.0:
            self._told_to_wait[person] = time.monotonic()
            self.say(heard, WAIT.format(self._section.messages_per_minute))
        await asyncio.sleep(seconds)

    async def _parent(self, number: int) -> int | None:
        """The channel of a thread that discord.py has not heard of."""
        import discord

        client = self._asking.client
        if client is None or client.get_channel(number) is not None:
            return None
        if number not in self._parents:
            place = await self._asking.discord_says_or_none(lambda client: client.fetch_channel(number))
            if place is not None:
                self._parents[number] = place.parent_id if isinstance(place, discord.Thread) else None
        return self._parents.get(number)

    async def _roles(self, author: Author) -> frozenset[int]:
        """Those of somebody whom the history named."""

        async def ask(client: "discord.Client") -> frozenset[int]:
            guild = client.get_guild(author.guild or 0)
            if guild is None:
                return frozenset()
            member = guild.get_member(author.user) or await guild.fetch_member(author.user)
            return frozenset(role.id for role in member.roles)

        return await self._asking.discord_says_or_none(ask) or frozenset()

    async def _meet(self, heard: Heard) -> None:
        """Somebody who is not admitted."""
        if heard.author.user not in self._met:
            self._log.info("not allowed: user %d in channel %d", heard.author.user, heard.author.channel)
            self._met.append(heard.author.user)
        is_new = time.time() - written_at(heard.snowflake) < _NEW_SECONDS
        sentence = await self._asking.hub_does(functools.partial(self._strangers.answer, is_new=is_new), heard)
        if sentence is not None:
            self.say(heard, sentence)

    def say(self, heard: Heard, sentence: str) -> None:
        """On Discord, at once and without the team. Nobody is told when that fails."""

        async def answer() -> None:
            import discord

            client = self._asking.client
            if client is None:
                return
            place = client.get_partial_messageable(heard.author.channel)
            answered = discord.MessageReference(
                message_id=heard.snowflake, channel_id=heard.author.channel, fail_if_not_exists=False
            )
            try:
                await place.send(sentence, reference=answered, mention_author=False)
            except Exception as error:  # the network's errors and Discord's
                self._log.info("cannot answer in channel %d: %s", heard.author.channel, error)

        task = asyncio.create_task(answer())
        self._saying.add(task)
        task.add_done_callback(self._saying.discard)
