"""What is stored of a judgement: the row, the message and the answer, all of it or nothing."""

import json
import logging
from collections.abc import Callable

import pytest

from teamsup.config.loader import Config
from teamsup.config.people_protocol import DECISION_REQUEST
from teamsup.hub import Message, MessageHub, Team
from teamsup.workers.agent_runner.approvals.decision_requests import DecisionOfPeople
from teamsup.workers.agent_runner.judgement import Finish, Judgement, Park, Pause, Resume, StartAgain, Unknown
from teamsup.workers.agent_runner.processes.agent_settings import AgentSettings
from teamsup.workers.agent_runner.processes.run_process import run_folder
from teamsup.workers.agent_runner.programs.call_ledger import CallLedger
from teamsup.workers.agent_runner.programs.program import Call, DeferredCall, RunOutput
from teamsup.workers.agent_runner.run import Cause, Run
from teamsup.workers.agent_runner.run_conclusion import MAX_TRIES, RunConclusion
from teamsup.workers.agent_runner.run_table import AgentPause, RunTable

NOW = 1_800_000_000.0
CALL = Call("toolu_1", "Bash", "began", {"command": "reboot"})


class Desk:
    """A started run of ``gcp`` for a message of ``ann``, and the conclusion that acts on it."""

    def __init__(self, team: Team, ann: MessageHub, **section: object) -> None:
        self.ann = ann
        self.runner = MessageHub(team, agent="agent-runner")
        self.runner.enroll("user_comm", "daemon")
        self.gcp = MessageHub(team, agent="gcp")
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

    def close(self) -> None:
        self.runner.close()
        self.gcp.close()


@pytest.fixture
def desk(team: Team, join: Callable[..., MessageHub]) -> Desk:
    return Desk(team, join("ann"))


def test_a_run_that_is_done_answers_and_ends_its_message(desk: Desk) -> None:
    output = RunOutput("completed", "Well.", turns=3, tokens_in=10, tokens_out=5, usd=0.5, tools=("Bash",))
    run = desk.conclude(Finish("done", answer="Well."), output)

    assert [(each.sender, each.content, each.conversation_id) for each in desk.answers()] == [("gcp", "Well.", "c")]
    assert desk.delivery == "done"
    assert (run.state, run.answer, run.turns, run.usd, run.tools) == ("done", "Well.", 3, 0.5, ("Bash",))
    assert (run.ended_at, run.pid, run.lease_token) == (NOW, 0, "")


def test_an_agent_that_has_answered_itself_is_not_answered_for(desk: Desk) -> None:
    desk.gcp.answer(desk.message, "I did it.")
    desk.conclude(Finish("done", answer="I have answered."))
    assert [each.content for each in desk.answers()] == ["I did it."]


def test_a_report_on_the_way_is_not_an_answer(desk: Desk) -> None:
    desk.gcp.answer(desk.message, "I look at it.", message_type="status_report")
    desk.conclude(Finish("done", answer="It is full."))
    assert [each.content for each in desk.answers()] == ["I look at it.", "It is full."]


def test_a_question_to_the_sender_is_not_an_answer(desk: Desk) -> None:
    desk.gcp.answer(desk.message, "Which disk?", message_type=DECISION_REQUEST, metadata={"options": ["a", "b"]})
    desk.conclude(Finish("done", answer="Both are full."))
    assert [each.content for each in desk.answers()] == ["Which disk?", "Both are full."]


def test_a_reply_to_somebody_else_is_not_an_answer(desk: Desk) -> None:
    desk.gcp.send("user_comm", "Ann asks about the disk.", reply_to=desk.message.message_id)
    desk.conclude(Finish("done", answer="It is full."))
    assert [(each.recipient, each.content) for each in desk.answers()][1:] == [("ann", "It is full.")]


def test_a_failure_is_reported_with_what_there_is(desk: Desk) -> None:
    run = desk.conclude(Finish("failed", "40 turns", "So far it is full."))
    assert [(each.message_type, each.content) for each in desk.answers()] == [
        ("error", "gcp did not finish: 40 turns.\n\nSo far it is full.")
    ]
    assert run.state == "failed"


