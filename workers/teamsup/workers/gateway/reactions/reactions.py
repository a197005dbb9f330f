"""Show the status of each question by a reaction and by typing. The shown state survives a crash."""

import asyncio
import functools
import logging
import time
from collections.abc import Awaitable, Callable

import discord

from teamsup.hub import MessageHub, StoreError

from ..ids import created_at
from ..rest_errors import MAX_DEFER_SECONDS, Defer, Retry, classify
from .questions import OpenQuestion, QuestionStatus, QuestionTable

POLL_SECONDS = 0.3
TYPING_INTERVAL_SECONDS = 8.0
_RETRY_SECONDS, _DEFER_SECONDS = 5.0, 30.0  # after an error, and after a refusal in that channel


class ReactionUpdater:
    """Updates reactions in a separate task, so that no answer waits for them."""

    def __init__(
        self,
        hub: MessageHub,
        client: Callable[[], Awaitable[discord.Client]],
        log: logging.Logger,
        now: Callable[[], float],
    ) -> None:
        """``now`` returns Discord's time in Unix seconds."""
        self._hub = hub
        self._now = now
        self._open_questions = QuestionTable(hub)
        self._client = client
        self._log = log
        self._version = -1  # the database's version at the last look
        self._questions: dict[int, OpenQuestion] = {}
        # For each question: the reactions that may exist, and the status whose reaction certainly is the only one.
        self._possible: dict[int, tuple[str, ...]] = {}
        self._confirmed: dict[int, QuestionStatus] = {}
        # For each channel.
        self._updates: dict[int, asyncio.Task[None]] = {}
        self._paused_until: dict[int, float] = {}
        self._typed_at: dict[int, float] = {}
        self._typing_tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Run until cancelled."""
        try:
            while True:
                try:
                    await self._poll(await self._client())
                except StoreError as error:
                    self._log.warning("cannot read the status of questions: %s", error)
                except Exception:
                    self._log.exception("cannot show the status of questions")
                await asyncio.sleep(POLL_SECONDS)
        finally:
            for task in (*self._updates.values(), *self._typing_tasks):
                task.cancel()

    async def _poll(self, client: discord.Client) -> None:
        version = self._hub.data_version()
        if version != self._version:
            found = await asyncio.to_thread(self._open_questions.read)
            self._version = version
            self._questions = {question.snowflake: question for question in found}
            for known in (self._possible, self._confirmed):
                for gone in known.keys() - self._questions.keys():
                    del known[gone]
        now = time.monotonic()
        for channel in {question.channel for question in self._questions.values() if self._needs_update(question)}:
            if channel not in self._updates and self._paused_until.get(channel, 0.0) <= now:
                task = self._updates[channel] = asyncio.create_task(self._update_channel(client, channel))
                task.add_done_callback(functools.partial(self._on_update_done, channel))
        for channel in {question.channel for question in self._questions.values() if question.is_in_progress}:
            if now - self._typed_at.get(channel, -TYPING_INTERVAL_SECONDS) >= TYPING_INTERVAL_SECONDS:
                self._typed_at[channel] = now
                typing = asyncio.create_task(self._show_typing(client, channel))
                self._typing_tasks.add(typing)
                typing.add_done_callback(self._typing_tasks.discard)
        self._typed_at = {channel: at for channel, at in self._typed_at.items() if now - at < TYPING_INTERVAL_SECONDS}
        self._paused_until = {channel: until for channel, until in self._paused_until.items() if until > now}

    def _on_update_done(self, channel: int, task: asyncio.Task[None]) -> None:
        self._updates.pop(channel, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.error("cannot show the status of questions in channel %d", channel, exc_info=error)
            self._paused_until[channel] = time.monotonic() + _RETRY_SECONDS

    def _needs_update(self, question: OpenQuestion) -> bool:
        return question.status.is_final or self._confirmed.get(question.snowflake) is not question.status

    async def _update_channel(self, client: discord.Client, channel: int) -> None:
        """Update one channel. Change one reaction at a time to the current status."""
        while self._paused_until.get(channel, 0.0) <= time.monotonic():
            here = (each for each in self._questions.values() if each.channel == channel)
            question = next((each for each in here if self._needs_update(each)), None)
            if question is None:
                return
            try:
                await self._apply(client, question)
            except Exception as error:
                await self._on_error(client, question, error)

    async def _apply(self, client: discord.Client, question: OpenQuestion) -> None:
        assert client.user is not None  # noqa: S101 - it is connected
        number, wanted = question.snowflake, question.status
        message = client.get_partial_messageable(question.channel).get_partial_message(number)
        possible = self._possible.get(number, question.reactions)
        if wanted not in possible:
            possible = self._possible[number] = (*possible, wanted.value)
            # Record the reaction before setting it, so that the next process can remove it. A final reaction stays.
            if len(possible) > 1 or not wanted.is_final:
                await asyncio.to_thread(self._open_questions.set_reactions, number, possible)
        await message.add_reaction(wanted)
        for emoji in possible:
            if emoji != wanted:
                await _remove_reaction(message, emoji, client.user)
        self._confirmed[number], self._possible[number] = wanted, (wanted.value,)
        if wanted.is_final:
            await self._forget_question(number)

    async def _forget_question(self, snowflake: int) -> None:
        await asyncio.to_thread(self._open_questions.delete, snowflake)
        self._questions.pop(snowflake, None)

    async def _on_error(self, client: discord.Client, question: OpenQuestion, error: Exception) -> None:
        """Wait before the next try, because reactions are not urgent."""
        found = classify(client, error)
        is_recent = self._now() - created_at(question.snowflake) < MAX_DEFER_SECONDS
        if isinstance(error, StoreError) or isinstance(found, Retry) or (isinstance(found, Defer) and is_recent):
            self._log.info("reactions in channel %d have to wait: %r", question.channel, error)
            rest = _DEFER_SECONDS if isinstance(found, Defer) else _RETRY_SECONDS
            self._paused_until[question.channel] = time.monotonic() + rest
        elif found is None:
            raise error
        else:
            # The message is gone, or the bot lacks a permission. So stop showing reactions there.
            self._log.info("no reactions to message %d: %s", question.snowflake, error)
            await self._forget_question(question.snowflake)

    async def _show_typing(self, client: discord.Client, channel: int) -> None:
        try:
            await client.get_partial_messageable(channel).typing()
        except Exception as error:
            if classify(client, error) is None:
                raise
            self._log.debug("typing cannot be shown in channel %d: %r", channel, error)


async def _remove_reaction(message: discord.PartialMessage, emoji: str, me: discord.abc.Snowflake) -> None:
    try:
        await message.remove_reaction(emoji, me)
    except discord.NotFound as error:
        if error.code == 10008:  # the message itself
            raise
