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
from teamsup.config.people_protocol import DECISION_REQUEST
from teamsup.hub import MessageHub
from teamsup.workers.agent_runner.run import Run

_KINDS = (("gcp", "effect"), ("ops", "effect"), ("gcp", "effect"), ("ops", "asked"))
"""A program of one's own, and Claude Code with its ledger and its deferred calls."""
_DENIED = 0.2
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
    """Causes whose effect is there twice, or once although people have denied it."""
    lost: int
    """Causes without a run, runs that are done and had no effect without saying so, and runs that are neither done
    nor unknown."""
    parked: int
    """Runs that people were asked to permit."""
    left: int
    """Processes that are left at the end."""

    @property
    def is_even(self) -> bool:
        return not (self.doubled or self.lost or self.left) and self.done + self.unknown == self.causes


def run_with_kills(harness: RunnerHarness, causes: int, seed: int = 0) -> RunTally:
    """Send the causes, kill until each has its run, and count."""
    chance = random.Random(seed)  # noqa: S311
    limits = [f"max_parallel = {_PARALLEL}", "runs_per_hour = 100000"]
    own = [*limits, "max_usd = 0.01"]
    harness.configure(harness.claude_section("ops", *own), "[agent-runner]", *limits, agent=own)
    harness.start()
    for number in range(causes):
        name, verb = _KINDS[number % len(_KINDS)]
        harness.tell(f"{verb} cause-{number}", agent=name)
    kills = Counter[str]()
    people = People(harness, chance)
    ends = time.monotonic() + _TIMEOUT_SECONDS
    while not _are_ended(runs := harness.table.latest(None, causes), causes):
        assert time.monotonic() < ends, harness.log[-5000:]
        time.sleep(chance.uniform(0.01, 0.4))
        people.decide()
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
    happened = {run.id: effects[content(harness, run)] for run in runs}
    harness.stop()
    done = [run for run in runs if run.state == "done"]
    return RunTally(
        causes,
        kills["runner"],
        kills["agent"],
        done=len(done),
        unknown=sum(run.state == "unknown" for run in runs),
        doubled=sum(happened[run.id] > (0 if run.id in people.denied else 1) for run in runs),
        lost=causes - len(runs) + sum(happened[run.id] == 0 and run.answer != "refused" for run in done),
        parked=len(people.asked),
        left=len(harness.processes_of_runs()),
    )


class People:
    """They permit most calls, and leave runs with an unknown outcome as they are."""

    def __init__(self, harness: RunnerHarness, chance: random.Random) -> None:
        self.asked: set[int] = set()
        self.denied: set[int] = set()
        self._harness = harness
        self._chance = chance

    def decide(self) -> None:
        for delivery in self._harness.people.claim(100):
            question = delivery.message
            if question.message_type == DECISION_REQUEST and question.metadata["options"] == ["allow", "deny"]:
                run = int(question.message_id.split(":")[1])
                chosen = int(self._chance.random() < _DENIED)
                self.asked.add(run)
                # It may ask again after a refusal.
                (self.denied.add if chosen else self.denied.discard)(run)
                self._harness.decide(question, chosen)
            self._harness.people.acknowledge(delivery)


def content(harness: RunnerHarness, run: Run) -> str:
    """The word that the effect of this run has."""
    return harness.ann.queries.message(run.cause.key).content.split()[1]


def _are_ended(runs: list[Run], causes: int) -> bool:
    return len(runs) == causes and all(run.state not in ("planned", "running", "parked") for run in runs)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        harness = RunnerHarness(TeamsupCommand(Path(folder)).team)
        try:
            tally = run_with_kills(harness, int(sys.argv[1]), seed=int(time.time()))
        finally:
            harness.close()
    print(tally)
    sys.exit(not tally.is_even)
