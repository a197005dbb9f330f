"""Who takes care of an incident: acknowledgements by people and agents, and what agents report."""

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from teamsup.hub import CallerError, Message, MessageHub
from teamsup.hub.clock import to_text

from . import incident, texts
from .conversation import Conversations
from .incident import Incident
from .routes import PEOPLE

_ACK = re.compile(r"/?ack(?:nowledged?)?\b[\s:.,!-]*(?P<rest>.*)", re.IGNORECASE | re.DOTALL)
_CONVERSATION = re.compile(r"incident:(\d{1,17})")


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What an acknowledgement has changed, and what is to be said to whoever made it."""

    answer: str
    incidents: tuple[Incident, ...] = ()


class Care:
    """Notes who takes care of what, and tells the others."""

    def __init__(
        self, hub: MessageHub, conversations: Conversations, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._hub = hub
        self._conversations = conversations
        self._clock = clock

    def acknowledge(
        self, words: Sequence[str], who: str, agent: str | None = None, where: str | None = None
    ) -> Acknowledged:
        """Acknowledge these incidents and what is told with them, or ``all``. ``agent``: who need not be told;
        ``where``: the conversation in which people read the answer, so neither need they.

        Raises UnknownIncident, and CallerError for words that are no numbers.
        """
        with self._hub.transaction():
            wanted = _wanted(self._hub, words)
            firsts = dict.fromkeys(each.first for each in wanted if each.state == incident.FIRING)
            changed: list[Incident] = []
            for first in firsts:
                changed += self._acknowledge(first, who)
            if changed:
                self._tell(changed, who, agent, where)
            return Acknowledged(self._answer(wanted, changed, who), tuple(changed))

    def incident_of(self, message: Message) -> int | None:
        """Which conversation of incidents a message from somebody belongs to: it answers in it, or was said in it."""
        if message.reply_to is not None:
            rows = self._hub.rows(
                "SELECT i.first FROM incident_messages AS i JOIN messages AS m ON m.id = i.message"
                " WHERE m.message_id = ?",
                (message.reply_to,),
            )
            if rows:
                # What was told singly may have become part of a flood since.
                return int(rows[0]["first"])
        match = _CONVERSATION.fullmatch(message.conversation_id or "")
        first = None if match is None else int(match[1])
        return first if first is not None and self._conversations.get(first) is not None else None

    def is_told(self, first: int, name: str) -> bool:
        """Whether somebody is among those who are told of it as agents, which may be a program."""
        conversation = self._conversations.get(first)
        return conversation is not None and name in conversation.agents

    def hear(self, first: int, message: Message) -> tuple[Incident, ...]:
        """What an agent says about an incident is a report; with ``ack`` as the first word it takes care of it. Both go
        to people. Gives back what it has acknowledged."""
        ack = _ACK.fullmatch(message.content.strip())
        with self._hub.transaction():
            changed = self._acknowledge(first, message.sender) if ack is not None else []
            if changed:
                self._tell(changed, message.sender, message.sender)
            text = message.content if ack is None else ack["rest"]
            if text.strip():
                self._report(first, message.sender, text)
            return tuple(changed)

    def _acknowledge(self, first: int, who: str) -> list[Incident]:
        now = self._clock()
        firing = [each for each in incident.of_conversation(self._hub, first) if each.state == incident.FIRING]
        self._hub.change(
            "UPDATE incidents SET state = 'acknowledged', acknowledged_by = ?, acknowledged_at = ?"
            " WHERE first = ? AND state = 'firing'",
            (who, to_text(now), first),
        )
        self._conversations.change(first, acted_by=who, acted_at=now, news_due=None)
        return firing

    def _report(self, first: int, who: str, text: str) -> None:
        self._conversations.change(first, acted_by=who, acted_at=self._clock())
        about = incident.of_conversation(self._hub, first) or incident.ended_in(self._hub, first)
        conversation = self._conversations.get(first)
        if conversation is None or not about:
            return
        self._conversations.say(
            conversation,
            PEOPLE,
            texts.report(about[0], who, text),
            "report",
            metadata={"alert": texts.facts(about, severity="info"), "incident": first},
        )

    def _tell(self, changed: Sequence[Incident], who: str, agent: str | None, where: str | None = None) -> None:
        """Everybody who has heard of it, and people in any case."""
        for first in dict.fromkeys(each.first for each in changed):
            conversation = self._conversations.get(first)
            if conversation is None:
                continue
            of_this = [each for each in changed if each.first == first]
            text = texts.acknowledged(of_this, who)
            knows = {conversation.agent} if conversation.agent is not None else set()
            for name in conversation.agents:
                # What says that nobody takes care of it must not be read any more.
                knows |= self._conversations.withdraw(first, name)
            # Who has left the team for good is not brought back by that.
            for name in sorted((knows - {agent}) & set(self._conversations.everybody())):
                self._conversations.say(conversation, name, text, "acknowledged")
            facts = {"alert": texts.facts(of_this, severity="info"), "incident": first, "answered_in": where}
            settled = self._conversations.settled(first, texts.cared_for(who))
            self._conversations.say(conversation, PEOPLE, text, "acknowledged", metadata=facts | settled)

    def _answer(self, wanted: Sequence[Incident], changed: Sequence[Incident], who: str) -> str:
        if changed:
            return texts.acknowledged(changed, who)
        if not wanted:
            return "Nothing is open that nobody takes care of."
        now = datetime.fromtimestamp(self._clock(), UTC)
        return " ".join(f"Incident {each.id} is {texts.state(each, now)}." for each in wanted[:20])


def numbers_in(words: Sequence[str], otherwise: str) -> list[int]:
    """The incidents of which these words are the numbers. Raises CallerError, which says ``otherwise``."""
    numbers = [number for word in words if (number := incident.number_in(word.strip(","))) is not None]
    if not numbers or len(numbers) < len(words):
        raise CallerError(otherwise)
    return numbers


def _wanted(hub: MessageHub, words: Sequence[str]) -> list[Incident]:
    if [word.lower() for word in words] == ["all"]:
        return [each for each in incident.open_incidents(hub) if each.state == incident.FIRING]
    numbers = numbers_in(words, "Say which incident, and nothing else: ack ID, or ack all.")
    return [incident.by_id(hub, number) for number in numbers]
