"""Requests: what people ask is passed on to agents, and the answers are brought back."""

import contextlib
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from teamsup.config.people_protocol import PEOPLE_COMMANDS
from teamsup.config.sections import UserCommSection
from teamsup.hub import Agent, Delivery, Message, MessageHub, UnknownMessage
from teamsup.hub.models import HUB_SENDER

from ...protocol import GATEWAY, SOURCE_KEY
from ..conversations import NO_HISTORY, ConversationHistory, Conversations
from ..people import (
    attribute_to_sender,
    format_command_output,
    forwarded_metadata,
    person_of,
    shorten,
    split_context,
)
from ..routing.rules import Forward, Origin
from .progress import describe_absence
from .relays import Relays

_LATE_ANSWER_SECONDS = 120.0
_OUTPUT_COMMANDS = tuple(f"/{command.name}" for command in PEOPLE_COMMANDS if command.is_for_worker)
PROGRESS_METADATA = {"progress": True}
"""Metadata of what we tell of a question ourselves, which later news overtake."""
_KEPT_TYPES = ("error", "status_report")


class Forwarder:
    """Its verbs block, and raise the hub's errors."""

    def __init__(
        self, hub: MessageHub, relays: Relays, conversations: Conversations, section: Callable[[], UserCommSection]
    ) -> None:
        self._hub = hub
        self._relays = relays
        self._conversations = conversations
        self._section = section

    def forward(self, delivery: Delivery, ask: Forward, place: Origin, context: str = "") -> None:
        """Give what a person wrote to these agents. ``context`` is what the gateway has added to it."""
        question = delivery.message
        if (refusal := self._limit_reached(question)) is not None:
            self._hub.reply(delivery, refusal, message_type="error")
            return
        now = datetime.now(UTC)
        with self._hub.transaction():
            news: list[str] = []
            taken: set[str] = set()
            limit = self._section().history_messages
            for agent in ask.agents:
                asked, absent = self._choose_agent(agent, now)
                news += absent
                if asked.name in taken:
                    continue
                taken.add(asked.name)
                is_new = asked.kind == "agent" and asked.name not in place.assigned_agents
                history = self._conversations.history_before(question, limit) if is_new else NO_HISTORY
                relay = self._relays.send(asked, ask.text, question, context=context, history=history)
                if absent:
                    self._hub.mark_sender_notified((relay, asked.name))
                    self._relays.set_last_progress(relay, "\n".join(absent))
            if ask.sticky:
                self._conversations.assign(question, [agent.name for agent in ask.agents if agent.kind == "agent"])
            if news:
                self._hub.reply(delivery, "\n".join(news), message_type="status_report", metadata=PROGRESS_METADATA)
            else:
                self._hub.acknowledge(delivery, outcome="passed on")

    def forward_edit(self, delivery: Delivery, original: str, words: str, context: str, asked: Sequence[Agent]) -> bool:
        """A person has edited a question that we have passed on: who has read it gets the new words too, who has not
        only these. False when nobody has it, or others are to have it now."""
        question = delivery.message
        relays: dict[str, list[Message]] = {}
        for relay in self._relays.relays_of(original, question.conversation_id):
            relays.setdefault(relay.recipient or "", []).append(relay)
        if not relays or (asked and {agent.name for agent in asked} != set(relays)):
            return False
        with self._hub.transaction():
            for name, theirs in relays.items():
                if (agent := self._hub.find_agent(name)) is not None:
                    self._send_edited(agent, theirs, words, context, question)
            self._hub.acknowledge(delivery, outcome="passed on")
        return True

    def return_answer(self, delivery: Delivery, question: Message) -> None:
        """Give an agent's answer to whoever asked."""
        answer = delivery.message
        kind = answer.message_type if answer.message_type in _KEPT_TYPES else "message"
        about = self._question_hint(question) if kind == "message" else ""
        # What a command shows is a table or a sentence of its own; whose it is says the command.
        is_shown = split_context(question)[0].lower().startswith(_OUTPUT_COMMANDS)
        said = attribute_to_sender(answer, question.sender, about=about)
        text = format_command_output(answer.content, question.sender) if is_shown else said
        metadata = forwarded_metadata(answer)
        with self._hub.transaction():
            if answer.reply_to is not None and self._relays.is_withdrawn(answer.reply_to):
                self._hub.acknowledge(delivery, outcome="the person has withdrawn the question")
                return
            if kind == "status_report":
                self._relays.record_report(question, answer)
            else:
                self._relays.close(
                    question, self._intended_agent(answer) if answer.sender == HUB_SENDER else answer.sender
                )
                metadata |= self._relays.pending_answers(question)
            self._hub.answer(question, text, message_type=kind, metadata=metadata)
            self._hub.acknowledge(delivery)

    def report_rejected(self, delivery: Delivery, said: Message) -> None:
        """What we had the gateway say was not said: tell the agent whose words they were, and where the hub has given
        it up, so that the gateway could tell nobody, the person too."""
        news = delivery.message
        with self._hub.transaction():
            source = self._find_message(said.metadata.get(SOURCE_KEY))
            sender = None if source is None else self._hub.find_agent(source.sender)
            if source is not None and sender is not None and sender.kind == "agent":
                self._hub.answer(source, f"Of your message #{source.id}: {news.content}", message_type="error")
            elif isinstance(asked_by := said.metadata.get("asked_by"), str) and self._hub.find_agent(asked_by):
                text = f"People on Discord do not see your question #{said.metadata.get('decision')}: {news.content}"
                self._hub.send(asked_by, text, message_type="error")
            question = self._find_message(said.reply_to)
            if news.sender == HUB_SENDER and question is not None and question.sender == GATEWAY:
                text = f"The answer to this could not be shown. It is kept as message #{said.id}."
                self._hub.answer(question, text, message_type="error")
            self._hub.acknowledge(delivery, outcome="told its sender")

    def rejected_message_of(self, notice: Message) -> Message | None:
        """What we had the gateway say, if that notice tells that it was not said."""
        if notice.message_type != "error" or notice.sender not in (GATEWAY, HUB_SENDER):
            return None
        said = self._find_message(notice.reply_to)
        return said if said is not None and (said.sender, said.recipient) == (self._hub.agent, GATEWAY) else None

    def _find_message(self, message_id: object) -> Message | None:
        with contextlib.suppress(UnknownMessage):
            return self._hub.message(message_id) if isinstance(message_id, str) else None
        return None

    def reassign(self, number: int, now: datetime) -> bool:
        """Give that message, which an absent agent has not read, to its stand-in, if one is there; whether it was."""
        relay = self._hub.message(f"#{number}")
        agent, question = self._hub.find_agent(relay.recipient or ""), self._relays.question_of(relay.message_id)
        if agent is None or question is None:
            return False
        other, news = self._choose_agent(agent, now)
        if other.name == agent.name or self._relays.is_assigned_to(question, other.name):
            return False
        with self._hub.transaction():
            if not self._hub.cancel(relay.message_id):
                return False
            words, context = split_context(relay)
            quotes = ConversationHistory(people=tuple(relay.metadata.get("quotes", ())))
            self._relays.delete(relay)
            new = self._relays.send(other, words, question, context=context, history=quotes)
            self._relays.set_last_progress(new, news[0])
            self._hub.answer(question, news[0], message_type="status_report", metadata=PROGRESS_METADATA)
        return True

    def _send_edited(
        self, agent: Agent, relays: Sequence[Message], words: str, context: str, question: Message
    ) -> None:
        for relay in relays:
            self._relays.cancel_reminders(relay)
        if any(self._relays.is_read(relay) for relay in relays):
            reply_to = relays[-1].message_id
            self._relays.send(agent, f"edited: {words}", question, context=context, reply_to=reply_to)
        else:
            for relay in relays:
                self._hub.cancel(relay.message_id)
            self._relays.send(agent, words, question, context=context)

    def _limit_reached(self, question: Message) -> str | None:
        section = self._section()
        for what, column, value, limit in (
            ("You have", "person", person_of(question), section.open_per_person),
            ("This conversation has", "conversation", question.conversation_id, section.open_per_conversation),
        ):
            sql = f"SELECT count(DISTINCT question) FROM relays WHERE {column} = ?"  # noqa: S608
            if self._hub.query(sql, (value,))[0][0] >= limit:
                return f"{what} {limit} open questions; wait for an answer, or withdraw them with /stop."
        return None

    def _choose_agent(self, agent: Agent, now: datetime) -> tuple[Agent, list[str]]:
        """Whom to ask, the agent or its stand-in, and what the person should know of that."""
        if agent.is_present(now):
            return agent, []
        name = {key.lower(): other for key, other in self._section().stand_ins.items()}.get(agent.name)
        other = self._hub.find_agent(name) if name and name.lower() != self._hub.agent else None
        if other is not None and other.is_present(now):
            return other, [f"{describe_absence(agent, now)}; I ask {other.name} instead."]
        return agent, [f"{describe_absence(agent, now)}; I keep your message."]

    def _intended_agent(self, notice: Message) -> str | None:
        """Whom the message was for of which the hub says that it came to nothing."""
        return self._hub.message(notice.reply_to).recipient if notice.reply_to else None

    def _question_hint(self, question: Message) -> str:
        """What an answer answers, where that is not plain: it comes late, or something else was asked since. On Discord
        it is a reply."""
        if question.sender == GATEWAY:
            return ""
        age = time.time() - question.created_at.timestamp() if question.created_at else 0.0
        is_last = not self._hub.query(
            "SELECT 1 FROM messages WHERE conversation_id = ? AND id > ? AND sender = ? LIMIT 1",
            (question.conversation_id, question.id, question.sender),
        )
        return "" if is_last and age < _LATE_ANSWER_SECONDS else f', to "{shorten(question.content, 60)}"'
