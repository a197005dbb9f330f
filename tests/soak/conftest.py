from collections.abc import Iterator

import pytest

from helpers.runner_harness import RunnerHarness, open_harness
from helpers.support import TeamsupCommand


@pytest.fixture
def harness(teamsup: TeamsupCommand) -> Iterator[RunnerHarness]:
    """agent-runner's team, which a soak disturbs."""
    with open_harness(teamsup) as opened:
        yield opened
