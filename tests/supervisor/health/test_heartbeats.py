"""Who hangs is judged by silence that was observed, and by nothing else."""

from datetime import UTC, datetime, timedelta

from teamsup.supervisor.health.heartbeats import Heartbeat, observe, reset

USUAL = 5.0
BEAT = datetime(2026, 1, 1, tzinfo=UTC)


def test_silence_adds_up_from_look_to_look() -> None:
    known = Heartbeat(observed_at=100, last_heartbeat=BEAT)
    for now in (105, 110, 115):
        known = observe(known, BEAT, 0, now, USUAL)

    assert known.silent_seconds == 15


def test_a_new_heartbeat_ends_the_silence_since_it_came() -> None:
    known = observe(
        Heartbeat(observed_at=100, silent_seconds=20, last_heartbeat=BEAT), BEAT + timedelta(seconds=5), 1.5, 105, USUAL
    )

    assert known.silent_seconds == 1.5


def test_a_worker_that_has_never_beaten_is_silent_since_its_start() -> None:
    assert observe(Heartbeat(observed_at=100), None, 0, 104, USUAL).silent_seconds == 4


def test_a_supervisor_that_was_stopped_or_suspended_counts_no_more_than_one_look() -> None:
    assert observe(Heartbeat(observed_at=100, last_heartbeat=BEAT), BEAT, 0, 100 + 3600, USUAL).silent_seconds == 7.5


def test_a_clock_that_jumps_makes_nobody_silent() -> None:
    known = Heartbeat(observed_at=100, last_heartbeat=BEAT)

    assert observe(known, BEAT + timedelta(days=1), 86400, 105, USUAL).silent_seconds == 5
    assert observe(known, BEAT - timedelta(days=1), -86400, 105, USUAL).silent_seconds == 0


def test_while_the_hub_cannot_be_written_nobody_is_silent() -> None:
    known = reset(Heartbeat(observed_at=100, silent_seconds=20, last_heartbeat=BEAT), 130)

    assert observe(known, BEAT, 60, 135, USUAL).silent_seconds == 5
