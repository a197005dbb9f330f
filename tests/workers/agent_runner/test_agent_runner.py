"""agent-runner as a process: what starts an agent, what comes back, and what keeps it from starting."""

import json
import time

import pytest

from helpers.runner_harness import RunnerHarness
from helpers.support import eventually
from teamsup.hub import Agent
from teamsup.workers.agent_runner.run import Run


def absent(harness: RunnerHarness) -> Agent | None:
    """The agent, once it is offline."""
    found = harness.ann.find_agent("gcp")
    return found if found is not None and found.status == "offline" else None


def waiting(harness: RunnerHarness) -> Run | None:
    """The first run, once it waits for its next try."""
    found = harness.table.get(1)
    return found if found is not None and found.next_try_at is not None else None


def degraded(harness: RunnerHarness) -> str:
    """What agent-runner cannot do."""
    found = harness.ann.find_agent("agent-runner")
    return "" if found is None else found.degraded


def test_a_message_starts_an_agent_and_its_answer_comes_back(harness: RunnerHarness) -> None:
    harness.configure()
    harness.start()

    asked = harness.tell("effect looked", "cost 0.25", "answer All is well.", "leave")

    answer = harness.answer_to(asked)
    assert (answer.sender, answer.content, answer.message_id) == ("gcp", "All is well.", "run:1:answer")
    run = harness.run_in("done")
    assert (run.starts, run.usd, run.turns, run.cause.key) == (1, 0.25, 1, asked.message_id)
    assert harness.ann.queries.trace(asked.message_id)[0].state == "done"
    assert harness.processes_of_runs() == []
    agent = eventually(lambda: absent(harness), "its end")
    assert agent.metadata["note"] == ""


def test_messages_of_one_conversation_come_one_after_another_and_others_beside_them(harness: RunnerHarness) -> None:
    harness.configure(agent=["max_parallel = 2"])
    harness.start()

    harness.tell("said one", "wait go", "effect one", conversation="a")
    harness.tell("effect two", conversation="a")
    harness.tell("effect three", conversation="b")

    harness.wait_for("one")
    harness.run_in("done", 2)
    harness.say("go")
    harness.run_in("done", 3)
    assert harness.effects == ["three run 2", "one run 1", "two run 3"]


def test_nothing_of_the_team_is_in_the_environment_of_a_run(harness: RunnerHarness) -> None:
    harness.configure()
    harness.start()

    names = harness.answer_to(harness.tell("variables")).content.split()

    assert not {"DISCORD_TOKEN", "TEAMSUP_WORKER", "TEAMSUP_CONFIGURATION"} & set(names)
    assert {"PATH", "HOME", "TEAMSUP_AGENT", "TEAMSUP_HOME", "TEAMSUP_RUN", "TEAMSUP_TEAM"} <= set(names)


def test_a_conversation_is_given_what_was_said_before(harness: RunnerHarness) -> None:
    harness.configure()
    harness.start()
    harness.answer_to(harness.tell("answer first", conversation="a"))

    history = json.loads(harness.answer_to(harness.tell("given history", conversation="a")).content)

    assert [each["content"] for each in history] == ["answer first", "first"]


def test_a_program_that_gives_up_answers_its_sender(harness: RunnerHarness) -> None:
    harness.configure()
    harness.start()

    answer = harness.answer_to(harness.tell("exit 3 the disk is gone"))

    assert (answer.message_type, answer.content) == ("error", "It did not finish: 3 the disk is gone.")
    assert harness.run_in("failed").tries == 1


def test_a_program_that_asks_for_it_is_tried_again_later(harness: RunnerHarness) -> None:
    harness.configure()
    harness.start()

    harness.tell("effect tried", "exit 75 busy")

    run = eventually(lambda: waiting(harness), "another try")
    assert run.state == "planned"
    assert run.reason == "75 busy"
    assert harness.effects == ["tried run 1"]


def test_a_run_that_takes_too_long_is_ended_with_all_that_it_started(harness: RunnerHarness) -> None:
    harness.configure(agent=["max_minutes = 0.01"])
    harness.start()

    asked = harness.tell("leave", "wait forever")

    assert harness.answer_to(asked).content == "It did not finish: it ran longer than 0.01 minutes."
    assert harness.run_in("failed").ended_at
    assert harness.processes_of_runs() == []


