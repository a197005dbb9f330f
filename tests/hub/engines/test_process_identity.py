"""No signal goes to a process that only has the recorded pid."""

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from helpers.support import TIMEOUT_SECONDS, TeamsupCommand, refusal_of
from teamsup.hub import Team
from teamsup.hub.engines.marked_processes import TAG_VARIABLE
from teamsup.hub.engines.process_identity import identity_of, pid_namespace, send_signal
from teamsup.supervisor.processes import orphans

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux says which process it is")


@pytest.fixture
def sleeper() -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen(["sleep", "1000"]) as process:
        yield process
        process.kill()


def test_a_signal_reaches_the_process_that_was_recorded(sleeper: "subprocess.Popen[bytes]") -> None:
    assert send_signal(sleeper.pid, identity_of(sleeper.pid), signal.SIGTERM)

    assert sleeper.wait(TIMEOUT_SECONDS) == -signal.SIGTERM


@pytest.mark.parametrize("part", [0, 1, 2])
def test_none_reaches_one_of_another_boot_namespace_or_start(sleeper: "subprocess.Popen[bytes]", part: int) -> None:
    words = identity_of(sleeper.pid).split()
    words[part] = "other"

    assert not send_signal(sleeper.pid, " ".join(words), signal.SIGKILL)

    assert sleeper.poll() is None


def test_one_that_has_ended_is_sent_nothing(sleeper: "subprocess.Popen[bytes]") -> None:
    identity = identity_of(sleeper.pid)
    sleeper.kill()
    sleeper.wait()

    assert not send_signal(sleeper.pid, identity, signal.SIGTERM)


def test_stop_ends_no_process_that_is_not_the_supervisor(
    teamsup: TeamsupCommand, sleeper: "subprocess.Popen[bytes]"
) -> None:
    """A lock that another machine or container holds on a shared folder."""
    teamsup.team.create()
    boot, namespace, started = identity_of(sleeper.pid).split()
    with (teamsup.team.folder / "supervisor.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write(f"{sleeper.pid}\n{'0' * len(boot)} {namespace} {started}\n")
        lock.flush()

        stopped = teamsup.run("stop", "--timeout", "1")

    assert "of another container or machine. Stop it where it was started." in refusal_of(stopped)
    assert sleeper.poll() is None


def test_stop_ends_no_process_of_which_a_lock_has_only_the_pid(
    teamsup: TeamsupCommand, sleeper: "subprocess.Popen[bytes]"
) -> None:
    teamsup.team.create()
    with (teamsup.team.folder / "supervisor.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write(f"{sleeper.pid}\n")
        lock.flush()

        stopped = teamsup.run("stop", "--timeout", "1")

    assert "Stop it where it was started." in refusal_of(stopped)
    assert sleeper.poll() is None


def test_a_process_of_a_container_in_a_folder_of_the_same_name_is_not_ours(team: Team) -> None:
    mark = orphans.process_tag(team, "own", 1)
    other = mark.replace(f"#{pid_namespace()}", "#1")
    ours, theirs = (
        subprocess.Popen(["sleep", "1000"], env={**os.environ, TAG_VARIABLE: each}) for each in (mark, other)
    )
    try:
        assert orphans.kill_orphans_of_predecessor(team) == [ours.pid]
        assert theirs.poll() is None
    finally:
        for process in (ours, theirs):
            process.kill()
            process.wait()
