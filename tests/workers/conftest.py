"""The tests of workers run on SQLite, or on a server with ``TEAMSUP_TEST_ENGINE=postgresql``."""

import os
from collections.abc import Iterator
from contextlib import nullcontext

import pytest

from helpers.postgres_server import stored_on_server
from teamsup.config.components import installed_tables
from teamsup.hub import MessageHub, Team

ON_SERVER = os.environ.get("TEAMSUP_TEST_ENGINE") == "postgresql"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what the engine does not concern."""
    if ON_SERVER:
        here = config.rootpath / "tests" / "workers"
        left_out = [
            item
            for item in items
            if here in item.path.parents
            and ("team" not in getattr(item, "fixturenames", ()) or item.get_closest_marker("only_sqlite"))
        ]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture
def team(team: Team, request: pytest.FixtureRequest) -> Iterator[Team]:
    """A team with the tables of all workers, as ``teamsup start`` makes them."""
    with stored_on_server(team, request.getfixturevalue("postgres")) if ON_SERVER else nullcontext():
        with MessageHub(team) as hub:
            for tables in installed_tables():
                hub.maintenance.migrate_component(tables)
        yield team
