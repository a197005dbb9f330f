"""A team that a PostgreSQL server stores."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from helpers.postgres_server import PostgresServer
from teamsup.hub import MessageHub, Team


@pytest.fixture
def address(postgres: PostgresServer) -> Iterator[str]:
    """The address of a hub in a schema of its own."""
    with postgres.schema() as address:
        yield address


@pytest.fixture
def team(tmp_path: Path, address: str) -> Team:
    return configure(Team("crew", tmp_path / "crew"), address)


def configure(team: Team, address: str) -> Team:
    """Let a team be stored at this address."""
    team.folder.mkdir(mode=0o700, exist_ok=True)
    team.configuration.write_text(f'[team]\nhub = "{address}"\n')
    team.configuration.chmod(0o600)
    return team


@pytest.fixture
def open_hub(team: Team) -> Iterator[Callable[[str], MessageHub]]:
    """Opens a hub of an agent, which has registered; a thread opens its own."""
    opened = []

    def open_it(agent: str) -> MessageHub:
        hub = MessageHub(team, agent=agent)
        hub.register()
        opened.append(hub)
        return hub

    yield open_it
    for hub in opened:
        hub.close()
