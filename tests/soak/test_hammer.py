"""No sent message is lost, doubled or out of order after any kills."""

import pytest

from soak.hammer import hammer
from teamsup.hub import Team


@pytest.mark.slow
def test_the_books_balance_after_random_kills(team: Team) -> None:
    books = hammer(team, operations=3000)

    assert books.is_balanced, books
    assert books.kills > 5
    assert books.sent > 500
