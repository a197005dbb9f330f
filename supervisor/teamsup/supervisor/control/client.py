"""Send a request to the supervisor of a running team, and return its answer."""

from teamsup.hub import CallerError, Team
from teamsup.hub.errors import ExitCode
from teamsup.hub.models import SUPERVISOR
from teamsup.status.host_status import runs_elsewhere
from teamsup.status.team_lock import require_running
from teamsup.terminal import progress
from teamsup.terminal.console import ask_once
from teamsup.terminal.formatting import sanitize

WAIT_SECONDS_KEY = "seconds"
"""Metadata of a request: the seconds that the supervisor waits for workers to be ready."""
EXIT_CODE_KEY = "exit_code"
"""Metadata of a refusal: the exit code of the command that sent the request."""
EMPTY_LOG = "The log is empty."
"""The answer of a host if the requested log does not have a line."""
_ANSWER_SECONDS = 5.0
"""Seconds that the answer may take in addition to the requested time."""


class RequestRefused(CallerError):
    """The supervisor refused the request, or a part of it."""

    def __init__(self, text: str, exit_code: int) -> None:
        super().__init__(text)
        self.exit_code = exit_code


class WorkersNotReady(CallerError):
    """The team runs, but some workers do not."""

    exit_code = ExitCode.UNWELL


def send_request(team: Team, request: str, seconds: float) -> str:
    """Send a request to the team's supervisor, and return its answer. The supervisor waits this many seconds for
    its workers.

    Raise NotRunning, NoAnswer or RequestRefused.
    """
    if not runs_elsewhere(team):
        require_running(team)
    about = {WAIT_SECONDS_KEY: float(seconds)}
    with progress.during(f"The supervisor does '{request}'"):
        answer = ask_once(team, SUPERVISOR, request, seconds + _ANSWER_SECONDS, metadata=about)
    if answer.message_type == "error":
        code = answer.metadata.get(EXIT_CODE_KEY)
        raise RequestRefused(sanitize(answer.content), code if isinstance(code, int) else CallerError.exit_code)
    return sanitize(answer.content)
