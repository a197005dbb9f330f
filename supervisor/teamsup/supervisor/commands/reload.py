"""``teamsup reload``."""

import argparse

from teamsup.hub import Team

from ..arguments import add_timeout
from ..request import ask_supervisor


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "With a mistake in the file nothing is changed. Exit code 4: it was taken over, and a worker is not ready "
        "after --timeout. SIGHUP to the supervisor reloads too, and only its log says how that went."
    )
    add_timeout(parser, 30)


def run(arguments: argparse.Namespace) -> int:
    team = Team.named(arguments.team)
    print(ask_supervisor(team, "reload", arguments.timeout))
    return 0
