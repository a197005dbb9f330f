"""The pauses between attempts."""

from itertools import islice

from teamsup.workers.backoff import backoff


def test_each_pause_is_twice_as_long_as_the_one_before_until_the_longest() -> None:
    assert list(islice(backoff(1, 60), 8)) == [1, 2, 4, 8, 16, 32, 60, 60]


def test_the_first_pause_is_never_longer_than_the_longest() -> None:
    assert list(islice(backoff(5, 2), 2)) == [2, 2]
