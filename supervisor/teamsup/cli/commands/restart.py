"""``teamsup restart``."""

import argparse
import time

from teamsup.hub import CallerError, Team
from teamsup.hub.models import SUPERVISOR
from teamsup.status.host_status import find_host_name
from teamsup.status.state_file import TeamState, WorkerState, read_state
from teamsup.status.team_lock import require_running
from teamsup.supervisor.control.client import RequestRefused, WorkersNotReady, send_request
from teamsup.terminal.candidates import Kind, complete_as
from teamsup.terminal.hints import command_hint

from ..arguments import add_timeout

_LOOK_SECONDS = 0.05

EXAMPLES = ("teamsup restart gateway", "teamsup restart --rolling   # after an update")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    complete_as(
        Kind.WORKER,
        parser.add_argument(
            "names", nargs="*", metavar="NAME", help="a worker, or a pattern such as 'web-*' in quotes"
        ),
    )
    parser.add_argument(
        "--rolling",
        action="store_true",
        help="restart the running workers one after another, then replace the supervisor while the workers keep "
        "running; stop with exit code 4 if a worker is not ready after --timeout",
    )
    add_timeout(parser, 30)


def run(arguments: argparse.Namespace) -> int:
    team = Team.named(arguments.team)
    if arguments.rolling == bool(arguments.names):
        raise CallerError("Name a worker, or give --rolling, which restarts all workers of this host.")
    for name in arguments.names:
        print(send_request(team, f"restart {name.lower()}", arguments.timeout))
    if arguments.rolling:
        _restart_all(team, arguments.timeout)
    return 0


def _restart_all(team: Team, seconds: float) -> None:
    """Restart the workers of this host one after another, then replace its supervisor."""
    require_running(team)
    host = find_host_name(team)
    on_host = f"@{host}" if host else ""
    before = _read_state(team)
    replaced = 0
    for worker in before.workers:
        # Skip a worker whose old process is gone: it has ended, or was restarted with a worker that it depends on.
        if not is_to_restart(worker) or worker.pid not in {each.pid for each in _read_state(team).workers}:
            continue
        try:
            print(send_request(team, f"restart {worker.name}{on_host}", seconds), flush=True)
        except RequestRefused as error:
            raise RequestRefused(
                f"{error}\n{replaced} workers were restarted before it; the others and the supervisor were not.",
                error.exit_code,
            ) from error
        replaced += 1
    if _read_state(team).started_at == before.started_at:  # else the supervisor found newer tables and replaced itself
        send_request(team, f"replace {SUPERVISOR}{on_host}", seconds)
    ends = time.monotonic() + seconds
    while (now := read_state(team)) is None or now.started_at == before.started_at:
        require_running(team)
        if time.monotonic() > ends:
            raise WorkersNotReady(
                f"The supervisor, pid {before.pid}, was not replaced within {seconds:.0f} s. "
                f"See: {command_hint(team, 'logs', SUPERVISOR)}"
            )
        time.sleep(_LOOK_SECONDS)
    print(f"The supervisor was replaced, pid {now.pid}.")


def is_to_restart(worker: WorkerState) -> bool:
    """Return whether a worker runs and is not a job. A restart would destroy the work of a job. Pure."""
    return worker.pid is not None and worker.ticks is None


def _read_state(team: Team) -> TeamState:
    """Return the state of the team's supervisor. Wait if it is just being replaced, because then there is no state."""
    while (state := read_state(team)) is None:
        require_running(team)
        time.sleep(_LOOK_SECONDS)
    return state
