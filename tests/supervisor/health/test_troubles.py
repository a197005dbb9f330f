"""The times at which the supervisor repeats what it does."""

import pytest

from teamsup.supervisor.health.troubles import seconds_to_multiple


@pytest.mark.parametrize(
    ("interval", "now", "seconds"),
    [
        (5.0, 100.0, 5.0),
        (5.0, 103.0, 2.0),
        (1.0, 103.25, 0.75),
        # A timer that ends early must not make two of one repetition.
        (5.0, 104.999, 5.001),
    ],
)
def test_all_repetitions_come_at_multiples_of_their_intervals(interval: float, now: float, seconds: float) -> None:
    assert seconds_to_multiple(interval, now) == pytest.approx(seconds)
