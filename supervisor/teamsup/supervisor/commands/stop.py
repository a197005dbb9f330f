"""``teamsup stop``."""

import argparse
import os
import signal
import time

from teamsup.hub import CallerError, Team

from .. import leftovers
from ..arguments import add_timeout
from ..request import ask_supervisor
from ..state_file import hold, holder, last, signal_holder


class StillRunning(CallerError):
    """The team did not end in the time we waited."""

    exit_code = os.EX_TEMPFAIL


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="NAME", help="only this worker; the others go on")
    add_timeout(parser, 60)


def run(arguments: argparse.Namespace) -> int:
    team = Team.named(arguments.team)
    for name in arguments.names:
        print(ask_supervisor(team, f"stop {name.lower()}", arguments.timeout))
    if arguments.names:
        return 0
    pid = holder(team)
    if pid is None:
        print(f"Team {team.name!r} is not running.")
        if (before := last(team)) is not None and not before.ended:
            hold(team)
            if killed := leftovers.end_of_predecessor(team):
                print(f"Killed what its last supervisor had left: {', '.join(map(str, killed))}")
        return 0
    signal_holder(team, signal.SIGTERM)
    ends = time.monotonic() + arguments.timeout
    # The lock, not the process: whoever started the supervisor may be slow to reap it.
    while holder(team) == pid:
        if time.monotonic() > ends:
            raise StillRunning(f"Team {team.name!r}, pid {pid}, has not ended after {arguments.timeout:.0f} s.")
        time.sleep(0.02)
    print(f"Team {team.name!r} has ended.")
    return 0
