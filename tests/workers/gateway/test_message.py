"""How the team is told what somebody wrote."""

import pytest

from teamsup.workers.gateway.message import format_age


@pytest.mark.parametrize(
    ("seconds", "text"), [(60, "1m"), (3599, "59m"), (7530, "2h 5m"), (86_400, "24h 0m"), (200_000, "2d 7h")]
)
def test_an_age_is_said_as_people_say_it(seconds: float, text: str) -> None:
    assert format_age(seconds) == text
