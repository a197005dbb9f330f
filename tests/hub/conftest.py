"""The tests of the hub run on each engine. What belongs to one engine by nature is marked ``only_sqlite``, with why."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from helpers.postgres_server import NoServer, PostgresServer, running_server
from teamsup.hub import Team


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "team" not in metafunc.fixturenames or metafunc.definition.get_closest_marker("only_sqlite"):
        return
    if metafunc.definition.path.parent.name in ("sqlite", "postgresql"):
        return
    quick = metafunc.definition.get_closest_marker("both_engines")
    marks = [] if quick else [pytest.mark.slow]
    metafunc.parametrize("engine", ["sqlite", pytest.param("postgresql", marks=marks)], indirect=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A server for the session; each test has a schema in it."""
    with ExitStack() as stack:
        try:
            server = stack.enter_context(running_server())
        except NoServer as error:
            pytest.skip(str(error))
        yield server


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> str:
    """The engine that stores the team of this test."""
    return str(getattr(request, "param", "sqlite"))


@pytest.fixture
def team(tmp_path: Path, engine: str, request: pytest.FixtureRequest) -> Iterator[Team]:
    team = Team("crew", tmp_path / "crew")
    if engine == "sqlite":
        yield team
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    with server.schema() as address:
        team.folder.mkdir(mode=0o700)
        team.configuration.write_text(f'[team]\nhub = "{address}"\n')
        team.configuration.chmod(0o600)
        yield team
