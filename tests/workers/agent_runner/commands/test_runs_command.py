"""``teamsup runs`` shows what agent-runner has stored."""

import itertools
import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from helpers.support import TeamsupCommand, refusal_of
from teamsup.config.components import open_hub
from teamsup.config.startable_agents import AGENT_RUNNER
from teamsup.hub import MessageHub
from teamsup.workers.agent_runner.component import component
from teamsup.workers.agent_runner.run import Cause
from teamsup.workers.agent_runner.run_table import RunTable


@pytest.fixture
def runs(teamsup: TeamsupCommand) -> None:
    with open_hub(component, teamsup.team) as hub:
        table = RunTable(hub)
        done = table.insert("gcp", Cause("message", "m-1", 12, "c"), 1000.0)
        assert table.record_start(done, "mark", 1001.0) is not None
        table.update(done, state="done", usd=0.5, turns=2, answer="Well.", ended_at=1010.0)
        table.insert("oci", Cause("schedule", "2026-11-30T10:00Z"), 2000.0)


def answer_one(teamsup: TeamsupCommand, text: str, message_type: str = "message") -> str:
    """Answer the next request as agent-runner does, and return it."""
    with MessageHub(teamsup.team, agent=AGENT_RUNNER) as runner:
        runner.register("daemon")
        (delivery,) = itertools.islice(runner.listen(20), 1)
        runner.reply(delivery, text, message_type=message_type)
        return delivery.message.content


@pytest.mark.usefixtures("runs")
def test_the_newest_run_comes_first(teamsup: TeamsupCommand) -> None:
    lines = teamsup.run("runs").stdout.splitlines()

    assert [line.split()[:3] for line in lines] == [
        ["ID", "AGENT", "STATE"],
        ["2", "oci", "planned"],
        ["1", "gcp", "done"],
    ]


@pytest.mark.usefixtures("runs")
def test_runs_of_one_agent_or_in_one_state_are_found(teamsup: TeamsupCommand) -> None:
    for words in (("--agent", "GCP"), ("--state", "done")):
        found = json.loads(teamsup.run("runs", *words, "--json").stdout)["runs"]
        assert [(run["id"], run["usd"], run["cause"]["message_number"]) for run in found] == [(1, 0.5, 12)]
        assert "lease_token" not in found[0]


@pytest.mark.usefixtures("runs")
def test_one_run_is_shown_with_its_answer(teamsup: TeamsupCommand) -> None:
    shown = teamsup.run("runs", "show", "#1").stdout

    assert "$0.5000" in shown
    assert "Well." in shown
    assert json.loads(teamsup.run("runs", "show", "1", "--json").stdout)["answer"] == "Well."


@pytest.mark.usefixtures("runs")
@pytest.mark.parametrize(("word", "why"), [("99", "There is no run 99."), ("x", "'x' is not a run's number.")])
def test_a_run_that_is_not_there_is_refused(teamsup: TeamsupCommand, word: str, why: str) -> None:
    done = teamsup.run("runs", "show", word)

    assert why in refusal_of(done)
    assert done.returncode == 67


@pytest.mark.usefixtures("runs")
def test_agent_runner_stops_a_run(teamsup: TeamsupCommand) -> None:
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(answer_one, teamsup, "Run 2 is stopped.")
        with MessageHub(teamsup.team, agent="waiter") as hub:
            hub.enroll(AGENT_RUNNER, "daemon")
        done = teamsup.run("runs", "stop", "2")

    assert asked.result() == "stop 2"
    assert (done.returncode, done.stdout) == (0, "Run 2 is stopped.\n")


@pytest.mark.usefixtures("runs")
def test_a_run_that_has_ended_cannot_be_stopped(teamsup: TeamsupCommand) -> None:
    done = teamsup.run("runs", "stop", "1")

    assert "Run 1 has ended already: done." in refusal_of(done)
    assert done.returncode == 75
