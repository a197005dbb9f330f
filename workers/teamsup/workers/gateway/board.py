"""The board: where each question stands, shown by a reaction and by typing. What is shown survives a crash."""

import asyncio
import functools
import itertools
import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from teamsup.hub import MessageHub, StoreError

from .facts import fact, note
from .intake import RECIPIENT
from .snowflakes import channel_of, snowflake_of
from .verdict import Again, verdict

if TYPE_CHECKING:
    import discord

LOOK_SECONDS = 0.3
TYPING_SECONDS = 8.0
_MOST_OPEN = 500
_REST_SECONDS = 5.0  # after trouble, for that channel
_ROLES = ("question", "relay", "answer")
_LOST = ("dead", "expired")
_FACT = "board"  # up to which message questions have been taken in

_NEW = """
    SELECT id, conversation_id, sender = :me AS is_question, CASE WHEN sender = :me THEN message_id
        WHEN json_valid(metadata) THEN CAST(json_extract(metadata, '$.question') AS TEXT) END AS question
      FROM messages WHERE id > :seen AND id <= :last AND conversation_id GLOB 'discord:*' AND question GLOB 'discord:*'
        AND ((sender = :me AND recipient = :answerer AND message_type = 'message')
          OR (sender = :answerer AND recipient <> :me)) ORDER BY id
"""

# The + keeps SQLite from looking through all that we have sent; CROSS JOIN, from beginning with all messages.
_FACTS = """
    WITH asked AS (SELECT * FROM discord_questions ORDER BY snowflake DESC LIMIT :most),
    versions AS MATERIALIZED (
      SELECT q.snowflake, m.id, m.message_id FROM asked AS q CROSS JOIN messages AS m
        ON m.message_id = 'discord:' || q.snowflake WHERE +m.sender = :me
      UNION ALL
      SELECT q.snowflake, m.id, m.message_id FROM asked AS q CROSS JOIN messages AS m
        ON m.message_id > 'discord:' || q.snowflake || ':' AND m.message_id < 'discord:' || q.snowflake || ';'
        WHERE +m.sender = :me)
    SELECT snowflake, channel, shown, NULL AS role, NULL AS state, NULL AS is_read, NULL AS is_error FROM asked
    UNION ALL
    SELECT v.snowflake, NULL, NULL, 'question', d.state, d.read_at IS NOT NULL, 0
      FROM versions AS v CROSS JOIN deliveries AS d ON d.message = v.id AND d.recipient = :answerer
    UNION ALL
    SELECT q.snowflake, NULL, NULL, 'relay', d.state, d.read_at IS NOT NULL, 0
      FROM asked AS q CROSS JOIN discord_relays AS r ON r.snowflake = q.snowflake
      CROSS JOIN deliveries AS d ON d.message = r.message
    UNION ALL
    SELECT v.snowflake, NULL, NULL, 'answer', d.state, 0,
        a.message_type = 'error' OR coalesce(d.outcome, '') LIKE 'refused%'
      FROM versions AS v CROSS JOIN messages AS a ON a.reply_to = v.message_id AND a.message_type <> 'status_report'
      CROSS JOIN deliveries AS d ON d.message = a.id AND d.recipient = :me
    ORDER BY 1
"""


class Stage(StrEnum):
    """Where a question stands, and the reaction that shows it."""

    STORED = "👀"
    WORKING = "⚙"
    ANSWERED = "✅"
    FAILED = "❌"
    WITHDRAWN = ""

    @property
    def is_last(self) -> bool:
        return self not in (Stage.STORED, Stage.WORKING)


@dataclass(frozen=True, slots=True)
class Fact:
    """A delivery that has to do with a question: of itself, of it as it was passed on, or of an answer."""

    role: str
    state: str
    is_read: bool = False
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """A message of a person that waits for its answer."""

    snowflake: int
    channel: int
    shown: tuple[str, ...]
    stage: Stage
    is_held: bool
    """Whether somebody is at work on it now."""


def stage(facts: Sequence[Fact]) -> Stage:
    """Where a question stands."""
    asked, passed_on, answers = ([fact for fact in facts if fact.role == role] for role in _ROLES)
    done = [answer for answer in answers if answer.state == "done"]
    if _are_lost(asked) or _are_lost(passed_on):
        return Stage.FAILED
    if any(not answer.is_error for answer in done):
        return Stage.ANSWERED
    if done or any(answer.state in _LOST for answer in answers):
        return Stage.FAILED
    if any(fact.state == "leased" for fact in asked) or any(fact.is_read for fact in passed_on):
        return Stage.WORKING
    is_open = any(fact.state != "cancelled" for fact in passed_on or asked)
    return Stage.STORED if is_open else Stage.WITHDRAWN


