"""The tests of a worker's tables run on each engine: those that are marked ``both_engines``."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from helpers.postgres_server import PostgresServer
from teamsup.config.components import installed_tables
from teamsup.hub import MessageHub, Team
from teamsup.hub.engines.choice import ADDRESS_VARIABLE


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "team" in metafunc.fixturenames and metafunc.definition.get_closest_marker("both_engines"):
        engines = ["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)]
        metafunc.parametrize("engine", engines, indirect=True)


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> str:
    """The engine that stores the team of this test."""
    return str(getattr(request, "param", "sqlite"))


@pytest.fixture
def team(team: Team, engine: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Team]:
    """A team with the tables of all workers, as ``teamsup start`` makes them."""
    with ExitStack() as stack:
        if engine == "postgresql":
            server: PostgresServer = request.getfixturevalue("postgres")
            # Not in teamsup.toml, which a test may write itself.
            monkeypatch.setenv(ADDRESS_VARIABLE, stack.enter_context(server.schema()))
        with MessageHub(team) as hub:
            for tables in installed_tables():
                hub.maintenance.migrate_component(tables)
        yield team
