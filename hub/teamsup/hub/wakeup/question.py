"""Wait for the answer to a question. Other messages to the asker stay unread."""

import time

from ..errors import NoAnswer
from ..models import Message
from ..session import HubSession
from ..tables.row_values import message_from_row
from ..validation import check_timeout
from .withdrawal import complete_unclaimed

_CHECK_SECONDS = 1.0
"""Seconds between two looks. A doorbell usually rings earlier, but not for an answer that a foreign program has
written.
"""
_SELECT_ANSWER = """
    SELECT * FROM messages WHERE reply_to = ? AND recipient = ? AND message_type <> 'status_report' ORDER BY id LIMIT 1
"""
"""The first answer, which is not a report of progress."""


def wait_for_answer(session: HubSession, question: Message, timeout: float) -> Message:
    """Return the first answer to a question of this session's agent, and end its delivery. Raise NoAnswer after
    ``timeout`` seconds.
    """
    check_timeout(timeout)
    ends = time.monotonic() + timeout
    with session.open_doorbell() as bell:
        while not (rows := session.store.read(_SELECT_ANSWER, (question.message_id, session.agent))):
            left = ends - time.monotonic()
            if left <= 0:
                raise NoAnswer(f"{question.recipient} has not answered within {timeout:g} s.")
            bell.wait(min(left, _CHECK_SECONDS))
    answer = message_from_row(rows[0])
    complete_unclaimed(session, answer, "answered")
    return answer
