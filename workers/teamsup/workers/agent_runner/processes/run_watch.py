"""End the runs of this host when the lease of agent-runner ends, even if its supervisor and its runner are gone.

A run outlives both. Another host may then take the role and start the same agent. So a process beside the runs reads
the lease. Like a holder, it measures the lease with its own monotonic clock, from before each answer of the server.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

from teamsup.config.startable_agents import AGENT_RUNNER
from teamsup.hub import StoreError, Team
from teamsup.hub.engines.choice import open_hosts
from teamsup.hub.engines.hosts.role_fence import process_fence
from teamsup.hub.engines.hosts.team_hosts import RENEWAL_SECONDS, TeamHosts, seconds_to_run
from teamsup.hub.engines.marked_processes import RUN_VARIABLE, TAG_VARIABLE, end_marked, is_mark_of
from teamsup.hub.wakeup.file_lock import try_lock

_TERM_SECONDS = 1.0


def start_watch(team: Team) -> None:
    """Start this host's watch if it is missing and agent-runner has a lease. Raise OSError and StoreError."""
    if process_fence() is None or (lock := try_lock(_lock_file(team))) is None:
        return
    os.close(lock)
    subprocess.Popen(
        [sys.executable, "-m", __spec__.name, team.name, str(team.folder)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={name: value for name, value in os.environ.items() if name not in (TAG_VARIABLE, RUN_VARIABLE)},
        start_new_session=True,
    )


def find_deadline(hosts: TeamHosts, deadline: float) -> float:
    """Return the monotonic time when the runs of this host must have ended. ``deadline`` is the last known one."""
    asked_at = time.monotonic()
    try:
        lease = hosts.read().lease_of(AGENT_RUNNER)
    except StoreError:
        return deadline
    if lease is None or lease.holder != hosts.identity:
        return asked_at
    return asked_at + seconds_to_run(lease.seconds_left)


def watch_lease(team: Team) -> None:
    """Return when this host may not run agents any more, and its runs have ended."""
    hosts = open_hosts(team)
    if hosts is None or try_lock(_lock_file(team)) is None:
        return
    deadline = time.monotonic()
    with hosts:
        while (deadline := find_deadline(hosts, deadline)) > time.monotonic():
            time.sleep(max(0.0, min(RENEWAL_SECONDS, deadline - time.monotonic())))
    end_marked(RUN_VARIABLE, lambda mark: is_mark_of(team.folder, mark), _TERM_SECONDS)


def _lock_file(team: Team) -> Path:
    return team.run / "run-watch.lock"


if __name__ == "__main__":
    watch_lease(Team(sys.argv[1], Path(sys.argv[2])))
