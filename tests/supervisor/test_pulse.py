"""Who hangs is judged by silence that was observed, and by nothing else."""

from datetime import UTC, datetime, timedelta

from teamsup.supervisor.pulse import Pulse, forgive, look

USUAL = 5.0
BEAT = datetime(2026, 1, 1, tzinfo=UTC)


def test_silence_adds_up_from_look_to_look() -> None:
    pulse = Pulse(looked_at=100, beat=BEAT)
    for now in (105, 110, 115):
        pulse = look(pulse, BEAT, 0, now, USUAL)

    assert pulse.silent == 15


def test_a_new_heartbeat_ends_the_silence_since_it_came() -> None:
    pulse = look(Pulse(looked_at=100, silent=20, beat=BEAT), BEAT + timedelta(seconds=5), 1.5, 105, USUAL)

    assert pulse.silent == 1.5


def test_a_worker_that_has_never_beaten_is_silent_since_its_start() -> None:
    assert look(Pulse(looked_at=100), None, 0, 104, USUAL).silent == 4


def test_a_supervisor_that_was_stopped_or_suspended_counts_no_more_than_one_look() -> None:
    assert look(Pulse(looked_at=100, beat=BEAT), BEAT, 0, 100 + 3600, USUAL).silent == 7.5


def test_a_clock_that_jumps_makes_nobody_silent() -> None:
    pulse = Pulse(looked_at=100, beat=BEAT)

    assert look(pulse, BEAT + timedelta(days=1), 86400, 105, USUAL).silent == 5
    assert look(pulse, BEAT - timedelta(days=1), -86400, 105, USUAL).silent == 0


def test_while_the_hub_cannot_be_written_nobody_is_silent() -> None:
    pulse = forgive(Pulse(looked_at=100, silent=20, beat=BEAT), 130)

    assert look(pulse, BEAT, 60, 135, USUAL).silent == 5
