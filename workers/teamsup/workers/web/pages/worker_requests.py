"""Send the supervisor a viewer's request, and wait a moment for the answer."""

import contextlib
import threading

from teamsup.hub import CallerError, MessageHub, TeamsupError
from teamsup.hub.models import SUPERVISOR
from teamsup.terminal.console import ask_once
from teamsup.terminal.formatting import sanitize

from ...protocol import WEB
from ..page import PageContext
from .page_content import reader_of

_ANSWER_SECONDS = 15.0
_OWN_DELAY_SECONDS = 1.5
_WAIT = {"seconds": 10.0}
"""The metadata of a request: the seconds that the supervisor waits for the worker before it answers."""


class RequestNotDone(CallerError):
    """The supervisor has refused the request. The text is for the person."""


def open_as_viewer(context: PageContext) -> MessageHub:
    """Return the hub, opened as the person at the browser."""
    hub = MessageHub(context.team, agent=reader_of(context.viewer))
    hub.enroll(hub.agent, "console")
    return hub


def ask_supervisor(context: PageContext, verb: str, worker: str) -> str:
    """Ask the supervisor to start, stop or restart a worker, and return its answer. Raise RequestNotDone
    and NoAnswer.
    """
    person = reader_of(context.viewer)
    if worker == WEB:
        # This request ends the page's own process. So first answer the browser, and send the request later.
        threading.Timer(_OWN_DELAY_SECONDS, _ask_later, (context, f"{verb} {worker}")).start()
        return "This page ends now." if verb == "stop" else "The page is unavailable for a moment, and then continues."
    answer = ask_once(context.team, SUPERVISOR, f"{verb} {worker}", _ANSWER_SECONDS, metadata=_WAIT, person=person)
    if answer.message_type == "error":
        raise RequestNotDone(sanitize(answer.content))
    return sanitize(answer.content)


def _ask_later(context: PageContext, request: str) -> None:
    with contextlib.suppress(TeamsupError), open_as_viewer(context) as hub:
        hub.send(SUPERVISOR, request, metadata=_WAIT)
