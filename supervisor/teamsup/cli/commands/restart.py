"""``teamsup restart NAME``."""

import argparse

from teamsup.hub import Team
from teamsup.supervisor.control.client import send_request
from teamsup.terminal.candidates import Kind, complete_as

from ..arguments import add_timeout

EXAMPLES = ("teamsup restart gateway",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    complete_as(
        Kind.WORKER,
        parser.add_argument(
            "names", nargs="+", metavar="NAME", help="a worker, or a pattern such as 'web-*' in quotes"
        ),
    )
    add_timeout(parser, 30)


def run(arguments: argparse.Namespace) -> int:
    team = Team.named(arguments.team)
    for name in arguments.names:
        print(send_request(team, f"restart {name.lower()}", arguments.timeout))
    return 0
