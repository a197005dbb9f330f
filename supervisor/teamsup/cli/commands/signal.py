"""``teamsup signal NAME SIGNAL``."""

import argparse

from teamsup.hub import Team
from teamsup.supervisor.control.client import send_request
from teamsup.terminal.candidates import Kind, complete_as

_SECONDS = 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    complete_as(
        Kind.WORKER,
        parser.add_argument("name", metavar="NAME", help="the worker's name, or a pattern in quotes, such as 'web-*'"),
    )
    parser.add_argument("signal", metavar="SIGNAL", help="such as HUP, USR1 or USR2")
    parser.description = "Send a signal to the process of a worker, but not to the processes that it has started."


def run(arguments: argparse.Namespace) -> int:
    print(send_request(Team.named(arguments.team), f"signal {arguments.name.lower()} {arguments.signal}", _SECONDS))
    return 0
