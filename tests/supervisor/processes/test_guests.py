"""Processes that a worker started for others."""

import os
import subprocess

from teamsup.supervisor.processes.orphans import GUEST_VARIABLE, find_lineage


def test_a_guest_is_named_by_itself_and_not_by_the_worker_that_started_it() -> None:
    guest = subprocess.Popen(["sleep", "1000"], env={**os.environ, GUEST_VARIABLE: "a worker"}, start_new_session=True)
    child = subprocess.Popen(["sleep", "1000"])
    try:
        found = find_lineage(guest.pid)
        assert (found.pids, found.group, found.tag, found.command) == ((guest.pid,), guest.pid, "", "sleep 1000")
        assert os.getpid() in find_lineage(child.pid).pids
    finally:
        for process in (guest, child):
            process.kill()
            process.wait()
