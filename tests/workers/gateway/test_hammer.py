"""Every message is answered exactly once and in order, in spite of all failures of the gateway and Discord."""

import pytest

from teamsup.hub import Team
from workers.gateway.hammer import hammer


@pytest.mark.slow
async def test_the_books_balance_after_kills_and_trouble(team: Team) -> None:
    books = await hammer(team, 1000, every=3.0, pause=0.015)

    assert books.balanced, books
    assert books.asked == 1000
    assert books.kills
    assert books.troubles
