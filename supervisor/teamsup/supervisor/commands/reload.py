"""``teamsup reload``."""

import argparse

from teamsup.hub import Team

from ..arguments import add_timeout
from ..request import ask_supervisor


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "A mistake in the file changes nothing (exit code 78). Exit code 4: the file was applied, and a worker is not "
        "ready after --timeout. SIGHUP to the supervisor reloads too; only its log has the result."
    )
    add_timeout(parser, 30)


def run(arguments: argparse.Namespace) -> int:
    team = Team.named(arguments.team)
    print(ask_supervisor(team, "reload", arguments.timeout))
    return 0
