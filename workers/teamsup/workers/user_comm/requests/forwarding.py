"""Forward people's questions to agents, and bring back the answers."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime

from teamsup.config.components import people_commands
from teamsup.config.startable_agents import find_agent
from teamsup.hub import Agent, Message, MessageHub
from teamsup.hub.models import HUB_SENDER

from ...protocol import GATEWAY, NAMED_PEOPLE_KEY, SOURCE_KEY
from ..classification import split_context
from ..conversations import NO_HISTORY, ConversationHistory, Conversations
from ..outcome import Done, Outcome, Reply
from ..people import (
    attribute_to_sender,
    format_command_output,
    forwarded_metadata,
    person_of,
    shorten,
)
from ..routing.live_rules import LiveRules
from ..routing.rules import Forward, Origin
from .progress import PROGRESS_METADATA, describe_absence
from .relays import Relays

_LATE_ANSWER_SECONDS = 120.0
_OUTPUT_COMMANDS = tuple(f"/{command.name}" for command in people_commands() if command.is_for_worker)


class Forwarder:
    """Forwards questions and answers. Its verbs block, raise the hub's errors, and run inside the caller's
    transaction.
    """

    def __init__(self, hub: MessageHub, relays: Relays, conversations: Conversations, rules: LiveRules) -> None:
        self._hub = hub
        self._relays = relays
        self._conversations = conversations
        self._rules = rules

    def forward(self, question: Message, ask: Forward, origin: Origin, context: str = "") -> Outcome:
        """Forward a person's message to these agents. ``context`` holds the gateway's additions."""
        if (refusal := self._limit_reached(question)) is not None:
            return Reply(refusal, "error")
        now = datetime.now(UTC)
        notes: list[str] = []
        taken: set[str] = set()
        limit = self._rules.section.history_messages
        for agent in ask.agents:
            asked, absent = self._choose_agent(agent, now)
            notes += absent
            if asked.name in taken:
                continue
            taken.add(asked.name)
            is_new = asked.kind == "agent" and asked.name not in origin.assigned_agents
            history = self._conversations.history_before(question, limit) if is_new else NO_HISTORY
            relay = self._relays.send(asked, ask.text, question, context=context, history=history)
            if absent:
                self._hub.wake_ladder.mark_sender_notified((relay, asked.name))
                self._relays.set_last_progress(relay.id, "\n".join(absent))
        if ask.sticky:
            self._conversations.assign(question, [agent.name for agent in ask.agents if agent.kind == "agent"])
        return Reply("\n".join(notes), "status_report", PROGRESS_METADATA) if notes else Done("passed on")

    def forward_edit(
        self, edit: Message, original: str, words: str, context: str, asked: Sequence[Agent]
    ) -> Outcome | None:
        """Send an edited question to the agents that have it. Replace an unread question; send the edit to an agent
        that has read the question. Return None if no agent has the question, or if the edited text is for other agents.
        """
        relays: dict[str, list[Message]] = {}
        for relay in self._relays.relays_of(original, edit.conversation_id):
            relays.setdefault(relay.recipient or "", []).append(relay)
        if not relays or (asked and {agent.name for agent in asked} != set(relays)):
            return None
        for name, theirs in relays.items():
            if (agent := find_agent(self._hub, name)) is not None:
                self._send_edited(agent, theirs, words, context, edit)
        return Done("passed on")

    def return_answer(self, answer: Message, question: Message) -> Outcome:
        """Send an agent's answer to the person who asked."""
        kind = "error" if answer.message_type == "error" else "message"
        text = self._render_answer(answer, question, self._question_hint(question) if kind == "message" else "")
        self._relays.close(question, self._intended_agent(answer) if answer.sender == HUB_SENDER else answer.sender)
        metadata = forwarded_metadata(answer) | self._relays.pending_answers(question)
        self._hub.answer(question, text, message_type=kind, metadata=metadata)
        return Done()

    def return_progress(self, report: Message, question: Message) -> Outcome:
        """Send an agent's progress to the person, who is still waiting for the answer."""
        self._relays.record_report(question, report)
        text = self._render_answer(report, question)
        self._hub.answer(question, text, message_type="status_report", metadata=forwarded_metadata(report))
        return Done()

    def report_failure(self, notice: Message, failed: Message) -> Outcome:
        """Notify the agent that the gateway did not show its message. Notify the person too if the message is a dead
        letter.
        """
        source = self._relays.find_message(failed.metadata.get(SOURCE_KEY))
        sender = None if source is None else self._hub.find_agent(source.sender)
        if source is not None and sender is not None and sender.kind == "agent":
            self._hub.answer(source, f"About your message #{source.id}: {notice.content}", message_type="error")
        elif isinstance(asked_by := failed.metadata.get("asked_by"), str) and self._hub.find_agent(asked_by):
            text = f"People on Discord do not see your question #{failed.metadata.get('decision')}: {notice.content}"
            self._hub.send(asked_by, text, message_type="error")
        question = self._relays.find_message(failed.reply_to)
        if notice.sender == HUB_SENDER and question is not None and question.sender == GATEWAY:
            text = f"The answer to this could not be shown. It is kept as message #{failed.id}."
            self._hub.answer(question, text, message_type="error")
        return Done("notified its sender")

    def reassign(self, number: int, now: datetime) -> bool:
        """Give a message that an absent agent has not read to its fallback agent, in a separate transaction. Return
        False if no fallback agent is present."""
        relay = self._hub.queries.message(f"#{number}")
        agent, question = find_agent(self._hub, relay.recipient or ""), self._relays.question_of(relay)
        if agent is None or question is None:
            return False
        other, notes = self._choose_agent(agent, now)
        if other.name == agent.name or self._relays.is_assigned_to(question, other.name):
            return False
        with self._hub.transaction():
            if not self._hub.cancel(relay.message_id):
                return False
            words, context = split_context(relay)
            quotes = ConversationHistory(people=tuple(relay.metadata.get(NAMED_PEOPLE_KEY, ())))
            self._relays.delete(relay.id)
            new = self._relays.send(other, words, question, context=context, history=quotes)
            self._relays.set_last_progress(new.id, notes[0])
            self._hub.answer(question, notes[0], message_type="status_report", metadata=PROGRESS_METADATA)
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
        section = self._rules.section
        for what, count, limit in (
            ("You have", self._relays.count_questions_of(person_of(question)), section.open_per_person),
            (
                "This conversation has",
                self._relays.count_questions_in(question.conversation_id),
                section.open_per_conversation,
            ),
        ):
            if count >= limit:
                return f"{what} {limit} open questions; wait for an answer, or withdraw them with /stop."
        return None

    def _choose_agent(self, agent: Agent, now: datetime) -> tuple[Agent, list[str]]:
        """Return the agent or its fallback agent, and a note for the person."""
        if agent.is_present(now):
            return agent, []
        name = {key.lower(): other for key, other in self._rules.section.fallback_agents.items()}.get(agent.name)
        other = find_agent(self._hub, name) if name and name.lower() != self._hub.agent else None
        if other is not None and other.is_present(now):
            return other, [f"{describe_absence(agent, now)}; I ask {other.name} instead."]
        return agent, [f"{describe_absence(agent, now)}; I keep your message."]

    def _render_answer(self, answer: Message, question: Message, hint: str = "") -> str:
        # The output of a command is a table or a sentence, and the command itself names its agent.
        if split_context(question)[0].lower().startswith(_OUTPUT_COMMANDS):
            return format_command_output(answer.content, question.sender)
        return attribute_to_sender(answer, question.sender, about=hint)

    def _intended_agent(self, notice: Message) -> str | None:
        """Return the recipient of the message that the hub could not deliver."""
        return self._hub.queries.message(notice.reply_to).recipient if notice.reply_to else None

    def _question_hint(self, question: Message) -> str:
        """Return the question as an addition to an answer that is late, or that follows a later question. Discord does
        not need this, because the answer is a reply to the question.
        """
        if question.sender == GATEWAY:
            return ""
        age = time.time() - question.created_at.timestamp() if question.created_at else 0.0
        conversation, person = question.conversation_id, question.sender
        is_last = conversation is None or not self._hub.queries.find(
            conversation=conversation, after=question.id, sender=person, limit=1
        )
        return "" if is_last and age < _LATE_ANSWER_SECONDS else f', to "{shorten(question.content, 60)}"'
