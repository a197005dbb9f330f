import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from helpers.postgres_server import NoServer, PostgresServer, running_server
from helpers.support import FORK_SERVER, TIMEOUT_SECONDS, WEB, TeamsupCommand, eventually, is_team_ready
from teamsup.hub import MessageHub, Team

# A container's environment often forbids bytecode. Then each test process compiles all tests, and each process that a
# test starts compiles all its imports. That takes half of the time.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
os.environ.pop("TEAMSUP_HUB", None)

for number in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(number) is signal.SIG_IGN:
        # As nohup has it. A child would inherit that; a handler it does not, and we go on as we were asked to.
        signal.signal(number, lambda *_: None)


_TEMPORARY = pytest.StashKey[str]()


def pytest_configure(config: pytest.Config) -> None:
    """Give the tests a temporary folder of their own, in which a team with a long path has its sockets."""
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())  # tmp_path stays where it is looked for
    config.stash[_TEMPORARY] = tempfile.mkdtemp(prefix="ts-")
    os.environ["TMPDIR"] = tempfile.tempdir = config.stash[_TEMPORARY]


def pytest_unconfigure(config: pytest.Config) -> None:
    shutil.rmtree(config.stash[_TEMPORARY], ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the slow tests only warn: what they kill and interrupt stays open until it is collected."""
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.filterwarnings("default"))


@pytest.fixture(autouse=True)
def umask_of_the_test() -> Iterator[None]:
    """Keep the umask that a command sets in this process from the tests after it."""
    mask = os.umask(0o022)
    yield
    os.umask(mask)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A server for the session; each test has a schema in it."""
    with contextlib.ExitStack() as stack:
        try:
            server = stack.enter_context(running_server())
        except NoServer as error:
            pytest.skip(str(error))
        yield server


@pytest.fixture
def team(tmp_path: Path) -> Team:
    return Team("crew", tmp_path / "crew")


@pytest.fixture
def join(team: Team) -> Iterator[Callable[..., MessageHub]]:
    """Opens the team's hub in an agent's name, who has registered; it is closed after the test."""
    opened = []

    def open_hub(agent: str, *, registers: bool = True, **options: object) -> MessageHub:
        hub = MessageHub(team, agent=agent, **options)  # type: ignore[arg-type]
        if registers:
            hub.register()
        opened.append(hub)
        return hub

    yield open_hub
    for hub in opened:
        hub.close()


@pytest.fixture
def teamsup(tmp_path: Path) -> TeamsupCommand:
    return TeamsupCommand(tmp_path)


@contextlib.contextmanager
def run_team(teamsup: TeamsupCommand) -> Iterator[subprocess.Popen[str]]:
    """A team that ``teamsup start`` runs; it is stopped, and found to have left nothing, afterwards."""
    with teamsup.open("start", stdout=subprocess.DEVNULL) as supervisor:
        try:
            yield supervisor
        finally:
            family = psutil.Process(supervisor.pid).children(recursive=True) if supervisor.poll() is None else []
            if supervisor.poll() is None:
                os.kill(supervisor.pid, signal.SIGTERM)
            supervisor.wait(TIMEOUT_SECONDS)
            assert not psutil.wait_procs(family, timeout=TIMEOUT_SECONDS)[1]


@pytest.fixture
def running(teamsup: TeamsupCommand) -> Iterator[TeamsupCommand]:
    """A team of the workers that come with teamsup. It does not report that the host is busy with tests."""
    teamsup.team.folder.mkdir(parents=True)
    teamsup.team.configuration.write_text(
        "[monitor-bridge]\ncpu_percent = 100\nmemory_percent = 100\ndisk_percent = 100\n"
        # Half a second of processor time each, for sessions and for the page: few tests need them.
        f"[worker.{FORK_SERVER}]\nautostart = false\n[worker.{WEB}]\nautostart = false\n"
    )
    with run_team(teamsup):
        eventually(lambda: is_team_ready(teamsup), "all workers ready")
        yield teamsup


@pytest.fixture
def run_workers(teamsup: TeamsupCommand) -> Iterator[Callable[[str], TeamsupCommand]]:
    """Starts a team of the workers in this teamsup.toml alone."""
    with contextlib.ExitStack() as stack:

        def run(toml: str) -> TeamsupCommand:
            teamsup.configure(toml)
            stack.enter_context(run_team(teamsup))
            eventually(lambda: "ready in" in teamsup.log("supervisor"), "the team")
            return teamsup

        yield run


@pytest.fixture
def anyio_backend() -> str:
    """Return the event loop that async tests run in: the one that teamsup uses."""
    return "asyncio"
