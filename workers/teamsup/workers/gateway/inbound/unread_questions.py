"""Notify people whose questions user_comm does not read. While user_comm is away, only the gateway can do this."""

from datetime import UTC, datetime

from teamsup.config.people_protocol import USER_COMM
from teamsup.hub import Message, MessageHub
from teamsup.terminal.formatting import describe_presence

from ...protocol import COMMAND_TYPE
from ..ids import channel_of

POLL_SECONDS = 2.0
_MAX_QUESTIONS = 200


class UnreadQuestions:
    """Sends one notice for each channel with unread questions, below the last question."""

    def __init__(self, hub: MessageHub, seconds: float) -> None:
        self._hub = hub
        self._unread_seconds = seconds

    def notify_authors(self) -> None:
        """Notify the authors of unread questions. Blocks, and raises StoreError."""
        overdue = self._hub.wake_ladder.overdue_unread(self._unread_seconds, USER_COMM)
        unread = [message for message, _ in overdue if _is_question(message)][:_MAX_QUESTIONS]
        reader = self._hub.find_agent(USER_COMM) if unread else None
        if reader is None:
            return
        state = describe_presence(reader, datetime.now(UTC))
        sentence = f"{USER_COMM} has not read this yet: it is {state}. Your message is kept."
        with self._hub.transaction():
            self._hub.wake_ladder.mark_sender_notified(*((question, USER_COMM) for question in unread))
            for question in {question.conversation_id: question for question in unread}.values():
                self._hub.send(
                    self._hub.agent,
                    sentence,
                    message_type="status_report",
                    conversation_id=question.conversation_id,
                    reply_to=question.message_id,
                )


def _is_question(message: Message) -> bool:
    return message.message_type in ("message", COMMAND_TYPE) and channel_of(message.conversation_id) is not None