def test_people_stop_a_run(harness: RunnerHarness) -> None:
    harness.configure()
    harness.start()
    asked = harness.tell("said begun", "wait forever")
    harness.wait_for("begun")

    assert harness.request("stop 1").content == "Run 1 of gcp is being stopped."

    assert harness.answer_to(asked).content == "It did not finish: ann stopped it."
    assert harness.run_in("stopped")
    assert harness.request("stop 1").content == "Run 1 of gcp is over: stopped."


@pytest.mark.slow
def test_a_withdrawn_message_ends_its_run(harness: RunnerHarness) -> None:
    harness.configure()
    harness.start()
    asked = harness.tell("said begun", "wait forever")
    harness.wait_for("begun")

    harness.ann.cancel(asked.message_id, even_if_read=True)

    assert harness.run_in("stopped").reason == "its message was withdrawn"


def test_a_live_session_keeps_its_messages(harness: RunnerHarness) -> None:
    harness.configure()
    with type(harness.ann)(harness.team, agent="gcp") as session:
        session.register()
        harness.start()
        asked = harness.tell("effect started")
        assert harness.request("resume gcp").content == "gcp was not paused."
        assert session.queries.peek()[0].message_id == asked.message_id
        assert harness.table.latest() == []
    assert harness.run_in("done")


def test_a_paused_agent_is_not_started_and_says_so_once(harness: RunnerHarness) -> None:
    harness.configure()
    harness.start()
    assert harness.request("pause gcp the budget is spent").content.startswith("gcp is paused")

    asked = harness.tell("effect started")

    told = eventually(lambda: harness.ann.queries.find(reply_to=asked.message_id), "news for ann")
    assert [(each.message_type, each.content) for each in told] == [
        ("status_report", "It waits: ann paused it: the budget is spent.")
    ]
    assert eventually(harness.obstacle, "the obstacle") == "ann paused it: the budget is spent"
    assert harness.request("resume gcp").content == "gcp can be started again."
    harness.run_in("done")
    assert len(harness.ann.queries.find(reply_to=asked.message_id, message_type="status_report")) == 1


def test_the_limit_of_an_hour_is_kept_and_shown(harness: RunnerHarness) -> None:
    harness.configure(agent=["runs_per_hour = 1"])
    harness.start()
    harness.answer_to(harness.tell("answer first"))

    asked = harness.tell("answer second")

    told = eventually(lambda: harness.ann.queries.find(reply_to=asked.message_id), "news for ann")
    assert "it is at its limit of 1 runs an hour" in told[0].content
    assert told[0].content.startswith("It starts at ")
    assert [state.state for state in harness.ann.queries.trace(asked.message_id)] == ["ready"]


def test_a_gate_says_what_is_not_worth_a_run(harness: RunnerHarness) -> None:
    harness.configure(agent=["gate = ['sh', '-c', 'grep -q urgent || { echo not urgent; exit 1; }']"])
    harness.start()

    refused = harness.tell("effect idle")
    passed = harness.tell("answer urgent")

    assert harness.answer_to(refused).content == "It did not finish: its gate did not start it: not urgent."
    assert harness.answer_to(passed).content == "urgent"
    assert harness.effects == []
    assert harness.run_in("stopped").starts == 0


def test_a_program_that_is_not_there_is_an_incident_until_a_person_mends_it(harness: RunnerHarness) -> None:
    harness.configure(agent=["directory = '/no/such/folder'"])
    harness.start()

    asked = harness.tell("answer Well.")

    why = eventually(lambda: degraded(harness), "the incident")
    assert "[agent.gcp] directory: there is no folder /no/such/folder" in why
    assert harness.run_in("planned").starts == 0
    harness.configure()
    assert harness.answer_to(asked).content == "Well."
    eventually(lambda: not degraded(harness), "its end")


def test_a_gate_that_fails_starts_nothing_and_is_asked_again_later(harness: RunnerHarness) -> None:
    harness.configure(agent=["gate = ['sh', '-c', 'echo no network >&2; exit 3']"])
    harness.start()

    harness.tell("effect started")

    assert eventually(harness.obstacle, "the obstacle") == "its gate failed with exit code 3: no network"
    assert harness.table.pauses(time.time())[0].until
    assert harness.run_in("planned").starts == 0
    assert harness.effects == []


