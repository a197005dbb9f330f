"""How much of one person is taken in a minute."""

from fake_discord import ANN, BOB
from teamsup.workers.gateway.access.policy import RateLimiter


def test_a_rate_counts_by_the_time_of_writing() -> None:
    rate = RateLimiter(2)

    assert [rate.reserve(ANN, at, now=at) for at in (0.0, 1.0, 2.0, 3.0, 200.0)] == [0.0, 1.0, 60.0, 61.0, 200.0]
    assert rate.reserve(BOB, 3.0, now=200.0) == 3.0


def test_nobody_waits_longer_because_a_clock_is_wrong() -> None:
    rate = RateLimiter(2)
    for _ in range(2):
        assert rate.reserve(ANN, 9000.0, now=9000.0) == 9000.0

    assert rate.reserve(ANN, 9010.0, now=5400.0) == 5400.0  # ours was put back by an hour


def test_a_refused_message_does_not_count() -> None:
    rate = RateLimiter(2)

    taken = [at for at in (0.0, 1.0, 59.0, 60.0, 60.5, 61.0) if rate.try_acquire(ANN, at)]
    assert taken == [0.0, 1.0, 60.0, 61.0]
    assert rate.try_acquire(BOB, 1.0)
