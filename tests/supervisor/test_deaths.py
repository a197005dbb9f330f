"""What the team is told of a death, and how often."""

from dataclasses import replace

from teamsup.supervisor.deaths import KEPT_DEATHS, Death, is_told, kept, report

DEATH = Death(at=1000, pid=7, reason="exit code 3", failures=1, next_try_at=1000, lines=("oops",))


def test_a_crash_loop_is_told_ever_more_seldom() -> None:
    assert [count for count in range(1, 200) if is_told(replace(DEATH, failures=count))] == [
        1,
        2,
        3,
        4,
        8,
        16,
        32,
        64,
        128,
    ]


def test_who_is_not_configured_is_not_told_of() -> None:
    assert not is_told(replace(DEATH, reason="not configured"))


def test_a_report_has_the_reason_the_next_try_and_the_last_lines() -> None:
    assert report("loop", DEATH) == ("loop died (exit code 3). It was started again at once.\nIts last lines:\noops")
    again = Death(at=1000, pid=7, reason="signal 9 (SIGKILL)", failures=4, next_try_at=1002.5, lines=())
    assert report("loop", again) == (
        "loop died (signal 9 (SIGKILL)), 4 times in a row. It is started again in 2.5 s. It had printed nothing."
    )
    assert "not started again" in report("loop", Death(1000, 7, "exit code 1", 1, None, ()))


def test_the_last_deaths_are_kept() -> None:
    deaths: tuple[Death, ...] = ()
    for pid in range(10):
        deaths = kept(deaths, Death(1000, pid, "exit code 1", 1, None, ()))

    assert [death.pid for death in deaths] == list(range(10 - KEPT_DEATHS, 10))
