"""Admission of inbound events: access control and rate limits. A refused or delayed user is notified."""

import asyncio
import functools
import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace

import discord

from teamsup.hub import MessageHub

from ...worker import retry_in_thread
from ..component import GatewaySection
from ..connection.calls import DiscordCalls
from ..ids import created_at
from ..message import Author, InboundMessage
from ..tables.chunk_table import SentNonces
from .pairing import paired_user_ids, parse_code
from .policy import RateLimiter, is_allowed
from .unknown_users import ALREADY_PAIRED, UnknownUsers

_MAX_KNOWN_USERS = 1000
_MAX_FETCHED = 1000
_RECENT_SECONDS = 120.0
RATE_LIMITED = "I take {} messages a minute from one person. Further messages wait here."


class Admission:
    """Decide whether and when an event is accepted."""

    def __init__(
        self,
        hub: MessageHub,
        section: GatewaySection,
        log: logging.Logger,
        calls: DiscordCalls,
        now: Callable[[], float],
        nonces: SentNonces,
    ) -> None:
        """``now`` returns Discord's time in Unix seconds."""
        self._hub = hub
        self._section = section
        self._log = log
        self._calls = calls
        self._now = now
        self._nonces = nonces
        self._unknown_users = UnknownUsers(hub, log)
        self._rate_limiter = RateLimiter(section.messages_per_minute)
        self._fetched: dict[int, discord.Thread | None] = {}
        self._logged_users: deque[int] = deque(maxlen=_MAX_KNOWN_USERS)
        self._notified_at: dict[int, float] = {}
        self._reply_tasks: set[asyncio.Task[None]] = set()

    async def admit(self, inbound: InboundMessage) -> bool:
        """Return whether the event is for the team. Answer users without access, and users with access who
        send a code.
        """
        if not await self.is_allowed(inbound):
            await self._handle_unknown(inbound)
            return False
        if inbound.author.guild is None and parse_code(inbound.text) is not None:
            self.reply(inbound, ALREADY_PAIRED)
            return False
        return True

    async def is_allowed(self, inbound: InboundMessage) -> bool:
        """Return whether the event's author is admitted. Do not reply."""
        author, section = inbound.author, self._section
        if is_allowed(section, (), author):
            return True
        if author.is_bot:
            return False
        if is_allowed(section, await retry_in_thread(self._log, paired_user_ids, self._hub), author):
            return True
        if section.roles and not inbound.knows_roles:
            # Discord's history does not contain roles. Ask for them only if the section lists roles.
            author = replace(author, roles=await self._roles_of(author))
        return is_allowed(section, (), author)

    async def wait_for_rate_limit(self, inbound: InboundMessage, written: float) -> None:
        """Wait until the event may be accepted. ``written`` is in Unix seconds. Notify a delayed user from time to
        time."""
        person = inbound.author.user
        now = self._now()
        seconds = self._rate_limiter.reserve(person, written, now) - now
        if seconds <= 0:
            return
        if time.monotonic() - self._notified_at.get(person, -600.0) >= 600.0:
            self._notified_at[person] = time.monotonic()
            self.reply(inbound, RATE_LIMITED.format(self._section.messages_per_minute))
        await asyncio.sleep(seconds)

    async def add_thread(self, inbound: InboundMessage) -> InboundMessage:
        """Return the message with its thread's name and channel, and whether the bot began it. Ask Discord once about
        each thread that it has not reported, because discord.py does not know it.
        """
        author, client = inbound.author, self._calls.client
        if client is None or author.guild is None or client.get_channel(author.channel) is not None:
            return inbound
        thread = await self._fetch_thread(author.channel)
        if thread is None:
            return inbound
        is_own = client.user is not None and thread.owner_id == client.user.id
        author = replace(author, parent=thread.parent_id)
        return replace(inbound, author=author, thread=thread.name, is_own_thread=is_own)

    async def _fetch_thread(self, number: int) -> discord.Thread | None:
        if number not in self._fetched:
            channel = await self._calls.call_discord_or_none(lambda client: client.fetch_channel(number))
            if channel is None:
                return None  # Discord has refused: ask again with the next message
            if len(self._fetched) >= _MAX_FETCHED:
                self._fetched.clear()
            self._fetched[number] = channel if isinstance(channel, discord.Thread) else None
        return self._fetched[number]

    async def _roles_of(self, author: Author) -> frozenset[int]:
        """Return the roles of a user in the history."""

        async def ask(client: discord.Client) -> frozenset[int]:
            guild = client.get_guild(author.guild or 0)
            if guild is None:
                return frozenset()
            member = guild.get_member(author.user) or await guild.fetch_member(author.user)
            return frozenset(role.id for role in member.roles)

        return await self._calls.call_discord_or_none(ask) or frozenset()

    async def _handle_unknown(self, inbound: InboundMessage) -> None:
        """Handle a user without access."""
        if inbound.author.user not in self._logged_users:
            self._log.info("not allowed: user %d in channel %d", inbound.author.user, inbound.author.channel)
            self._logged_users.append(inbound.author.user)
        is_new = self._now() - created_at(inbound.snowflake) < _RECENT_SECONDS
        sentence = await retry_in_thread(
            self._log, functools.partial(self._unknown_users.reply_to, is_new=is_new), inbound
        )
        if sentence is not None:
            self.reply(inbound, sentence)

    def reply(self, inbound: InboundMessage, sentence: str) -> None:
        """Reply on Discord, at once and without the team. A failure is ignored."""

        async def answer() -> None:
            client = self._calls.client
            if client is None:
                return
            messageable = client.get_partial_messageable(inbound.author.channel)
            answered = discord.MessageReference(
                message_id=inbound.snowflake, channel_id=inbound.author.channel, fail_if_not_exists=False
            )
            try:
                nonce = self._nonces.create()
                await messageable.send(sentence, reference=answered, mention_author=False, nonce=nonce)
            except Exception as error:  # errors of the network and of Discord
                self._log.info("cannot answer in channel %d: %s", inbound.author.channel, error)

        task = asyncio.create_task(answer())
        self._reply_tasks.add(task)
        task.add_done_callback(self._reply_tasks.discard)
