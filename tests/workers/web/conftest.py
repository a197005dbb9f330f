from collections.abc import Iterator

import pytest

from teamsup.hub import MessageHub, Team


@pytest.fixture
def hub(team: Team) -> Iterator[MessageHub]:
    """The team's hub, as the page reads it."""
    with MessageHub(team) as hub:
        yield hub
