import logging
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from helpers.support import TIMEOUT_SECONDS, clean_environment
from teamsup.config.loader import Config
from teamsup.hub import MessageHub, Team
from teamsup.workers.user_comm.routing.live_rules import LiveRules


class RunningUserComm:
    """The worker's process, which can be killed and started again."""

    def __init__(self, team: Team) -> None:
        self._team = team
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "teamsup.workers.user_comm.user_comm_daemon", "--team", self._team.name],
            env={**clean_environment(), "TEAMSUP_HOME": str(self._team.folder.parent)},
        )

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait(TIMEOUT_SECONDS)
        self._process = None

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            assert self._process.wait(TIMEOUT_SECONDS) == 0


@pytest.fixture
def configure(team: Team) -> Callable[..., None]:
    """Writes the team's teamsup.toml, quick to tell of progress; it begins in section [user_comm]."""

    def write(toml: str, progress_seconds: float = 0.2) -> None:
        team.create()
        partial = team.folder / "new.toml"
        partial.write_text(f"[user_comm]\nprogress_seconds = {progress_seconds}\n{toml}")
        partial.replace(team.configuration)

    return write


def live_rules(hub: MessageHub, toml: str = "") -> LiveRules:
    """Return the rules of a team whose teamsup.toml says this."""
    partial = hub.team.folder / "new.toml"
    partial.write_text(toml)
    partial.replace(hub.team.configuration)
    return LiveRules(hub, Config(hub.team), logging.getLogger("none"))


@pytest.fixture
def user_comm(team: Team, configure: Callable[..., None]) -> Iterator[RunningUserComm]:
    if not team.configuration.exists():
        configure("")
    worker = RunningUserComm(team)
    worker.start()
    yield worker
    worker.stop()


@pytest.fixture
def ann(team: Team) -> Iterator[MessageHub]:
    """A person at a terminal."""
    with MessageHub(team, agent="console-ann") as hub:
        hub.register("console")
        hub.enroll("user_comm", "daemon")
        yield hub
