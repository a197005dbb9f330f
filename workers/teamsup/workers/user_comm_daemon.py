"""user_comm: between people and the team. Answers what it can, passes on the rest and brings back the answers."""

from datetime import UTC, datetime
from typing import ClassVar

from teamsup.hub import Agent, Delivery, Message, UnknownMessage
from teamsup.hub.messages import MAX_BYTES
from teamsup.hub.wording import presence

from .answers import Answer, Relay, decide
from .worker import Worker, main

_QUESTION = "question"
_NOBODY_SECONDS = 10.0
_MAX_BYTES = MAX_BYTES - 1024


class UserComm(Worker):
    """Answers people, passes @agent lines on and brings back the answers."""

    name: ClassVar[str] = "user_comm"

    async def handle(self, delivery: Delivery) -> None:
        await self.in_thread(self._handle, delivery)

    def _handle(self, delivery: Delivery) -> None:
        message = delivery.message
        question = None if message.reply_to is None else self._question_behind(message.reply_to)
        if question is not None:
            self._bring_back(delivery, question)
        elif message.message_type == "notification" or message.metadata.get("options"):
            self._tell_people(delivery)
        elif message.reply_to is not None or message.recipient is None:
            self.hub.acknowledge(delivery)
        else:
            self._answer(delivery)

    def _answer(self, delivery: Delivery) -> None:
        match decide(delivery.message.content, self.hub.agents(), datetime.now(UTC)):
            case Answer(text):
                self.hub.reply(delivery, text)
            case Relay() as relay:
                self._relay(delivery, relay)

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
            self.hub.answer(question, _as_said_by(delivery.message))
            self.hub.acknowledge(delivery)

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
        """Pass news on to everybody who has ever been at a console; they are kept for those who are not there."""
        people = [agent.name for agent in self.hub.agents() if agent.kind == "console"]
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
                )
            self.hub.acknowledge(delivery, outcome=f"passed on to {len(people)}")


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
