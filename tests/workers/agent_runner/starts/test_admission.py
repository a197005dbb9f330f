"""Whether a run may start now, and why not."""

from dataclasses import replace

import pytest

from teamsup.workers.agent_runner.run_table import AgentPause, Usage
from teamsup.workers.agent_runner.sections import AgentSection, RunnerSection
from teamsup.workers.agent_runner.starts.admission import (
    Circumstances,
    Spending,
    StartNow,
    Wait,
    admit,
    admit_with_memory,
)

NOW = 10_000.0
AGENT = AgentSection(runs_per_hour=12, usd_per_day=10.0, max_usd=1.0, max_parallel=2)
RUNNER = RunnerSection(max_parallel=3, memory_max="1 GiB", usd_per_day=20.0, runs_per_hour=60)
QUIET = Circumstances(NOW)


def test_it_starts_where_nothing_stands_against_it() -> None:
    assert admit(AGENT, RUNNER, QUIET) == StartNow()


def test_it_starts_with_the_last_run_of_the_hour_and_the_last_dollar() -> None:
    own = Spending(Usage(starts=11, usd=8.0), running=1, reserved_usd=1.0)
    assert admit(AGENT, RUNNER, replace(QUIET, own=own)) == StartNow()


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (replace(QUIET, live_until=NOW + 30), Wait("a live session reads its messages", NOW + 30, is_notified=False)),
        (
            replace(QUIET, pauses=[AgentPause("login", "", "5-hour limit", 0.0, NOW + 600)]),
            Wait("5-hour limit", NOW + 600),
        ),
        (replace(QUIET, pauses=[AgentPause("agent", "gcp", "ann paused it", 0.0)]), Wait("ann paused it")),
        (replace(QUIET, is_busy=True), Wait("another run of this conversation is not over", is_notified=False)),
        (replace(QUIET, own=Spending(running=2)), Wait("2 runs of this agent, its max_parallel", is_notified=False)),
        (
            replace(QUIET, team=Spending(running=3)),
            Wait("3 runs, the max_parallel of [agent-runner]", is_notified=False),
        ),
        (
            replace(QUIET, own=Spending(Usage(starts=12, oldest_start=NOW - 3000))),
            Wait("it is at its limit of 12 runs an hour", NOW + 600, setting="runs_per_hour"),
        ),
        (
            replace(QUIET, own=Spending(Usage(usd=9.5, oldest_cost=NOW - 86_000))),
            Wait("it is at its limit of $10.00 a day", NOW + 400, setting="usd_per_day"),
        ),
        (
            replace(QUIET, own=Spending(Usage(usd=8.5), running=1, reserved_usd=1.0)),
            Wait("it is at its limit of $10.00 a day", setting="usd_per_day"),
        ),
        (
            replace(QUIET, team=Spending(Usage(starts=60, oldest_start=NOW - 60))),
            Wait("the team is at its limit of 60 runs an hour", NOW + 3540, setting="agent-runner.runs_per_hour"),
        ),
        (
            replace(QUIET, team=Spending(Usage(usd=19.5))),
            Wait("the team is at its limit of $20.00 a day", setting="agent-runner.usd_per_day"),
        ),
    ],
)
def test_the_first_reason_against_it_is_given(at: Circumstances, expected: Wait) -> None:
    assert admit(AGENT, RUNNER, at) == expected


def test_it_waits_while_the_runs_use_more_than_the_memory_limit() -> None:
    expected = Wait("the runs use more than 1 GiB of memory", NOW + 60, setting="agent-runner.memory_max")
    assert admit_with_memory(RUNNER, 2**30 + 1, NOW) == expected
    assert admit_with_memory(RUNNER, 2**30, NOW) == StartNow()


@pytest.mark.parametrize(
    ("setting", "name"),
    [
        ("usd_per_day", "usd_per_day in [agent.lead]"),
        ("agent-runner.usd_per_day", "usd_per_day in [agent-runner]"),
        ("", ""),
    ],
)
def test_a_limit_has_a_place_where_a_person_finds_it(setting: str, name: str) -> None:
    assert Wait("at its limit", setting=setting).name_setting("lead") == name


def test_a_limit_of_another_login_stops_nobody() -> None:
    other = AgentPause("login", "/home/ann/.claude-2", "5-hour limit", 0.0, NOW + 600)
    assert admit(AGENT, RUNNER, replace(QUIET, pauses=[other])) == StartNow()
