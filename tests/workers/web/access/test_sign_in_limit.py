"""How often a secret may be tried."""

from teamsup.workers.web.access.sign_in_limit import MAX_TRIES, SignInLimit


def test_an_address_may_try_ten_times_and_then_once_every_six_seconds() -> None:
    limit = SignInLimit()
    for _ in range(MAX_TRIES):
        assert limit.seconds_to_wait("10.0.0.1", 100.0) == 0
        limit.count_try("10.0.0.1", 100.0)
    assert limit.seconds_to_wait("10.0.0.1", 100.0) == 6.0
    assert limit.seconds_to_wait("10.0.0.1", 106.0) == 0
    limit.count_try("10.0.0.1", 106.0)
    assert limit.seconds_to_wait("10.0.0.1", 106.0) == 6.0


def test_a_try_that_was_right_is_not_counted() -> None:
    limit = SignInLimit()
    for _ in range(2 * MAX_TRIES):
        assert limit.seconds_to_wait("10.0.0.1", 100.0) == 0
        limit.count_try("10.0.0.1", 100.0)
        limit.forgive_try("10.0.0.1")


def test_another_address_is_not_held_up() -> None:
    limit = SignInLimit()
    for _ in range(MAX_TRIES):
        limit.count_try("10.0.0.1", 0.0)
    assert limit.seconds_to_wait("10.0.0.2", 0.0) == 0


def test_after_a_minute_all_tries_are_there_again() -> None:
    limit = SignInLimit()
    for _ in range(MAX_TRIES):
        limit.count_try("10.0.0.1", 0.0)
    for _ in range(MAX_TRIES):
        assert limit.seconds_to_wait("10.0.0.1", 60.0) == 0
        limit.count_try("10.0.0.1", 60.0)
    assert limit.seconds_to_wait("10.0.0.1", 60.0) > 0


def test_many_addresses_take_a_bounded_memory() -> None:
    limit = SignInLimit()
    for number in range(5000):
        limit.count_try(str(number), 0.0)
    assert len(limit._full_at) <= 1000
