"""A request to the supervisor of a running team, and its answer."""

from teamsup.hub import CallerError, Team
from teamsup.hub.console import ask_once
from teamsup.hub.messages import SUPERVISOR
from teamsup.hub.wording import printable

from .state_file import require_running


def ask_supervisor(team: Team, request: str, seconds: float) -> str:
    """Ask the team's supervisor, and give back its answer. Raises NotRunning, NoAnswer, and what it refuses."""
    require_running(team)
    answer = ask_once(team, SUPERVISOR, request, seconds)
    if answer.message_type == "error":
        raise CallerError(printable(answer.content))
    return printable(answer.content)
