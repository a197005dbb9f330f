"""Ask a worker in the name of a viewer, and wait a moment for its answer."""

import time

from teamsup.hub import CallerError, Message, MessageHub
from teamsup.hub.models import SUPERVISOR
from teamsup.terminal.formatting import sanitize

from ..page import PageContext
from .page_content import reader_of

ANSWER_SECONDS = 10.0
_LOOK_SECONDS = 0.05


class NotDone(CallerError):
    """The worker has refused, or does not answer; the text is for the person."""


def open_as_viewer(context: PageContext) -> MessageHub:
    """Return the hub, opened as the person at the browser."""
    hub = MessageHub(context.team, agent=reader_of(context.viewer))
    hub.enroll(hub.agent, "console")
    return hub


def ask_supervisor(context: PageContext, request: str) -> str:
    """Return the supervisor's answer. Raise NotDone."""
    return ask_worker(context, SUPERVISOR, request)


def ask_worker(context: PageContext, worker: str, request: str) -> str:
    """Send a request to a worker, and return its answer. Raise NotDone."""
    with open_as_viewer(context) as hub:
        question = hub.send(worker, request, expires_in=ANSWER_SECONDS)
        ends = time.monotonic() + ANSWER_SECONDS
        while time.monotonic() < ends:
            for answer in hub.queries.find(reply_to=question.message_id, sender=worker):
                hub.complete_unclaimed(answer, outcome="shown")
                return _text_of(answer)
            time.sleep(_LOOK_SECONDS)
    raise NotDone(f"{worker} has not answered within {ANSWER_SECONDS:.0f} s. Whether it has done it is unknown.")


def _text_of(answer: Message) -> str:
    if answer.message_type == "error":
        raise NotDone(sanitize(answer.content))
    return sanitize(answer.content)
