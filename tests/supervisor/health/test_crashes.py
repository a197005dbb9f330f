"""The reports of crashes to the team, and how often they come."""

from dataclasses import replace

from teamsup.status.crash import KEPT_CRASHES, Crash, append_crash
from teamsup.supervisor.health import crashes
from teamsup.supervisor.health.crashes import CrashSeries, WorkerCondition

CRASH = Crash(at=1000, pid=7, reason="exit code 3", failures=1, next_try_at=1000, lines=("oops",))
NOT_CONFIGURED = replace(CRASH, reason="not configured", next_try_at=None)
RUNS = WorkerCondition("RUNNING", started_at=1001)


def after(*moments: float, crash: Crash = CRASH) -> CrashSeries:
    """The series of crashes at these moments."""
    series = None
    for moment in moments:
        series = crashes.add_crash(series, replace(crash, at=1000 + moment), moment)
    assert series is not None
    return series


def test_a_crash_loop_is_reported_once_and_then_in_digests_at_ever_longer_intervals() -> None:
    series, told, moments = after(0), [], range(1, 60000, 5)
    for moment in moments:
        if series.unreported and series.report_at <= moment:
            series = crashes.mark_reported(series, moment, runs=False)
            told.append(moment)
        series = after_one_more(series, moment)

    assert told == [1, 61, 361, 1261, 4861, 26461, 48061]


def after_one_more(series: CrashSeries, moment: float) -> CrashSeries:
    return crashes.add_crash(series, replace(CRASH, at=1000 + moment), moment)


def test_deaths_that_come_together_wait_for_each_other_a_second_and_no_longer() -> None:
    assert after(0).report_at == after(0, 0.4, 0.8).report_at == 1


def test_that_a_worker_is_still_held_waits_for_the_next_digest() -> None:
    series = crashes.mark_reported(crashes.add_crash(None, NOT_CONFIGURED, 0), 1, runs=False)

    assert crashes.add_crash(series, NOT_CONFIGURED, 5).report_at == 61


def test_a_worker_held_after_a_crash_is_reported_before_the_next_digest() -> None:
    series = crashes.mark_reported(after(0), 1, runs=True)
    held = crashes.add_crash(series, replace(NOT_CONFIGURED, at=1002), 2)

    assert held.report_at == 3
    assert crashes.describe("loop", held, WorkerCondition("EXITED", "not configured"), 1003).startswith(
        "loop has crashed 2 times in 2s, last: not configured. It is not started again (not configured). "
        "Correct it, then run: teamsup restart loop."
    )


def test_a_worker_that_dies_again_soon_after_it_was_well_goes_on_with_its_row() -> None:
    series = crashes.mark_recovered(crashes.mark_reported(after(0), 1, runs=False), 100)

    assert after_one_more(series, 200).report_at == 201
    assert after_one_more(series, 200).count == 2
    assert after_one_more(series, 100 + 3601).count == 1


def test_a_report_says_what_the_lifecycle_has_made_of_it_by_now() -> None:
    def then(condition: WorkerCondition) -> str:
        return crashes.describe("loop", after(0, crash=replace(CRASH, lines=())), condition, 1001)

    assert then(RUNS) == "loop died (exit code 3). It was started again. It had printed nothing."
    assert "It is started again in 2.5 s." in then(WorkerCondition("BACKOFF", next_try_at=1003.5))
    assert "It was stopped since." in then(WorkerCondition("STOPPED"))
    assert "It is not started again. Correct it, then run: teamsup restart loop." in then(
        WorkerCondition("FATAL", "no such file")
    )


def test_a_digest_says_how_often_and_in_what_time() -> None:
    series = after(*range(14))

    assert crashes.describe("feed", series, WorkerCondition("BACKOFF", next_try_at=1020), 1014).startswith(
        "feed has crashed 14 times in 13s, last: exit code 3. It is started again in 6.0 s.\nIts last lines:"
    )
    assert crashes.describe_recovery("feed", series, RUNS).startswith("feed runs again since 1970-01-01 ")
    assert crashes.describe_recovery("feed", series, RUNS).endswith("It had died 14 times, last: exit code 3.")


def test_the_crashes_of_many_workers_are_one_message_of_bounded_length() -> None:
    rows = [(f"w{number}", after(0), RUNS) for number in range(500)]

    lines = crashes.describe_several(rows, 1001).splitlines()

    assert lines[:2] == ["500 workers have died:", "w0: exit code 3. It was started again."]
    assert (len(lines), lines[-1]) == (22, "and 480 more")


def test_a_digest_says_what_those_lack_who_are_held() -> None:
    held = after(0, crash=replace(NOT_CONFIGURED, lines=("starting", "No key for the exchange.")))
    rows = [(name, held, WorkerCondition("EXITED", "not configured")) for name in ("one", "two")]

    assert (
        crashes.describe_several(rows, 1001)
        .splitlines()[1]
        .startswith("one: not configured: No key for the exchange. It is not started again")
    )


def test_a_loop_is_what_dies_five_times_in_ten_minutes() -> None:
    assert after(0, 1, 2, 3, 600).is_loop
    assert not after(0, 1, 2, 3).is_loop
    assert not after(0, 1, 2, 3, 601).is_loop


def test_the_last_deaths_are_kept() -> None:
    found: tuple[Crash, ...] = ()
    for pid in range(10):
        found = append_crash(found, Crash(1000, pid, "exit code 1", 1, None, ()))

    assert [crash.pid for crash in found] == list(range(10 - KEPT_CRASHES, 10))


def test_a_worker_that_never_had_a_process_has_not_died() -> None:
    series = after(0, crash=replace(CRASH, pid=None, reason="cannot be started: No such file", lines=()))

    assert crashes.describe("own", series, WorkerCondition("FATAL"), 1001) == (
        "own could not be started (No such file). It is not started again. Correct it, then run: teamsup restart own."
    )
