"""Causes for an agent, while agent-runner and the agents' processes are killed at random. Did each run once, or is its
outcome unknown?

``python -m soak.agent_runs 1000`` lets so many messages start it.
"""

import contextlib
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import psutil

from helpers.runner_harness import RunnerHarness
from helpers.support import TeamsupCommand
from teamsup.hub import MessageHub
from teamsup.workers.agent_runner.run import Run

_PARALLEL = 6
_TIMEOUT_SECONDS = 1800.0


@dataclass(frozen=True)
class RunTally:
    """Causes and kills, and what the books say."""

    causes: int
    runner_kills: int
    agent_kills: int
    done: int
    unknown: int
    doubled: int
    """Causes whose effect is there twice."""
    lost: int
    """Causes without a run, runs that are done and had no effect, and runs that are neither done nor unknown."""
    left: int
    """Processes that are left at the end."""

    @property
    def is_even(self) -> bool:
        return not (self.doubled or self.lost or self.left) and self.done + self.unknown == self.causes


def run_with_kills(harness: RunnerHarness, causes: int, seed: int = 0) -> RunTally:
    """Send the causes, kill until each has its run, and count."""
    chance = random.Random(seed)  # noqa: S311
    limits = [f"max_parallel = {_PARALLEL}", "runs_per_hour = 100000"]
    harness.configure("[agent-runner]", *limits, agent=limits)
    harness.start()
    for number in range(causes):
        harness.tell(f"effect cause-{number}")
    kills = Counter[str]()
    ends = time.monotonic() + _TIMEOUT_SECONDS
    while not _are_ended(runs := harness.table.latest("gcp", causes), causes):
        assert time.monotonic() < ends, harness.log[-5000:]
        time.sleep(chance.uniform(0.01, 0.4))
        processes = harness.processes_of_runs()
        if chance.random() < 0.2:
            harness.kill()
            kills["runner"] += 1
            if chance.random() < 0.5:
                # As when it is away for longer than a claim lasts.
                with MessageHub(harness.team, agent="gcp") as agent:
                    agent.maintenance.release_abandoned()
            harness.start()
        elif processes and chance.random() < 0.3:
            with contextlib.suppress(psutil.Error):
                chance.choice(processes).kill()
                kills["agent"] += 1
    effects = Counter(line.split()[0] for line in harness.effects)
    happened = {run.cause.key: effects[content(harness, run)] for run in runs}
    harness.stop()
    return RunTally(
        causes,
        kills["runner"],
        kills["agent"],
        done=sum(run.state == "done" for run in runs),
        unknown=sum(run.state == "unknown" for run in runs),
        doubled=sum(count > 1 for count in effects.values()),
        lost=causes - len(runs) + sum(run.state == "done" and happened[run.cause.key] == 0 for run in runs),
        left=len(harness.processes_of_runs()),
    )


def content(harness: RunnerHarness, run: Run) -> str:
    """The word that the effect of this run has."""
    return harness.ann.queries.message(run.cause.key).content.split()[1]


def _are_ended(runs: list[Run], causes: int) -> bool:
    return len(runs) == causes and all(run.state not in ("planned", "running") for run in runs)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        harness = RunnerHarness(TeamsupCommand(Path(folder)).team)
        try:
            tally = run_with_kills(harness, int(sys.argv[1]), seed=int(time.time()))
        finally:
            harness.close()
    print(tally)
    sys.exit(not tally.is_even)