def _are_lost(facts: Sequence[Fact]) -> bool:
    return bool(facts) and all(fact.state in _LOST for fact in facts)


class Board:
    """Shows where the questions stand. It is a matter of its own: no answer waits for it."""

    def __init__(self, hub: MessageHub, client: "Callable[[], discord.Client | None]", log: logging.Logger) -> None:
        self._hub = hub
        self._client = client
        self._log = log
        self._version = -1
        self._seen: int | None = None
        self._questions: dict[int, Question] = {}
        self._perhaps: dict[int, tuple[str, ...]] = {}
        self._surely: dict[int, Stage] = {}
        self._at_work: dict[int, asyncio.Task[None]] = {}
        self._rests_until: dict[int, float] = {}
        self._typed: dict[int, float] = {}
        self._typing: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                try:
                    if (client := self._client()) is not None:
                        await self._look(client)
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
            found = await asyncio.to_thread(self._read)
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

    def _read(self) -> list[Question]:
        self._take_in()
        values = {"most": _MOST_OPEN, "me": self._hub.agent, "answerer": RECIPIENT}
        rows = self._hub.rows(_FACTS, values)
        return [_question(list(group)) for _, group in itertools.groupby(rows, key=lambda row: row["snowflake"])]

    def _take_in(self) -> None:
        """Note what has been asked, and passed on, since the last look."""
        if self._seen is None:
            self._seen = int(fact(self._hub, _FACT) or 0)
        last = self._hub.rows("SELECT coalesce(max(id), 0) FROM messages")[0][0]
        if last < self._seen:
            self._seen = 0  # somebody has replaced the file
        values = {"me": self._hub.agent, "answerer": RECIPIENT, "seen": self._seen, "last": last}
        if new := self._hub.rows(_NEW, values):
            with self._hub.transaction():
                for row in new:
                    self._take(row)
                note(self._hub, _FACT, str(last))
        self._seen = last

    def _take(self, row: sqlite3.Row) -> None:
        channel, asked = channel_of(row["conversation_id"]), snowflake_of(row["question"])
        if channel is None or asked is None:
            return
        if row["is_question"]:
            sql = "INSERT OR IGNORE INTO discord_questions (snowflake, channel) VALUES (?, ?)"
            self._hub.change(sql, (asked, channel))
        else:
            self._hub.change("INSERT OR IGNORE INTO discord_relays VALUES (?, ?)", (asked, row["id"]))

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
                    await asyncio.to_thread(self._note, number, perhaps)
            await message.add_reaction(wanted)
        for emoji in perhaps:
            if emoji != wanted:
                await _take_away(message, emoji, client.user)
        self._surely[number], self._perhaps[number] = wanted, (wanted.value,)
        if wanted.is_last:
            await asyncio.to_thread(self._forget, number)

    def _note(self, snowflake: int, shown: Sequence[str]) -> None:
        sql = "UPDATE discord_questions SET shown = ? WHERE snowflake = ?"
        self._hub.change(sql, (" ".join(shown), snowflake))

    def _forget(self, snowflake: int) -> None:
        with self._hub.transaction():
            for table in ("discord_questions", "discord_relays"):
                self._hub.change(f"DELETE FROM {table} WHERE snowflake = ?", (snowflake,))  # noqa: S608
        self._questions.pop(snowflake, None)

    async def _bear(self, client: "discord.Client", question: Question, error: Exception) -> None:
        """Reactions are worth another try, but not at once."""
        found = verdict(client, error)
        if isinstance(error, StoreError) or isinstance(found, Again):
            self._log.info("reactions in channel %d have to wait: %r", question.channel, error)
            self._rests_until[question.channel] = time.monotonic() + _REST_SECONDS
        elif found is None:
            raise error
        else:
            # The message is gone, or we may not: nothing is to be shown there any more.
            self._log.info("no reactions to message %d: %s", question.snowflake, error)
            await asyncio.to_thread(self._forget, question.snowflake)

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


def _question(rows: Sequence[sqlite3.Row]) -> Question:
    (itself,) = (row for row in rows if row["role"] is None)
    facts = [
        Fact(row["role"], row["state"], bool(row["is_read"]), bool(row["is_error"]))
        for row in rows
        if row["role"] is not None
    ]
    found = stage(facts)
    is_held = found is Stage.WORKING and any(fact.state == "leased" and fact.is_read for fact in facts)
    return Question(itself["snowflake"], itself["channel"], tuple(itself["shown"].split()), found, is_held)
