"""The limits of a run hold for all of its processes together."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from helpers.runner_harness import RunnerHarness
from teamsup.workers.agent_runner.processes.run_limits import (
    find_used_up,
    record_seconds,
    subtract_used,
    used_seconds,
)
from teamsup.workers.agent_runner.run import Cause, Run
from teamsup.workers.agent_runner.sections import AgentSection

AGENT = AgentSection(max_turns=10, max_usd=1.0, max_minutes=5)
RUN = Run(7, "ops", Cause("message", "m"), "s", starts=1, started_at=1000.0, turns=4, usd=0.25)


def test_the_next_process_gets_the_rest() -> None:
    rest = subtract_used(AGENT, RUN, 120)
    assert (rest.max_turns, rest.max_usd, rest.max_minutes) == (6, 0.75, 3)
    assert subtract_used(AGENT, replace(RUN, turns=0, usd=None), 0) == AGENT


@pytest.mark.parametrize(
    ("run", "seconds", "reason"),
    [
        (RUN, 299.0, ""),
        (replace(RUN, usd=None), 0.0, ""),
        (replace(RUN, turns=10), 0.0, "it has used up its max_turns, 10"),
        (replace(RUN, usd=1.0), 0.0, "it has used up its max_usd, $1.00"),
        (RUN, 300.0, "it ran longer than 5 minutes"),
    ],
)
def test_a_limit_that_is_used_up_is_named(run: Run, seconds: float, reason: str) -> None:
    assert find_used_up(AGENT, run, seconds) == reason


def test_the_seconds_of_its_processes_are_added_up_and_its_waits_are_not(tmp_path: Path) -> None:
    assert used_seconds(tmp_path, RUN) == 0
    for start, seconds in ((1, 30), (2, 12), (2, 12)):
        run = replace(RUN, starts=start, started_at=1000.0 * start)
        (tmp_path / "stdout.jsonl").touch()
        os.utime(tmp_path / "stdout.jsonl", (0, 1000 * start + seconds))
        record_seconds(tmp_path, run, None)
    assert used_seconds(tmp_path, replace(RUN, starts=2)) == 42
    assert used_seconds(tmp_path, replace(RUN, starts=2, pid=12)) == 30, "this process runs"


def test_a_run_that_has_spent_its_money_is_not_continued(harness: RunnerHarness) -> None:
    harness.configure(agent=["max_usd = 0.5"])
    harness.start()
    asked = harness.tell("cost 0.75", "ask Restart it?")
    harness.decide(harness.question(), 0)
    assert "it has used up its max_usd, $0.50" in harness.answer_to(asked).content
    assert (harness.run_in("failed").starts, harness.effects) == (1, [])
