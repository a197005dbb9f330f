"""``teamsup reload``."""

import argparse

from teamsup.hub import Team

from .. import configuration
from ..arguments import add_timeout
from ..request import ask_supervisor
from ..state_file import require_running


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "What is wrong in the file is said, and nothing is changed. SIGHUP to the supervisor does the same."
    add_timeout(parser, 30)


def run(arguments: argparse.Namespace) -> int:
    team = Team.named(arguments.team)
    require_running(team)
    configuration.load(team)
    print(ask_supervisor(team, "reload", arguments.timeout))
    return 0
