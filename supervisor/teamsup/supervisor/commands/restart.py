"""``teamsup restart NAME``."""

import argparse

from teamsup.hub import CallerError, Team
from teamsup.hub.messages import SUPERVISOR
from teamsup.hub.wording import printable

from ..arguments import amount
from ..console import ask_once
from ..state_file import require_running


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="the worker, as 'teamsup ps' shows it")
    parser.add_argument(
        "--timeout", type=amount, default=15.0, metavar="SECONDS", help="how long to wait (default: 15)"
    )


def run(arguments: argparse.Namespace) -> int:
    team = Team.named(arguments.team)
    require_running(team)
    answer = ask_once(team, SUPERVISOR, f"restart {arguments.name}", arguments.timeout)
    if answer.message_type == "error":
        raise CallerError(printable(answer.content))
    print(printable(answer.content))
    return 0
