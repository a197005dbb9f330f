"""``teamsup stop``."""

import argparse
import signal
import sys
import time

from teamsup.hub import CallerError, Team
from teamsup.hub.errors import ExitCode
from teamsup.status.state_file import read_last_state
from teamsup.status.team_lock import acquire_lock, owner_pid, signal_owner
from teamsup.supervisor.control.client import send_request
from teamsup.supervisor.processes import orphans
from teamsup.terminal import progress
from teamsup.terminal.candidates import Kind, complete_as
from teamsup.terminal.hints import command_hint

from ..arguments import add_timeout


class StillRunning(CallerError):
    """The team did not end within the timeout."""

    exit_code = ExitCode.NOT_NOW


EXAMPLES = ("teamsup stop", "teamsup stop gateway")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    names = parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="stop only this worker, or those that match a pattern such as 'web-*'",
    )
    complete_as(Kind.WORKER, names)
    add_timeout(parser, 60)


def run(arguments: argparse.Namespace) -> int:
    team = Team.named(arguments.team)
    for name in arguments.names:
        print(send_request(team, f"stop {name.lower()}", arguments.timeout))
    if arguments.names:
        return 0
    pid = owner_pid(team)
    if pid is None:
        print(f"Team {team.name!r} is not running.")
        if (before := read_last_state(team)) is not None and not before.ended:
            acquire_lock(team)
            if killed := orphans.kill_orphans_of_predecessor(team):
                print(f"Killed processes that its last supervisor had left: {', '.join(map(str, killed))}")
            if ended := orphans.end_runs(team):
                print(f"Ended the runs of agents: {', '.join(map(str, ended))}")
        return 0
    signal_owner(team, signal.SIGTERM)
    try:
        with progress.during(f"Team {team.name!r} ends"):
            _wait_for_end(team, pid, arguments.timeout)
    except KeyboardInterrupt:
        print(f"Team {team.name!r}, pid {pid}, is still ending. See: {command_hint(team, 'ps')}", file=sys.stderr)
        raise
    print(f"Team {team.name!r} has ended.")
    return 0


def _wait_for_end(team: Team, pid: int, seconds: float) -> None:
    """Wait until the team has ended. Raise StillRunning after ``seconds``."""
    ends = time.monotonic() + seconds
    # Look at the lock and not at the process, because the parent of the process may be slow to reap it.
    while owner_pid(team) == pid:
        if time.monotonic() > ends:
            raise StillRunning(f"Team {team.name!r}, pid {pid}, has not ended after {seconds:.0f} s.")
        time.sleep(0.02)
