"""Each cause has one run, or a run with an unknown outcome, after any kills."""

import pytest

from helpers.runner_harness import RunnerHarness
from soak.agent_runs import run_with_kills


@pytest.mark.slow
def test_each_cause_ran_once_or_says_unknown(harness: RunnerHarness) -> None:
    tally = run_with_kills(harness, 30, seed=1)

    assert tally.is_even, tally
    assert tally.parked > 0
    assert tally.runner_kills + tally.agent_kills > 0
