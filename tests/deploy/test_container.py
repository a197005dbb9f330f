"""The team as in the container of deploy/container: as process 1, without capabilities, on a read-only file system."""

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from helpers.support import TIMEOUT_SECONDS, TeamsupCommand, eventually

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="only root may make namespaces here"),
]
_DEPLOY = Path(__file__).parents[2] / "deploy" / "container"
_WITHOUT_CAPABILITIES = "setpriv --no-new-privs --bounding-set=-all --inh-caps=-all"
# A process whose parent ends becomes a child of process 1.
_ORPHANS = "for each in 1 2 3 4 5; do (sleep 0.1 &); done; sleep 0.5; echo all have ended; exec sleep 600"


@dataclass(frozen=True)
class Container:
    """Namespaces with a team in them."""

    teamsup: TeamsupCommand
    supervisor: psutil.Process
    """Process 1 of the namespaces."""

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run ``teamsup`` in the container."""
        return subprocess.run(
            ["nsenter", "--target", str(self.supervisor.pid), "--mount", "--pid", *TeamsupCommand.line(*words)],
            env=_environment(self.teamsup),
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )

    def health(self) -> int:
        return self.run("ps", "--alive").returncode


@contextlib.contextmanager
def run_container(teamsup: TeamsupCommand) -> Iterator[Container]:
    """Start a team whose world is read-only, but for the folder of the teams and a new /tmp."""
    home = shlex.quote(str(teamsup.home))
    world = (
        f"mount --make-rprivate / && mount --bind {home} {home} && mount -o remount,ro,bind / && "
        f"mount -t tmpfs tmpfs /dev/shm && exec {_WITHOUT_CAPABILITIES} {shlex.join(TeamsupCommand.line('start'))}"
    )
    with subprocess.Popen(
        ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c", world],
        env=_environment(teamsup),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as outer:
        try:
            first = eventually(lambda: psutil.Process(outer.pid).children(), "process 1")[0]
            yield Container(teamsup, first)
        finally:
            outer.kill()


def _environment(teamsup: TeamsupCommand) -> dict[str, str]:
    return {**teamsup.environment, "TMPDIR": "/dev/shm"}  # noqa: S108 - the container has one of its own


@pytest.fixture
def container(teamsup: TeamsupCommand) -> Iterator[Container]:
    teamsup.configure(f"[worker.user_comm]\nautostart = true\n[worker.orphans]\ncommand = {_ORPHANS!r}\n")
    with run_container(teamsup) as container:
        eventually(lambda: container.health() == 0, "a team that is alive")
        yield container


def test_it_reaps_orphans_and_ends_in_order(container: Container) -> None:
    eventually(lambda: "all have ended" in container.teamsup.log("orphans"), "the orphans have ended")
    family = container.supervisor.children(recursive=True)
    assert family
    eventually(
        lambda: psutil.STATUS_ZOMBIE not in {each.status() for each in container.supervisor.children()}, "reaped"
    )
    container.supervisor.send_signal(signal.SIGTERM)
    assert not psutil.wait_procs([container.supervisor, *family], timeout=TIMEOUT_SECONDS)[1]
    assert container.health() != 0


def test_it_needs_no_place_but_the_teams_and_temporary_files(container: Container) -> None:
    assert container.run("send", "user_comm", "Hello").returncode == 0
    assert "Read-only" not in container.teamsup.log("supervisor") + container.teamsup.log("user_comm")
