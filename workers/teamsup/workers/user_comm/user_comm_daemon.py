"""user_comm: between people and the team. Answers what it can, passes on the rest and brings back the answers."""

from datetime import UTC, datetime
from typing import Any, ClassVar

from teamsup.hub import Agent, Delivery, Message, MessageHub, UnknownMessage
from teamsup.hub.messages import MAX_BYTES
from teamsup.hub.sections import GatewaySection
from teamsup.hub.settings import Settings
from teamsup.hub.wording import presence

from ..worker import Worker, main
from .answers import Answer, Relay, decide, own_words

_QUESTION = "question"
_GATEWAY = "gateway"
_NOBODY_SECONDS = 10.0
_MAX_BYTES = MAX_BYTES - 1024


class UserComm(Worker):
    """Answers people, passes @agent lines on and brings back the answers."""

    name: ClassVar[str] = "user_comm"

    def __init__(self, hub: MessageHub, settings: Settings) -> None:
        super().__init__(hub, settings)
        self._has_home_channel = settings.section(_GATEWAY, GatewaySection).home_channel != 0

    async def handle(self, delivery: Delivery) -> None:
        await self.in_thread(self._handle, delivery)

    def _handle(self, delivery: Delivery) -> None:
        message = delivery.message
        question = None if message.reply_to is None else self._question_behind(message.reply_to)
        changed = message.reply_to if message.sender == _GATEWAY else None
        if message.message_type == "deleted" and changed is not None:
            self._withdraw(delivery, changed)
        elif message.message_type == "edited" and changed is not None:
            self._change(delivery, changed)
        elif question is not None:
            self._bring_back(delivery, question)
        elif message.message_type == "notification" or message.metadata.get("options"):
            self._tell_people(delivery)
        elif message.reply_to is not None or message.recipient is None:
            self.hub.acknowledge(delivery)
        elif (sender := self.hub.agent_named(message.sender)) is not None and sender.kind == "agent":
            # Agents know how to reach each other; what they say here is for people.
            self._tell_people(delivery)
        else:
            self._answer(delivery)

    def _answer(self, delivery: Delivery) -> None:
        words, context = own_words(delivery.message)
        match decide(words, self.hub.agents(), datetime.now(UTC)):
            case Answer(text):
                self.hub.reply(delivery, text)
            case Relay(agent, text):
                self._relay(delivery, Relay(agent, text + context))

    def still_unread(self, message: Message, agent: Agent) -> None:
        """Say so to the person whose question it was."""
        question = self._question_behind(message.message_id)
        if question is not None:
            self.hub.answer(question, _not_read(agent, message), message_type="status_report")

    def _relay(self, delivery: Delivery, relay: Relay) -> None:
        """Pass a person's line on. What it notes in the metadata is the way back, also after a restart."""
        question = delivery.message
        now = datetime.now(UTC)
        with self.hub.transaction():
            passed_on = self.hub.send(
                relay.agent.name,
                relay.text,
                priority=question.priority,
                metadata={"from": question.metadata.get("from", question.sender), _QUESTION: question.message_id},
                conversation_id=question.conversation_id,
            )
            if relay.agent.is_present(now):
                self.hub.acknowledge(delivery, outcome="passed on")
            else:
                news = f"{relay.agent.name} is {presence(relay.agent, now)}; I keep your message."
                self.hub.reply(delivery, news, message_type="status_report")
                self.hub.mark_told((passed_on, relay.agent.name))

    def _bring_back(self, delivery: Delivery, question: Message) -> None:
        """Give an agent's answer to whoever asked."""
        with self.hub.transaction():
            answer = delivery.message
            kind = "error" if answer.message_type == "error" else "message"
            self.hub.answer(question, _as_said_by(answer), message_type=kind, metadata=_passed_on(answer))
            self.hub.acknowledge(delivery)

    def _withdraw(self, delivery: Delivery, question: str) -> None:
        """A person has deleted their question: nobody need answer it."""
        with self.hub.transaction():
            for relay in self._relays_of(question, delivery.message.conversation_id):
                knows = self._has_read(relay)
                self.hub.cancel(relay.message_id, even_if_read=True)
                if knows and relay.recipient is not None and self.hub.agent_named(relay.recipient) is not None:
                    self.hub.send(
                        relay.recipient,
                        "The person has deleted this message: no answer is needed.",
                        message_type="deleted",
                        conversation_id=relay.conversation_id,
                        reply_to=relay.message_id,
                    )
            self.hub.acknowledge(delivery, outcome="withdrawn")

    def _change(self, delivery: Delivery, question: str) -> None:
        """A person has edited their question after it was read: whoever has it gets the new words too."""
        message = delivery.message
        relays = self._relays_of(question, message.conversation_id)
        edited, context = own_words(message)
        words = edited.removeprefix("edited: ")
        match decide(words, self.hub.agents(), datetime.now(UTC)):
            case Relay(agent, text) if not relays or agent.name != relays[-1].recipient:
                self._relay(delivery, Relay(agent, text + context))
                return
            case Relay(_, text):
                words = text
            case Answer(text) if not relays:
                self.hub.reply(delivery, text)
                return
        with self.hub.transaction():
            self.hub.send(
                relays[-1].recipient or self.name,
                f"edited: {words}{context}",
                priority=message.priority,
                metadata={"from": message.metadata.get("from", message.sender), _QUESTION: message.message_id},
                conversation_id=message.conversation_id,
                reply_to=relays[-1].message_id,
            )
            self.hub.acknowledge(delivery, outcome="passed on")

    def _relays_of(self, question: str, conversation: str | None) -> list[Message]:
        """What we passed on of that question, in all its versions: ``discord:NUMBER`` and ``discord:NUMBER:TIME``."""
        first = ":".join(question.split(":")[:2])
        rows = self.hub.rows(
            "SELECT message_id, json_extract(CASE WHEN json_valid(metadata) THEN metadata END, '$.question')"
            " AS question FROM messages WHERE conversation_id = ? AND sender = ? AND (question = ? OR question GLOB ?)"
            " ORDER BY id",
            (conversation, self.name, first, f"{first}:*"),
        )
        return [self.hub.message(row["message_id"]) for row in rows]

    def _has_read(self, relay: Message) -> bool:
        return any(state.read_at is not None for state in self.hub.trace(relay.message_id))

    def _question_behind(self, relayed: str) -> Message | None:
        """The question that we passed on with that message; None when we passed on none."""
        try:
            relay = self.hub.message(relayed)
            if relay.sender == self.name and _QUESTION in relay.metadata:
                return self.hub.message(str(relay.metadata[_QUESTION]))
        except UnknownMessage:
            pass
        return None

    def _tell_people(self, delivery: Delivery) -> None:
        """Pass news on to everybody who has ever been at a console, and to the gateway's home channel; they are kept
        for those who are not there."""
        agents = self.hub.agents()
        people = [agent.name for agent in agents if agent.kind == "console"]
        people += [agent.name for agent in agents if agent.name == _GATEWAY and self._has_home_channel]
        if not people:
            self.hub.release(delivery, delay=_NOBODY_SECONDS)
            return
        with self.hub.transaction():
            for person in people:
                self.hub.send(
                    person,
                    _as_said_by(delivery.message),
                    message_type="notification",
                    priority=delivery.message.priority,
                    metadata=_passed_on(delivery.message),
                )
            self.hub.acknowledge(delivery, outcome=f"passed on to {len(people)}")


def _passed_on(message: Message) -> dict[str, Any]:
    """What a way to people may make use of, such as buttons for a decision."""
    kept = {key: message.metadata[key] for key in ("alert", "files", "options", "ping") if key in message.metadata}
    return kept | {"asked_by": message.sender} if "options" in kept else kept


def _not_read(agent: Agent, message: Message) -> str:
    how = presence(agent, datetime.now(UTC))
    return f"{agent.name} is {how} and has not read this yet; I keep your message (#{message.id})."


def _as_said_by(message: Message) -> str:
    """Its content with its sender before it, cut where that would be longer than a message may be; and how to answer
    where it is to be decided."""
    text = f"{message.sender}: {message.content}"
    if isinstance(options := message.metadata.get("options"), list) and options:
        text += "\n" + "\n".join(f"@{message.sender} {option}" for option in options)
    cut = text.encode()[:_MAX_BYTES].decode(errors="ignore")
    return text if cut == text else f"{cut}\n… (cut; all of it is in message #{message.id})"


if __name__ == "__main__":
    main(UserComm)
