"""No sent message is lost, doubled or out of order after any kills."""

import pytest

from helpers.postgres_server import NoServer, running_server, stored_on_server
from soak.hammer import hammer
from teamsup.hub import Team


@pytest.mark.slow
def test_the_books_balance_after_random_kills(team: Team) -> None:
    books = hammer(team, operations=3000)

    assert books.is_balanced, books
    assert books.kills > 5
    assert books.sent > 500


@pytest.mark.slow
def test_the_books_balance_on_a_server_that_is_killed_too(team: Team) -> None:
    try:
        with running_server() as server:
            if server.process is None:
                pytest.skip("the server is not ours to kill")
            with stored_on_server(team, server):
                books = hammer(team, operations=1500, server=server)
    except NoServer as error:
        pytest.skip(str(error))

    assert books.is_balanced, books
    assert books.server_kills > 0
    assert books.sent > 200
