"""The board: where each question stands, shown by a reaction and by typing. What is shown survives a crash."""

import asyncio
import functools
import logging
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from teamsup.hub import MessageHub, StoreError

from .questions import Question, Questions
from .snowflakes import written_at
from .stages import Stage
from .verdict import WAIT_SECONDS, Again, Later, verdict

if TYPE_CHECKING:
    import discord

LOOK_SECONDS = 0.3
TYPING_SECONDS = 8.0
_REST_SECONDS, _LONG_REST_SECONDS = 5.0, 30.0  # after trouble, and after a refusal, for that channel


class Board:
    """Shows where the questions stand. It is a matter of its own: no answer waits for it."""

    def __init__(self, hub: MessageHub, client: "Callable[[], Awaitable[discord.Client]]", log: logging.Logger) -> None:
        self._hub = hub
        self._store = Questions(hub)
        self._client = client
        self._log = log
        self._version = -1  # of the database, at the last look
        self._questions: dict[int, Question] = {}
        # By question: the reactions that may be there, and the one that alone is there for sure.
        self._perhaps: dict[int, tuple[str, ...]] = {}
        self._surely: dict[int, Stage] = {}
        # By channel.
        self._at_work: dict[int, asyncio.Task[None]] = {}
        self._rests_until: dict[int, float] = {}
        self._typed: dict[int, float] = {}
        self._typing: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                try:
                    await self._look(await self._client())
                except StoreError as error:
                    self._log.warning("cannot see where the questions stand: %s", error)
                except Exception:
                    self._log.exception("cannot show where the questions stand")
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            for task in (*self._at_work.values(), *self._typing):
                task.cancel()

    async def _look(self, client: "discord.Client") -> None:
        version = self._hub.data_version()
        if version != self._version:
            found = await asyncio.to_thread(self._store.read)
            self._version = version
            self._questions = {question.snowflake: question for question in found}
            for known in (self._perhaps, self._surely):
                for gone in known.keys() - self._questions.keys():
                    del known[gone]
        now = time.monotonic()
        for channel in {question.channel for question in self._questions.values() if self._is_due(question)}:
            if channel not in self._at_work and self._rests_until.get(channel, 0.0) <= now:
                task = self._at_work[channel] = asyncio.create_task(self._show(client, channel))
                task.add_done_callback(functools.partial(self._rest, channel))
        for channel in {question.channel for question in self._questions.values() if question.is_held}:
            if now - self._typed.get(channel, -TYPING_SECONDS) >= TYPING_SECONDS:
                self._typed[channel] = now
                typing = asyncio.create_task(self._type(client, channel))
                self._typing.add(typing)
                typing.add_done_callback(self._typing.discard)
        self._typed = {channel: at for channel, at in self._typed.items() if now - at < TYPING_SECONDS}
        self._rests_until = {channel: until for channel, until in self._rests_until.items() if until > now}

    def _rest(self, channel: int, task: asyncio.Task[None]) -> None:
        self._at_work.pop(channel, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.error("cannot show where the questions of channel %d stand", channel, exc_info=error)
            self._rests_until[channel] = time.monotonic() + _REST_SECONDS

    def _is_due(self, question: Question) -> bool:
        return question.stage.is_last or self._surely.get(question.snowflake) is not question.stage

    async def _show(self, client: "discord.Client", channel: int) -> None:
        """Bring one channel up to date, a reaction at a time; each time to what is true by then."""
        while self._rests_until.get(channel, 0.0) <= time.monotonic():
            here = (each for each in self._questions.values() if each.channel == channel)
            question = next((each for each in here if self._is_due(each)), None)
            if question is None:
                return
            try:
                await self._bring(client, question)
            except Exception as error:
                await self._bear(client, question, error)

    async def _bring(self, client: "discord.Client", question: Question) -> None:
        assert client.user is not None  # noqa: S101 - it is connected
        number, wanted = question.snowflake, question.stage
        message = client.get_partial_messageable(question.channel).get_partial_message(number)
        perhaps = self._perhaps.get(number, question.shown)
        if wanted is not Stage.WITHDRAWN:
            if wanted not in perhaps:
                perhaps = self._perhaps[number] = (*perhaps, wanted.value)
                # Noted before it is done, so that nothing stays behind unknown. The last one may stay.
                if len(perhaps) > 1 or not wanted.is_last:
                    await asyncio.to_thread(self._store.note_shown, number, perhaps)
            await message.add_reaction(wanted)
        for emoji in perhaps:
            if emoji != wanted:
                await _take_away(message, emoji, client.user)
        self._surely[number], self._perhaps[number] = wanted, (wanted.value,)
        if wanted.is_last:
            await self._forget(number)

    async def _forget(self, snowflake: int) -> None:
        await asyncio.to_thread(self._store.forget, snowflake)
        self._questions.pop(snowflake, None)

    async def _bear(self, client: "discord.Client", question: Question, error: Exception) -> None:
        """Reactions are worth another try, but not at once."""
        found = verdict(client, error)
        is_recent = time.time() - written_at(question.snowflake) < WAIT_SECONDS
        if isinstance(error, StoreError) or isinstance(found, Again) or (isinstance(found, Later) and is_recent):
            self._log.info("reactions in channel %d have to wait: %r", question.channel, error)
            rest = _LONG_REST_SECONDS if isinstance(found, Later) else _REST_SECONDS
            self._rests_until[question.channel] = time.monotonic() + rest
        elif found is None:
            raise error
        else:
            # The message is gone, or we may not: nothing is to be shown there any more.
            self._log.info("no reactions to message %d: %s", question.snowflake, error)
            await self._forget(question.snowflake)

    async def _type(self, client: "discord.Client", channel: int) -> None:
        try:
            await client.get_partial_messageable(channel).typing()
        except Exception as error:
            if verdict(client, error) is None:
                raise
            self._log.debug("no typing in channel %d: %r", channel, error)


async def _take_away(message: "discord.PartialMessage", emoji: str, me: "discord.abc.Snowflake") -> None:
    import discord

    try:
        await message.remove_reaction(emoji, me)
    except discord.NotFound as error:
        if error.code == 10008:  # the message itself
            raise
