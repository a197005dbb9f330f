"""``teamsup stop``."""

import argparse
import os
import signal

from teamsup.hub import CallerError, Team

from ..state_file import holder


class StillRunning(CallerError):
    """The team did not end in the time we waited."""

    exit_code = os.EX_TEMPFAIL


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--timeout", type=float, default=60.0, metavar="SECONDS", help="how long to wait (default: 60)")


def run(arguments: argparse.Namespace) -> int:
    team = Team.named(arguments.team)
    pid = holder(team)
    if pid is None:
        print(f"Team {team.name!r} is not running.")
        return 0
    import psutil

    try:
        process = psutil.Process(pid)
        os.kill(pid, signal.SIGTERM)
        process.wait(arguments.timeout)
    except psutil.TimeoutExpired:
        raise StillRunning(f"Team {team.name!r}, pid {pid}, has not ended after {arguments.timeout:.0f} s.") from None
    except (psutil.NoSuchProcess, ProcessLookupError):
        pass
    print(f"Team {team.name!r} has ended.")
    return 0
