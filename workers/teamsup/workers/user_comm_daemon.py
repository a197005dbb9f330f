"""user_comm: between people and the team. Answers what it can, passes on the rest and brings back the answers."""

from datetime import UTC, datetime
from typing import ClassVar

from teamsup.hub import Delivery, Message, UnknownMessage
from teamsup.hub.wording import ago

from .answers import Answer, Relay, decide
from .worker import Worker, main


class UserComm(Worker):
    """Answers people, passes @agent lines on and brings back the answers."""

    name: ClassVar[str] = "user_comm"

    async def handle(self, delivery: Delivery) -> None:
        await self.in_thread(self._handle, delivery)

    def _handle(self, delivery: Delivery) -> None:
        message = delivery.message
        if message.message_type == "notification":
            self._tell_people(delivery)
        elif message.reply_to is not None:
            self._bring_back(delivery, message.reply_to)
        elif message.recipient is None:
            self.hub.acknowledge(delivery)
        else:
            self._answer(delivery)

    def _answer(self, delivery: Delivery) -> None:
        match decide(delivery.message.content, self.hub.agents(), datetime.now(UTC)):
            case Answer(text):
                self.hub.reply(delivery, text)
            case Relay() as relay:
                self._relay(delivery, relay)

    def _relay(self, delivery: Delivery, relay: Relay) -> None:
        """Pass a person's line on. Its reply_to is the way back for the answer, also after a restart."""
        question = delivery.message
        with self.hub.transaction():
            self.hub.send(
                relay.agent.name,
                relay.text,
                priority=question.priority,
                metadata={"from": question.sender},
                conversation_id=question.conversation_id,
                reply_to=question.message_id,
            )
            if relay.agent.is_present(datetime.now(UTC)):
                self.hub.acknowledge(delivery, outcome="passed on")
            else:
                seen = relay.agent.last_heartbeat
                when = f"was last here {ago(seen)}" if seen else "has not been here yet"
                self.hub.reply(
                    delivery, f"{relay.agent.name} {when}; I keep your message.", message_type="status_report"
                )

    def _bring_back(self, delivery: Delivery, reply_to: str) -> None:
        """Give an agent's answer to whoever asked."""
        answer = delivery.message
        question = self._question_behind(reply_to)
        with self.hub.transaction():
            if question is not None:
                self.hub.answer(question, f"{answer.sender}: {answer.content}")
            self.hub.acknowledge(delivery)

    def _question_behind(self, relayed: str) -> Message | None:
        try:
            relay = self.hub.message(relayed)
            if relay.sender == self.name and relay.reply_to is not None:
                return self.hub.message(relay.reply_to)
        except UnknownMessage:
            pass
        return None

    def _tell_people(self, delivery: Delivery) -> None:
        """Pass news on to everybody who sits at a console now."""
        now = datetime.now(UTC)
        people = [agent.name for agent in self.hub.agents() if agent.kind == "console" and agent.is_present(now)]
        with self.hub.transaction():
            for person in people:
                self.hub.send(
                    person,
                    f"{delivery.message.sender}: {delivery.message.content}",
                    message_type="notification",
                    priority=delivery.message.priority,
                )
            self.hub.acknowledge(delivery, outcome=f"told {len(people)} people")


if __name__ == "__main__":
    main(UserComm)
