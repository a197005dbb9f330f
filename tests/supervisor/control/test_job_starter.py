"""When a job is due."""

from datetime import UTC, datetime

from teamsup.status.state_file import JobTicks
from teamsup.supervisor.configuration.program import JobSchedule
from teamsup.supervisor.control.job_starter import plan_ticks

HOURLY = JobSchedule("0 * * * *", "UTC")
RULE = "0 * * * * UTC"


def at(hour: int, minute: int = 0) -> float:
    return datetime(2026, 5, 4, hour, minute, tzinfo=UTC).timestamp()


def test_a_new_job_waits_for_its_first_tick() -> None:
    ticks, is_due = plan_ticks(HOURLY, None, at(9, 30))

    assert (ticks, is_due) == (JobTicks(RULE, at(9, 30), at(10)), False)
    assert plan_ticks(HOURLY, ticks, at(9, 59)) == (ticks, False)
    assert plan_ticks(HOURLY, ticks, at(10)) == (JobTicks(RULE, at(10), at(11)), True)


def test_several_missed_ticks_give_one_start() -> None:
    slept = JobTicks(RULE, at(2), at(3))

    ticks, is_due = plan_ticks(HOURLY, slept, at(9, 30))

    assert (ticks, is_due) == (JobTicks(RULE, at(9), at(10)), True)
    assert plan_ticks(HOURLY, ticks, at(9, 30)) == (ticks, False)


def test_another_schedule_has_missed_nothing() -> None:
    assert plan_ticks(JobSchedule("30 * * * *", "UTC"), JobTicks(RULE, at(2), at(3)), at(9)) == (
        JobTicks("30 * * * * UTC", at(9), at(9, 30)),
        False,
    )


def test_a_clock_that_was_set_back_does_not_keep_a_job_waiting() -> None:
    assert plan_ticks(HOURLY, JobTicks(RULE, at(20), at(21)), at(9, 30)) == (JobTicks(RULE, at(9, 30), at(10)), False)
