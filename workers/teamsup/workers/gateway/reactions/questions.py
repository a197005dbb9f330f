"""The open questions from Discord, from the hub. Blocks."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from teamsup.config.people_protocol import DECISION_REQUEST, USER_COMM
from teamsup.hub import DeliveryState, Message, MessageHub
from teamsup.hub.engines.engine import Row
from teamsup.hub.models import MessageLabels

from ..ids import CONVERSATION_PREFIX, channel_of, message_id_of, snowflake_of
from ..tables.state import get_state, set_state

_MAX_OPEN = 500
_ROLES = ("question", "relay", "answer")
_LOST = ("dead", "expired")
_STATE_KEY = "board"  # the last message up to which questions are stored

_RELAYS = """
    SELECT r.snowflake, r.message
      FROM (SELECT snowflake FROM discord_questions ORDER BY snowflake DESC LIMIT ?) AS asked
      JOIN discord_relays AS r ON r.snowflake = asked.snowflake
"""
_INSERT_QUESTION = "INSERT INTO discord_questions (snowflake, channel) VALUES (?, ?) ON CONFLICT DO NOTHING"
# Nobody would delete the relay of a question that is no longer open.
_INSERT_RELAY = """
    INSERT INTO discord_relays (snowflake, message)
      SELECT snowflake, CAST(? AS BIGINT) FROM discord_questions WHERE snowflake = ? ON CONFLICT DO NOTHING
