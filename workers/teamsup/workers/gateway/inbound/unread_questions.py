"""Notify people whose questions user_comm does not read, because no other worker can."""

import time
from datetime import UTC, datetime

from teamsup.config.people_protocol import USER_COMM
from teamsup.hub import MessageHub
from teamsup.hub.timestamps import format_time
from teamsup.terminal.formatting import describe_presence

POLL_SECONDS = 2.0
_MAX_QUESTIONS = 200
_UNREAD = """
    SELECT m.message_id FROM deliveries AS d CROSS JOIN messages AS m ON m.id = d.message
    WHERE d.recipient = :recipient AND d.done_at IS NULL AND d.state = 'ready' AND d.sender_notified_at IS NULL
      AND m.sender = :me AND m.message_type IN ('message', 'command') AND m.created_at <= :before
      AND m.conversation_id GLOB 'discord:*' ORDER BY d.message LIMIT :most
"""


class UnreadQuestions:
    """Notify once for each question; for several in one channel, below the last."""

    def __init__(self, hub: MessageHub, seconds: float) -> None:
        self._hub = hub
        self._unread_seconds = seconds

    def notify_authors(self) -> None:
        """Notify the authors of unread questions. Blocks, and raises StoreError."""
        before = format_time(time.time() - self._unread_seconds)
        values = {"recipient": USER_COMM, "me": self._hub.agent, "before": before, "most": _MAX_QUESTIONS}
        unread = [self._hub.queries.message(row["message_id"]) for row in self._hub.query(_UNREAD, values)]
        reader = self._hub.find_agent(USER_COMM)
        if not unread or reader is None:
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
