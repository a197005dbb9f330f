import pytest

from teamsup.config.components import installed_tables
from teamsup.hub import MessageHub, Team


@pytest.fixture
def team(team: Team) -> Team:
    """A team with the tables of all workers, as ``teamsup start`` makes them."""
    with MessageHub(team) as hub:
        for tables in installed_tables():
            hub.maintenance.migrate_component(tables)
    return team
