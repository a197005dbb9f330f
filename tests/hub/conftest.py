"""The tests of the hub run on each engine. What belongs to one engine by nature is marked ``only_sqlite``, with why."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.postgres_server import stored_on_server
from teamsup.hub import Team


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "team" not in metafunc.fixturenames or metafunc.definition.get_closest_marker("only_sqlite"):
        return
    if {"sqlite", "postgresql"} & {*metafunc.definition.path.relative_to(Path(__file__).parent).parts}:
        return
    quick = metafunc.definition.get_closest_marker("both_engines")
    marks = [] if quick else [pytest.mark.slow]
    metafunc.parametrize("engine", ["sqlite", pytest.param("postgresql", marks=marks)], indirect=True)


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
    with stored_on_server(team, request.getfixturevalue("postgres")):
        yield team