"""


class QuestionStatus(StrEnum):
    """The status of a question, with the reaction that shows it."""

    STORED = "👀"
    WORKING = "⚙"
    ANSWERED = "✅"
    FAILED = "❌"
    WITHDRAWN = "🚫"

    @property
    def is_final(self) -> bool:
        return self not in (QuestionStatus.STORED, QuestionStatus.WORKING)


@dataclass(frozen=True, slots=True)
class QuestionDelivery:
    """The delivery of a question, of its relay, or of an answer."""

    role: str
    state: str
    is_read: bool = False
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class OpenQuestion:
    """A message of a person that waits for its answer."""

    snowflake: int
    channel: int
    reactions: tuple[str, ...]
    status: QuestionStatus
    is_in_progress: bool
    """Whether an agent is working on it."""


class QuestionTable:
    """The questions, their relays, and their status."""

    def __init__(self, hub: MessageHub) -> None:
        self._hub = hub
        self._seen_up_to: int | None = None

    def read(self) -> list[OpenQuestion]:
        """Return the open questions, the oldest first."""
        self._insert_new()
        found = self._read_deliveries()
        # New rows that came while we read may have replaced cancelled ones.
        while self._insert_new():
            found = self._read_deliveries()
        return found

    def _read_deliveries(self) -> list[OpenQuestion]:
        rows = self._hub.query("SELECT * FROM discord_questions ORDER BY snowflake DESC LIMIT ?", (_MAX_OPEN,))
        asked = [message_id_of(row["snowflake"]) for row in rows]
        queries, me = self._hub.queries, self._hub.agent
        versions = queries.version_labels(asked, sender=me)
        answers = queries.reply_labels(
            (each.message_id for each in versions), recipient=me, without_types=("status_report", DECISION_REQUEST)
        )
        relays = [(row["snowflake"], row["message"]) for row in self._hub.query(_RELAYS, (_MAX_OPEN,))]
        states = queries.trace_each([*(each.id for each in (*versions, *answers)), *(each for _, each in relays)])
        steps: dict[int | None, list[QuestionDelivery]] = defaultdict(list)
        for version in versions:
            steps[snowflake_of(version.message_id)] += [
                QuestionDelivery("question", each.state, each.read_at is not None)
                for each in states.get(version.id, ())
                if each.recipient == USER_COMM
            ]
        for snowflake, relay in relays:
            steps[snowflake] += [
                QuestionDelivery("relay", each.state, each.read_at is not None) for each in states.get(relay, ())
            ]
        for answer in answers:
            steps[snowflake_of(answer.reply_to)] += [
                QuestionDelivery("answer", each.state, is_error=_is_error(answer, each))
                for each in states.get(answer.id, ())
                if each.recipient == me
            ]
        return [_to_question(row, steps[row["snowflake"]]) for row in reversed(rows)]

    def _insert_new(self) -> bool:
        """Insert the questions and relays that are new since the last call. Return whether there were any."""
        if self._seen_up_to is None:
            self._seen_up_to = self._stored_position()
        has_new = False
        senders, prefix = (self._hub.agent, USER_COMM), CONVERSATION_PREFIX
        while True:
            messages, last = self._hub.queries.stored_after(
                self._seen_up_to, senders=senders, conversation_prefix=prefix
            )
            if last < self._seen_up_to:
                # The file was replaced, or a restored backup has fewer messages. A restore keeps our tables.
                last = min(last, self._stored_position())
            new = [change for message in messages if (change := _to_insert(message, self._hub.agent)) is not None]
            if new:
                with self._hub.transaction():
                    for sql, values in new:
                        self._hub.execute(sql, values)
                    set_state(self._hub, _STATE_KEY, str(last))
            has_new |= bool(new)
            if last == self._seen_up_to:
                return has_new
            self._seen_up_to = last

    def _stored_position(self) -> int:
        return int(get_state(self._hub, _STATE_KEY) or 0)

    def set_reactions(self, snowflake: int, reactions: Sequence[str]) -> None:
        """Record which reactions the bot may have set. Call this before a change of them."""
        sql = "UPDATE discord_questions SET reactions = ? WHERE snowflake = ?"
        self._hub.execute(sql, (" ".join(reactions), snowflake))

    def delete(self, snowflake: int) -> None:
        """Delete a question when all its reactions are removed."""
        with self._hub.transaction():
            self._hub.execute("DELETE FROM discord_questions WHERE snowflake = ?", (snowflake,))
            self._hub.execute("DELETE FROM discord_relays WHERE snowflake = ?", (snowflake,))


def _to_insert(message: Message, me: str) -> tuple[str, tuple[int, int]] | None:
    """Return the statement that stores a question or a relay, or None for any other message."""
    channel = channel_of(message.conversation_id)
    if channel is None:
        return None
    if message.sender == me:
        asked = snowflake_of(message.message_id)
        is_question = message.recipient == USER_COMM and message.message_type == "message"
        return (_INSERT_QUESTION, (asked, channel)) if is_question and asked is not None else None
    asked = snowflake_of(str(message.metadata.get("question")))
    is_relay = message.recipient not in (me, None) and asked is not None
    return (_INSERT_RELAY, (message.id, asked)) if is_relay and asked is not None else None


def _to_question(row: Row, steps: Sequence[QuestionDelivery]) -> OpenQuestion:
    found = determine_status(steps)
    is_held = found is QuestionStatus.WORKING and any(step.state == "leased" and step.is_read for step in steps)
    return OpenQuestion(row["snowflake"], row["channel"], tuple(row["reactions"].split()), found, is_held)


def determine_status(steps: Sequence[QuestionDelivery]) -> QuestionStatus:
    """Return the status of a question."""
    asked, passed_on, answers = ([step for step in steps if step.role == role] for role in _ROLES)
    done = [answer for answer in answers if answer.state == "done"]
    if _are_lost(asked) or _are_lost(passed_on):
        return QuestionStatus.FAILED
    if any(not answer.is_error for answer in done):
        return QuestionStatus.ANSWERED
    if done or any(answer.state in _LOST for answer in answers):
        return QuestionStatus.FAILED
    # An agent may have read a message before it was withdrawn.
    is_read = any(step.is_read and step.state != "cancelled" for step in passed_on)
    if is_read or any(step.state == "leased" for step in asked):
        return QuestionStatus.WORKING
    is_open = any(step.state != "cancelled" for step in passed_on or asked)
    return QuestionStatus.STORED if is_open else QuestionStatus.WITHDRAWN


def _is_error(answer: MessageLabels, state: DeliveryState) -> bool:
    return answer.message_type == "error" or (state.outcome or "").startswith("refused")


def _are_lost(steps: Sequence[QuestionDelivery]) -> bool:
    return bool(steps) and all(step.state in _LOST for step in steps)