def test_a_claim_that_was_lost_does_not_keep_the_run_from_its_end(desk: Desk) -> None:
    desk.gcp.maintenance.release_abandoned()
    desk.gcp.wait(0)
    run = desk.conclude(Finish("done", answer="Well."))
    assert run.state == "done"
    assert [each.content for each in desk.answers()] == ["Well."]


def test_only_the_cost_of_the_run_itself_is_booked(desk: Desk) -> None:
    desk.run = desk.table.update(desk.run, session_usd_before=2.0)
    assert desk.conclude(Finish("done"), RunOutput("completed", usd=2.25)).usd == 0.25


def test_a_session_that_cannot_go_on_gets_a_new_one_and_keeps_its_cost(desk: Desk) -> None:
    before = desk.run.session_id
    run = desk.conclude(StartAgain(in_new_session=True), RunOutput("session_lost", usd=0.5))
    assert run.state == "planned"
    assert run.session_id != before
    desk.run = run
    assert desk.conclude(Finish("done"), RunOutput("completed", usd=0.25)).usd == 0.75


def test_what_passes_is_tried_again_each_time_later_and_given_up_in_the_end(desk: Desk) -> None:
    waits = []
    for tries in range(1, MAX_TRIES):
        desk.run = desk.table.update(desk.run, tries=tries)
        run = desk.conclude(StartAgain("529"))
        assert run.state == "planned"
        assert run.next_try_at is not None
        waits.append(run.next_try_at - NOW)
    assert waits == [10, 20, 40, 80]

    desk.run = desk.table.update(desk.run, tries=MAX_TRIES)
    assert desk.conclude(StartAgain("529")).reason == "529; it was tried 5 times"
    assert desk.answers()[0].message_type == "error"


@pytest.mark.parametrize("judged", [StartAgain(), Resume((Call("toolu_1", "Bash", "done"),))])
def test_what_died_between_two_steps_goes_on_at_once(desk: Desk, judged: Judgement) -> None:
    run = desk.conclude(judged)
    assert (run.state, run.next_try_at) == ("planned", None)
    assert desk.delivery == "leased"


def test_a_limit_pauses_the_login_until_it_resets_and_does_not_count_as_a_try(desk: Desk) -> None:
    run = desk.conclude(Pause("login", "5-hour limit", NOW + 600))
    assert (run.state, run.reason, run.tries, desk.delivery) == ("planned", "5-hour limit", 0, "leased")
    (pause,) = desk.table.pauses(NOW)
    assert (pause.kind, pause.name, pause.until, pause.is_incident) == ("login", "", NOW + 600, False)
    assert desk.table.pauses(NOW + 601) == []


def test_a_refused_login_waits_for_a_person(desk: Desk) -> None:
    desk.conclude(Pause("login", "401", is_incident=True))
    (pause,) = desk.table.pauses(NOW + 10**6)
    assert (pause.until, pause.is_incident) == (None, True)


def test_a_parked_call_is_shown_to_people_once(desk: Desk) -> None:
    parked = Call("toolu_1", "Bash", "parked", {"command": "reboot"})
    run = desk.conclude(Park(DeferredCall("toolu_1", "Bash", parked.input)), calls=(parked,))
    assert (run.state, run.decision, run.tries) == ("parked", "run:1:toolu_1", 0)
    for _ in range(2):
        desk.conclusion.ask_people(run, RunOutput("deferred"), (parked,))
    with MessageHub(desk.ann.team, agent="user_comm") as people:
        (asked,) = people.queries.peek()
    assert (asked.message_id, asked.sender) == ("run:1:toolu_1", "agent-runner")
    assert "reboot" in asked.content


def test_a_run_that_died_in_a_call_is_left_to_people_who_are_asked_after_it_is_stored(desk: Desk) -> None:
    run = desk.conclude(Unknown(CALL), calls=(CALL,))
    assert (run.state, run.decision) == ("unknown", "run:1:unknown:1")
    desk.conclusion.ask_people(run, RunOutput(), (CALL,))
    with MessageHub(desk.ann.team, agent="user_comm") as people:
        (asked,) = people.queries.peek()
    assert asked.metadata["options"] == ["run it again", "it is done", "give up"]
    assert desk.delivery == "leased"


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
    desk = Desk(team, join("ann"), deciders=["gcp"])
    run = desk.conclusion.ask_people(desk.conclude(judged, output, calls), output, calls)
    assert run.state == "failed"
    assert "the deciders of the configuration are agents" in desk.answers()[0].content
    with MessageHub(desk.ann.team, agent="user_comm") as people:
        assert people.queries.peek() == []


