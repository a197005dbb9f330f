"""Sessions are served by a process of a fork server, as beside a running team, unless a test says otherwise."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.mcp_session import FORKED, run_fork_server
from teamsup.cli.claude.fork_server import SOCKET_NAME
from teamsup.hub import Team


@pytest.fixture(scope="session")
def fork_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The socket of one for all teams: a server that it has forked opens the hub of its own launcher."""
    team = Team("parent", tmp_path_factory.mktemp("fork-server") / "parent")
    with run_fork_server(team):
        yield team.run / SOCKET_NAME


@pytest.fixture
def start(request: pytest.FixtureRequest) -> str:
    """Return how the server of a session starts."""
    return str(getattr(request, "param", FORKED))


@pytest.fixture(autouse=True)
def served_by(team: Team, start: str, request: pytest.FixtureRequest) -> None:
    """Let the team have a fork server, if it is to have one."""
    if start == FORKED:
        team.create()
        (team.run / SOCKET_NAME).symlink_to(request.getfixturevalue("fork_server"))
