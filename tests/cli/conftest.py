from collections.abc import Iterator

import pytest

from helpers.support import TeamsupCommand
from teamsup.hub import MessageHub


@pytest.fixture
def user_comm(teamsup: TeamsupCommand) -> Iterator[MessageHub]:
    """A team of which only this daemon is there, and says what the test wants."""
    teamsup.team.create()
    with MessageHub(teamsup.team, agent="user_comm") as hub:
        hub.register("daemon")
        yield hub
