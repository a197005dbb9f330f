from teamsup.supervisor.health.write_lock import LockOwner
from teamsup.supervisor.health.write_outage import WriteOutage, observe

ONE, OTHER = LockOwner(1), LockOwner(2)


def seen(*looks: tuple[float, int | None, LockOwner | None]) -> WriteOutage:
    outage = None
    for now, version, owner in looks:
        outage = observe(outage, version, owner, now, usual=1.0)
    assert outage is not None
    return outage


def test_the_time_with_one_owner_and_without_a_commit_is_observed() -> None:
    outage = seen((10, 5, ONE), (11, 5, ONE), (12, 5, ONE))

    assert (outage.seconds, outage.held_seconds) == (2, 2)


def test_a_commit_shows_that_nobody_holds_the_hub() -> None:
    outage = seen((10, 5, ONE), (11, 5, ONE), (12, 6, ONE))

    assert (outage.seconds, outage.held_seconds) == (0, 0)


def test_another_owner_has_not_held_it_yet() -> None:
    outage = seen((10, 5, ONE), (11, 5, ONE), (12, 5, OTHER), (13, 5, OTHER))

    assert (outage.seconds, outage.held_seconds) == (3, 1)


def test_without_an_owner_nobody_holds_it() -> None:
    outage = seen((10, 5, None), (11, 5, None))

    assert (outage.seconds, outage.held_seconds) == (1, 0)


def test_a_supervisor_that_was_stopped_has_observed_no_more_than_a_punctual_one() -> None:
    outage = seen((10, 5, ONE), (1000, 5, ONE))

    assert (outage.seconds, outage.held_seconds) == (1.5, 1.5)