def test_a_person_starts_an_agent(harness: RunnerHarness) -> None:
    harness.configure(start=[])
    harness.start()

    asked = harness.ann.send("agent-runner", "start gcp answer by hand")

    told = eventually(lambda: harness.ann.queries.find(reply_to=asked.message_id)[1:], "the answer of the run")
    assert "runs show 1" in harness.ann.queries.find(reply_to=asked.message_id)[0].content
    assert (told[0].sender, told[0].content) == ("gcp", "by hand")
    run = harness.run_in("done")
    assert (run.cause.kind, run.cause.key) == ("person", asked.message_id)


def test_an_agent_does_not_start_or_resume_another(harness: RunnerHarness) -> None:
    harness.configure()
    harness.start()
    with type(harness.ann)(harness.team, agent="oci") as oci:
        oci.register()
        asked = oci.send("agent-runner", "resume gcp")
        answer = harness.answer_to(asked)
    assert answer.message_type == "error"
    assert answer.content == "Only people start, pause, resume and stop agents, and oci is not one."
    in_its_shell = harness.ann.send("agent-runner", "resume gcp", metadata={"session": "oci"})
    assert harness.answer_to(in_its_shell).message_type == "error"


def test_a_schedule_starts_one_run_for_all_ticks_that_were_missed(harness: RunnerHarness) -> None:
    lines = ["schedule = '* * * * *'", "schedule_prompt = 'effect ticked'"]
    harness.configure(agent=lines, start=["schedule"])
    harness.table.record_ticks("gcp", "* * * * *", time.time() - 86400)
    harness.start()

    run = harness.run_in("done")

    assert run.cause.kind == "schedule"
    assert harness.effects == ["ticked run 1"]
    assert harness.table.ticks_done()["gcp"][1] > time.time() - 120


@pytest.mark.parametrize("hours", [24, -24])
def test_a_clock_that_is_set_while_an_agent_works_neither_ends_nor_repeats_its_run(
    harness: RunnerHarness, hours: int
) -> None:
    harness.configure(agent=["max_minutes = 5"])
    harness.start(with_own_clock=True)
    asked = harness.tell("said begun", "wait go", "effect once", "answer Done.")
    harness.wait_for("begun")
    harness.run_in("running")

    harness.set_clock(hours * 3600)
    eventually(lambda: abs(harness.seconds_ahead("gcp")) > 3600, "it has looked at the run since")
    harness.say("go")

    assert harness.answer_to(asked).content == "Done."
    assert harness.run_in("done").starts == 1
    assert harness.effects == ["once run 1"]
    assert harness.answer_to(harness.tell("answer Still here.")).content == "Still here."


def test_nothing_starts_while_the_runs_use_too_much_memory(harness: RunnerHarness) -> None:
    harness.configure("[agent-runner]", "memory_max = '2 MiB'", agent=["max_parallel = 2"])
    harness.start()
    harness.tell("said begun", "wait go", "answer First.")
    harness.wait_for("begun")
    second = harness.tell("effect second", "answer Second.")

    assert eventually(harness.obstacle, "the obstacle") == "the runs use more than 2 MiB of memory"
    assert harness.effects == []
    harness.say("go")
    assert harness.answer_to(second).content == "Second."


def test_a_saved_section_applies_without_a_restart(harness: RunnerHarness) -> None:
    harness.configure(agent=["runs_per_hour = 1"])
    harness.start()
    harness.answer_to(harness.tell("answer first"))
    asked = harness.tell("answer second")
    eventually(lambda: harness.ann.queries.find(reply_to=asked.message_id), "news for ann")

    harness.configure(agent=["runs_per_hour = 10"])

    assert harness.answer_to(asked).content == "second"


def test_an_agent_that_is_configured_while_the_team_runs_is_known_at_once(harness: RunnerHarness) -> None:
    harness.configure()
    harness.start()

    harness.configure("[agent.oci]", "start = ['message']", "command = ['true']")

    eventually(lambda: harness.ann.find_agent("oci"), "oci")


def test_a_program_asks_people_and_goes_on_with_what_they_decide(harness: RunnerHarness) -> None:
    harness.configure()
    harness.start()
    asked = harness.tell("effect asked", "ask Restart it?")
    question = harness.question()
    assert (question.sender, question.message_id) == ("agent-runner", "run:1:asks:1")
    assert question.content == "gcp wants to know, in run 1: Restart it?"
    assert harness.run_in("parked").reason == "people are asked to decide"
    assert [state.state for state in harness.ann.queries.trace(asked.message_id)] == ["leased"]

    harness.decide(question, 0)

    assert harness.answer_to(asked).content == "decided: yes"
    assert harness.run_in("done").starts == 2
