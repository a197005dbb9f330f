"""A kill at any point: one cause has one effect, or the run says that nobody knows."""

import pytest

from helpers.runner_harness import RunnerHarness
from helpers.support import eventually
from teamsup.workers.agent_runner.run import Cause


def test_a_run_outlives_its_runner_and_the_next_one_takes_it_over(harness: RunnerHarness) -> None:
    harness.configure()
    harness.start()
    asked = harness.tell("effect before", "said begun", "wait go", "effect after", "answer Done.")
    harness.wait_for("begun")
    pid = harness.run_in("running").pid

    harness.kill()
    harness.start()
    assert harness.run_in("running").pid == pid
    harness.say("go")

    assert harness.answer_to(asked).content == "Done."
    assert harness.run_in("done").starts == 1
    assert harness.effects == ["before run 1", "after run 1"]


def test_a_run_that_ended_while_nobody_looked_is_judged_by_what_it_left(harness: RunnerHarness) -> None:
    harness.configure()
    harness.start()
    asked = harness.tell("said begun", "wait go", "effect once", "answer Done.")
    harness.wait_for("begun")
    harness.kill()
    harness.say("go")
    eventually(lambda: not harness.processes_of_runs(), "the end of the run")

    harness.start()

    assert harness.answer_to(asked).content == "Done."
    assert harness.run_in("done").starts == 1
    assert harness.effects == ["once run 1"]


def test_an_orderly_end_of_the_runner_keeps_the_claim_too(harness: RunnerHarness) -> None:
    harness.configure()
    harness.start()
    asked = harness.tell("said begun", "wait go", "answer Done.")
    harness.wait_for("begun")

    harness.stop()
    assert [state.state for state in harness.ann.queries.trace(asked.message_id)] == ["leased"]
    harness.say("go")
    harness.start()

    assert harness.answer_to(asked).content == "Done."
    assert [run.starts for run in harness.table.latest()] == [1]


@pytest.mark.slow
@pytest.mark.parametrize("is_runner_killed", [False, True], ids=["the agent", "the agent and the runner"])
def test_an_agent_that_is_killed_in_its_work_is_left_to_people(harness: RunnerHarness, is_runner_killed: bool) -> None:
    harness.configure()
    harness.start()
    asked = harness.tell("effect half", "said begun", "wait go", "answer Done.")
    harness.wait_for("begun")
    run = harness.run_in("running")
    if is_runner_killed:
        harness.kill()
    harness.kill_agent(run)
    if is_runner_killed:
        harness.start()

    question = harness.question()

    assert question.metadata["options"] == ["run it again", "it is done", "give up"]
    assert harness.run_in("unknown").starts == 1
    assert [state.state for state in harness.ann.queries.trace(asked.message_id)] == ["leased"]
    harness.say("go")
    harness.decide(question, 0)
    assert harness.answer_to(asked).content == "Done."
    assert harness.effects == ["half run 1", "half run 1"]
    assert harness.run_in("done").starts == 2


@pytest.mark.parametrize(
    ("chosen", "state", "answer"),
    [(1, "done", "ann said that it is done."), (2, "failed", "It did not finish: ann gave it up.")],
    ids=["it is done", "give up"],
)
def test_people_end_a_run_whose_outcome_is_unknown(
    harness: RunnerHarness, chosen: int, state: str, answer: str
) -> None:
    harness.configure()
    harness.start()
    asked = harness.tell("said begun", "wait go")
    harness.wait_for("begun")
    harness.kill_agent(harness.run_in("running"))

    harness.decide(harness.question(), chosen)

    harness.run_in("done" if state == "done" else "failed")
    assert [each.state for each in harness.ann.queries.trace(asked.message_id)] == ["done"]
    answers = harness.ann.queries.find(reply_to=asked.message_id, sender="gcp")
    assert [each.content for each in answers] == [answer]


def test_a_rule_has_it_run_again_without_people(harness: RunnerHarness) -> None:
    harness.configure(agent=["on_unknown = 'again'"])
    harness.start()
    asked = harness.tell("effect half", "said begun", "wait go", "answer Done.")
    harness.wait_for("begun")
    harness.say("go2")
    run = harness.run_in("running")
    harness.kill_agent(run)
    harness.say("go")

    assert harness.answer_to(asked).content == "Done."
    assert harness.run_in("done").starts == 2


def test_a_runner_that_died_before_it_wrote_down_the_pid_finds_the_process_by_its_mark(harness: RunnerHarness) -> None:
    harness.configure()
    harness.start()
    asked = harness.tell("said begun", "wait go", "effect once", "answer Done.")
    harness.wait_for("begun")
    run = harness.run_in("running")
    harness.kill()
    harness.table.update(run, pid=0, process_identity="")

    harness.start()
    harness.say("go")

    assert harness.answer_to(asked).content == "Done."
    assert harness.effects == ["once run 1"]
    assert harness.run_in("done").starts == 1


def test_a_runner_that_died_before_it_started_the_process_starts_it(harness: RunnerHarness) -> None:
    """The row says that it runs, and nothing ever began."""
    harness.configure()
    asked = harness.tell("effect once", "answer Done.")
    cause = Cause("message", asked.message_id, asked.id)
    directory = str(harness.team.folder)
    run = harness.table.insert("gcp", cause, 1000.0, directory=directory)
    assert harness.table.record_start(run, "a mark that no process has", 1001.0) is not None
    assert harness.table.record_start(run, "another mark", 1001.0) is None, "it is no longer planned"

    harness.start()

    assert harness.answer_to(asked).content == "Done."
    assert harness.effects == ["once run 1"]


@pytest.mark.slow
def test_a_claim_that_was_lost_is_taken_up_again_by_its_run(harness: RunnerHarness) -> None:
    harness.configure()
    harness.start()
    asked = harness.tell("said begun", "wait go", "effect once", "answer Done.")
    harness.wait_for("begun")
    harness.kill()
    with type(harness.ann)(harness.team, agent="gcp") as agent:
        agent.maintenance.release_abandoned()

    harness.start()
    harness.say("go")

    assert harness.answer_to(asked).content == "Done."
    eventually(
        lambda: [state.state for state in harness.ann.queries.trace(asked.message_id)] == ["done"], "the message's end"
    )
    assert harness.effects == ["once run 1"]
    assert len(harness.table.latest()) == 1


def test_the_processes_of_a_run_without_a_row_are_killed(harness: RunnerHarness) -> None:
    harness.configure()
    harness.start()
    harness.tell("said begun", "leave", "wait go")
    harness.wait_for("begun")
    harness.run_in("running")
    harness.kill()
    harness.ann.execute("DELETE FROM runs")

    harness.start()

    eventually(lambda: not harness.processes_of_runs(), "the end of what no run knows")
