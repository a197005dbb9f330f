"""``teamsup reload``."""

import argparse

from teamsup.hub import Team
from teamsup.supervisor.control.client import send_request

from ..arguments import add_timeout


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "If the file has a mistake, nothing changes (exit code 78). Exit code 4: the file is applied, but a worker is "
        "not ready after --timeout. The signal SIGHUP makes the supervisor reload too; only its log shows the result."
    )
    add_timeout(parser, 30)


def run(arguments: argparse.Namespace) -> int:
    team = Team.named(arguments.team)
    print(send_request(team, "reload", arguments.timeout))
    return 0