def test_a_question_that_cannot_be_sent_ends_the_run(desk: Desk) -> None:
    output = RunOutput("deferred", decision={"text": "Restart?", "options": ["yes" * 100_000, "no"]})
    run = desk.conclusion.ask_people(desk.conclude(Park(None), output), output, ())
    assert run.state == "failed"
    assert "people cannot be asked" in run.reason
    assert desk.delivery == "done"


def test_a_run_that_is_run_again_has_given_up_the_call_in_which_it_died(desk: Desk) -> None:
    ledger = desk.write_calls(CALL)
    unknown = desk.conclude(Unknown(CALL), calls=(CALL,))
    assert ledger.calls() == [CALL]
    again = DecisionOfPeople(0, "run it again", "ann", "decided")
    assert desk.conclusion.decide(unknown, again, (CALL,)).state == "planned"
    assert ledger.calls() == []


def test_so_has_a_run_that_a_rule_runs_again(team: Team, join: Callable[..., MessageHub]) -> None:
    desk = Desk(team, join("ann"), on_unknown="again")
    ledger = desk.write_calls(CALL)
    assert desk.conclude(Unknown(CALL), calls=(CALL,)).state == "planned"
    assert ledger.calls() == []


@pytest.mark.parametrize("fault", [Pause("agent", "no folder", is_incident=True), Pause("agent", "busy", NOW + 600)])
def test_a_fault_does_not_replace_the_pause_of_a_person(desk: Desk, fault: Pause) -> None:
    desk.table.pause(AgentPause("agent", "gcp", "ann paused it", NOW))
    run = desk.conclude(fault)
    assert (run.state, run.reason) == ("planned", fault.reason)
    desk.table.end_incidents("agent")
    assert [pause.reason for pause in desk.table.pauses(NOW)] == ["ann paused it"]


def test_a_person_replaces_any_pause(desk: Desk) -> None:
    desk.conclude(Pause("agent", "no folder", is_incident=True))
    for reason in ("ann paused it", "bob paused it"):
        assert not desk.table.pause(AgentPause("agent", "gcp", reason, NOW))
    assert [(pause.reason, pause.is_incident) for pause in desk.table.pauses(NOW)] == [("bob paused it", False)]


def test_a_limit_that_has_reset_already_still_pauses_for_a_minute(desk: Desk) -> None:
    desk.conclude(Pause("login", "5-hour limit", NOW - 5))
    assert [pause.until for pause in desk.table.pauses(NOW)] == [NOW + 60]


def planned_without_lease(desk: Desk) -> Run:
    """The run after an outage in which its lease has ended."""
    desk.gcp.maintenance.release_abandoned()
    desk.runner.execute("UPDATE deliveries SET state = 'ready', lease_token = NULL, lease_expires_at = NULL")
    return desk.table.update(desk.run, state="planned")


def test_a_message_that_a_session_has_answered_starts_nothing(desk: Desk) -> None:
    run = planned_without_lease(desk)
    with MessageHub(desk.ann.team, agent="gcp") as session:
        session.reply(session.claim()[0], "It is full.")

    assert desk.conclusion.yield_to_session(run)

    assert [each.content for each in desk.answers()] == ["It is full."]
    found = desk.table.get(run.id)
    assert found is not None
    assert (found.state, found.reason, found.ended_at) == ("stopped", "a session has ended its message", NOW)


def test_a_run_waits_while_a_session_has_its_message(desk: Desk) -> None:
    run = planned_without_lease(desk)
    with MessageHub(desk.ann.team, agent="gcp") as session:
        session.claim()
        assert desk.conclusion.yield_to_session(run)
    found = desk.table.get(run.id)
    assert found is not None
    assert (found.state, found.reason, found.next_try_at) == ("planned", "a session has its message", NOW + 60)


def test_a_run_starts_with_its_own_lease_or_when_nobody_has_its_message(desk: Desk) -> None:
    assert not desk.conclusion.yield_to_session(desk.run)
    assert not desk.conclusion.yield_to_session(planned_without_lease(desk))
