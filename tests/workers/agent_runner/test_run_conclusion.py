"""What is stored of a judgement: the row, the message and the answer, all of it or nothing."""

import json
import logging
from collections.abc import Callable

import pytest

from teamsup.config.loader import Config
from teamsup.config.people_protocol import DECISION_REQUEST, USER_COMM
from teamsup.hub import Message, MessageHub, Team
from teamsup.workers.agent_runner.approvals.decision_requests import DecisionOfPeople
from teamsup.workers.agent_runner.judgement import Finish, Judgement, Park, Pause, Resume, StartAgain, Unknown
from teamsup.workers.agent_runner.processes.agent_settings import AgentSettings
from teamsup.workers.agent_runner.programs.call_ledger import CallLedger
from teamsup.workers.agent_runner.programs.program import Call, DeferredCall, RunOutput
from teamsup.workers.agent_runner.run import Cause, Run, run_folder
from teamsup.workers.agent_runner.run_conclusion import MAX_TRIES, RunConclusion
from teamsup.workers.agent_runner.run_table import AgentPause, RunTable

NOW = 1_800_000_000.0
CALL = Call("toolu_1", "Bash", "began", {"command": "reboot"})


class ConclusionHarness:
    """A started run of ``gcp`` for a message of ``ann``, and the conclusion that acts on it."""

    def __init__(self, team: Team, join: Callable[..., MessageHub], sender: str = "ann", **section: object) -> None:
        self.ann = ann = join(sender)
        self.runner = join("agent-runner", registers=False)
        self.runner.enroll("user_comm", "daemon")
        self.gcp = join("gcp", registers=False)
        self.table = RunTable(self.runner)
        ann.enroll("gcp")
        self.message = ann.send("gcp", "Look at the disk.", conversation_id="c")
        delivery = self.gcp.claim()[0]
        cause = Cause("message", self.message.message_id, self.message.id, "c")
        run = self.table.insert("gcp", cause, NOW)
        assert self.table.record_start(run, "mark", NOW) is not None
        self.run = self.table.update(run, lease_token=delivery.lease_token, pid=12, process_identity="then")
        settings = AgentSettings(team, Config(team, {"agent": {"gcp": section}}))
        self.conclusion = RunConclusion(self.runner, settings, lambda _: self.gcp, logging.getLogger(), lambda: NOW)

    def conclude(self, judged: Judgement, output: RunOutput | None = None, calls: tuple[Call, ...] = ()) -> Run:
        return self.conclusion.conclude(self.run, output or RunOutput(), calls, judged)

    def write_calls(self, *calls: Call) -> CallLedger:
        folder = run_folder(self.ann.team, self.run.id)
        folder.mkdir(parents=True)
        rows = [{"id": call.id, "tool": call.tool, "event": call.event, "input": call.input} for call in calls]
        (folder / "calls.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        return CallLedger(folder)

    def answers(self) -> list[Message]:
        return self.ann.queries.find(reply_to=self.message.message_id)

    @property
    def delivery(self) -> str:
        return self.ann.queries.trace(self.message.message_id)[0].state


@pytest.fixture
def harness(team: Team, join: Callable[..., MessageHub]) -> ConclusionHarness:
    return ConclusionHarness(team, join)


def test_a_run_that_is_done_answers_and_ends_its_message(harness: ConclusionHarness) -> None:
    output = RunOutput("completed", "Well.", turns=3, tokens_in=10, tokens_out=5, usd=0.5, tools=("Bash",))
    run = harness.conclude(Finish("done", answer="Well."), output)

    assert [(each.sender, each.content, each.conversation_id) for each in harness.answers()] == [("gcp", "Well.", "c")]
    assert harness.delivery == "done"
    assert (run.state, run.answer, run.turns, run.usd, run.tools) == ("done", "Well.", 3, 0.5, ("Bash",))
    assert (run.ended_at, run.pid, run.lease_token) == (NOW, 0, "")


@pytest.mark.parametrize(
    ("sender", "answers"),
    [
        ("console-ann", ["It has ended without an answer."]),
        (USER_COMM, ["It has ended without an answer."]),
        ("oci", []),
    ],
)
def test_a_person_hears_of_a_run_that_has_nothing_to_say(
    team: Team, join: Callable[..., MessageHub], sender: str, answers: list[str]
) -> None:
    harness = ConclusionHarness(team, join, sender)
    assert harness.conclude(Finish("done")).state == "done"
    assert [each.content for each in harness.answers()] == answers


def test_an_agent_that_has_answered_itself_is_not_answered_for(harness: ConclusionHarness) -> None:
    harness.gcp.answer(harness.message, "I did it.")
    harness.conclude(Finish("done", answer="I have answered."))
    assert [each.content for each in harness.answers()] == ["I did it."]


def test_a_report_on_the_way_is_not_an_answer(harness: ConclusionHarness) -> None:
    harness.gcp.answer(harness.message, "I look at it.", message_type="status_report")
    harness.conclude(Finish("done", answer="It is full."))
    assert [each.content for each in harness.answers()] == ["I look at it.", "It is full."]


def test_a_question_to_the_sender_is_not_an_answer(harness: ConclusionHarness) -> None:
    harness.gcp.answer(harness.message, "Which disk?", message_type=DECISION_REQUEST, metadata={"options": ["a", "b"]})
    harness.conclude(Finish("done", answer="Both are full."))
    assert [each.content for each in harness.answers()] == ["Which disk?", "Both are full."]


def test_a_reply_to_somebody_else_is_not_an_answer(harness: ConclusionHarness) -> None:
    harness.gcp.send("user_comm", "Ann asks about the disk.", reply_to=harness.message.message_id)
    harness.conclude(Finish("done", answer="It is full."))
    assert [(each.recipient, each.content) for each in harness.answers()][1:] == [("ann", "It is full.")]


def test_a_failure_is_reported_with_what_there_is(harness: ConclusionHarness) -> None:
    run = harness.conclude(Finish("failed", "40 turns", "So far it is full."))
    assert [(each.message_type, each.content) for each in harness.answers()] == [
        ("error", "It did not finish: 40 turns.\n\nSo far it is full.")
    ]
    assert run.state == "failed"


def test_a_claim_that_was_lost_does_not_keep_the_run_from_its_end(harness: ConclusionHarness) -> None:
    harness.gcp.maintenance.release_abandoned()
    harness.gcp.wait(0)
    run = harness.conclude(Finish("done", answer="Well."))
    assert run.state == "done"
    assert [each.content for each in harness.answers()] == ["Well."]


def test_only_the_cost_of_the_run_itself_is_booked(harness: ConclusionHarness) -> None:
    harness.run = harness.table.update(harness.run, session_usd_before=2.0)
    assert harness.conclude(Finish("done"), RunOutput("completed", usd=2.25)).usd == 0.25


def test_a_session_that_cannot_go_on_gets_a_new_one_and_keeps_its_cost(harness: ConclusionHarness) -> None:
    before = harness.run.session_id
    run = harness.conclude(StartAgain(in_new_session=True), RunOutput("session_lost", usd=0.5))
    assert run.state == "planned"
    assert run.session_id != before
    harness.run = run
    assert harness.conclude(Finish("done"), RunOutput("completed", usd=0.25)).usd == 0.75


def test_a_passing_failure_is_tried_again_later_each_time_and_given_up_in_the_end(harness: ConclusionHarness) -> None:
    waits = []
    for tries in range(1, MAX_TRIES):
        harness.run = harness.table.update(harness.run, tries=tries)
        run = harness.conclude(StartAgain("529"))
        assert run.state == "planned"
        assert run.next_try_at is not None
        waits.append(run.next_try_at - NOW)
    assert waits == [10, 20, 40, 80]

    harness.run = harness.table.update(harness.run, tries=MAX_TRIES)
    assert harness.conclude(StartAgain("529")).reason == "529; it was tried 5 times"
    assert harness.answers()[0].message_type == "error"


@pytest.mark.parametrize("judged", [StartAgain(), Resume()])
def test_a_run_that_died_between_two_steps_continues_at_once(harness: ConclusionHarness, judged: Judgement) -> None:
    run = harness.conclude(judged)
    assert (run.state, run.next_try_at) == ("planned", None)
    assert harness.delivery == "leased"


def test_a_limit_pauses_the_login_until_it_resets_and_does_not_count_as_a_try(harness: ConclusionHarness) -> None:
    run = harness.conclude(Pause("login", "5-hour limit", NOW + 600))
    assert (run.state, run.reason, run.tries, harness.delivery) == ("planned", "5-hour limit", 0, "leased")
    (pause,) = harness.table.pauses(NOW)
    assert (pause.kind, pause.name, pause.until, pause.is_incident) == ("login", "", NOW + 600, False)
    assert harness.table.pauses(NOW + 601) == []


def test_a_refused_login_waits_for_a_person(harness: ConclusionHarness) -> None:
    harness.conclude(Pause("login", "401", is_incident=True))
    (pause,) = harness.table.pauses(NOW + 10**6)
    assert (pause.until, pause.is_incident) == (None, True)


def test_a_parked_call_is_shown_to_people_once(harness: ConclusionHarness) -> None:
    parked = Call("toolu_1", "Bash", "parked", {"command": "reboot"})
    run = harness.conclude(Park(DeferredCall("toolu_1", "Bash", parked.input)), calls=(parked,))
    assert (run.state, run.decision, run.tries) == ("parked", "run:1:toolu_1", 0)
    for _ in range(2):
        harness.conclusion.ask_people(run, RunOutput("deferred"), (parked,))
    with MessageHub(harness.ann.team, agent="user_comm") as people:
        (asked,) = people.queries.peek()
    assert (asked.message_id, asked.sender) == ("run:1:toolu_1", "agent-runner")
    assert "reboot" in asked.content


def test_a_run_that_died_in_a_call_is_left_to_people_who_are_asked_after_it_is_stored(
    harness: ConclusionHarness,
) -> None:
    run = harness.conclude(Unknown(CALL), calls=(CALL,))
    assert (run.state, run.decision) == ("unknown", "run:1:unknown:1")
    harness.conclusion.ask_people(run, RunOutput(), (CALL,))
    with MessageHub(harness.ann.team, agent="user_comm") as people:
        (asked,) = people.queries.peek()
    assert asked.metadata["options"] == ["run it again", "it is done", "give up"]
    assert harness.delivery == "leased"


@pytest.mark.parametrize(
    ("judged", "output", "calls"),
    [
        (Unknown(CALL), RunOutput(), (CALL,)),
        (Park(None), RunOutput("deferred", decision={"text": "Restart?", "options": ["yes", "no"]}), ()),
    ],
)
def test_if_all_deciders_are_agents_nobody_is_asked_and_the_run_fails(
    team: Team, join: Callable[..., MessageHub], judged: Judgement, output: RunOutput, calls: tuple[Call, ...]
) -> None:
    harness = ConclusionHarness(team, join, deciders=["gcp"])
    run = harness.conclusion.ask_people(harness.conclude(judged, output, calls), output, calls)
    assert run.state == "failed"
    assert "the deciders of the configuration are agents" in harness.answers()[0].content
    with MessageHub(harness.ann.team, agent="user_comm") as people:
        assert people.queries.peek() == []


def test_a_question_that_cannot_be_sent_ends_the_run(harness: ConclusionHarness) -> None:
    output = RunOutput("deferred", decision={"text": "Restart?", "options": ["yes" * 100_000, "no"]})
    run = harness.conclusion.ask_people(harness.conclude(Park(None), output), output, ())
    assert run.state == "failed"
    assert "people cannot be asked" in run.reason
    assert harness.delivery == "done"


def test_a_run_that_is_run_again_has_given_up_the_call_in_which_it_died(harness: ConclusionHarness) -> None:
    ledger = harness.write_calls(CALL)
    unknown = harness.conclude(Unknown(CALL), calls=(CALL,))
    assert ledger.calls() == [CALL]
    again = DecisionOfPeople(0, "run it again", "ann", "decided")
    assert harness.conclusion.decide(unknown, again, (CALL,)).state == "planned"
    assert ledger.calls() == []


def test_so_has_a_run_that_a_rule_runs_again(team: Team, join: Callable[..., MessageHub]) -> None:
    harness = ConclusionHarness(team, join, on_unknown="again")
    ledger = harness.write_calls(CALL)
    assert harness.conclude(Unknown(CALL), calls=(CALL,)).state == "planned"
    assert ledger.calls() == []


@pytest.mark.parametrize("fault", [Pause("agent", "no folder", is_incident=True), Pause("agent", "busy", NOW + 600)])
def test_a_fault_does_not_replace_the_pause_of_a_person(harness: ConclusionHarness, fault: Pause) -> None:
    harness.table.pause(AgentPause("agent", "gcp", "ann paused it", NOW))
    run = harness.conclude(fault)
    assert (run.state, run.reason) == ("planned", fault.reason)
    harness.table.end_incidents("agent")
    assert [pause.reason for pause in harness.table.pauses(NOW)] == ["ann paused it"]


def test_a_person_replaces_any_pause(harness: ConclusionHarness) -> None:
    harness.conclude(Pause("agent", "no folder", is_incident=True))
    for reason in ("ann paused it", "bob paused it"):
        assert not harness.table.pause(AgentPause("agent", "gcp", reason, NOW))
    assert [(pause.reason, pause.is_incident) for pause in harness.table.pauses(NOW)] == [("bob paused it", False)]


def test_a_limit_that_has_reset_already_still_pauses_for_a_minute(harness: ConclusionHarness) -> None:
    harness.conclude(Pause("login", "5-hour limit", NOW - 5))
    assert [pause.until for pause in harness.table.pauses(NOW)] == [NOW + 60]


def planned_without_lease(harness: ConclusionHarness) -> Run:
    """The run after an outage in which its lease has ended."""
    harness.gcp.maintenance.release_abandoned()
    harness.runner.execute("UPDATE deliveries SET state = 'ready', lease_token = NULL, lease_expires_at = NULL")
    return harness.table.update(harness.run, state="planned")


def test_a_message_that_a_session_has_answered_starts_nothing(harness: ConclusionHarness) -> None:
    run = planned_without_lease(harness)
    with MessageHub(harness.ann.team, agent="gcp") as session:
        session.reply(session.claim()[0], "It is full.")

    assert harness.conclusion.yield_to_session(run)

    assert [each.content for each in harness.answers()] == ["It is full."]
    found = harness.table.get(run.id)
    assert found is not None
    assert (found.state, found.reason, found.ended_at) == ("stopped", "a session has ended its message", NOW)


def test_a_run_waits_while_a_session_has_its_message(harness: ConclusionHarness) -> None:
    run = planned_without_lease(harness)
    with MessageHub(harness.ann.team, agent="gcp") as session:
        session.claim()
        assert harness.conclusion.yield_to_session(run)
    found = harness.table.get(run.id)
    assert found is not None
    assert (found.state, found.reason, found.next_try_at) == ("planned", "a session has its message", NOW + 60)


def test_a_run_starts_with_its_own_lease_or_when_nobody_has_its_message(harness: ConclusionHarness) -> None:
    assert not harness.conclusion.yield_to_session(harness.run)
    assert not harness.conclusion.yield_to_session(planned_without_lease(harness))
