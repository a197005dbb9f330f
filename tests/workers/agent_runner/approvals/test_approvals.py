"""People are asked for a parked call, and only what a person allows becomes a permission."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from teamsup.config.people_protocol import UNKNOWN_DECIDERS
from teamsup.hub import Message, MessageHub, Team
from teamsup.hub.models import HUB_SENDER
from teamsup.workers.agent_runner.approvals.approvals import Approvals, parse_request_id, request_id
from teamsup.workers.agent_runner.approvals.request_text import render_request
from teamsup.workers.agent_runner.programs.call_ledger import CallLedger
from teamsup.workers.agent_runner.programs.program import DeferredCall
from teamsup.workers.agent_runner.run import Cause, Run
from teamsup.workers.agent_runner.sections import AgentSection

CALL = DeferredCall("toolu_1", "Bash", {"command": "systemctl restart shop", "timeout": 5000})
RUN = Run(7, "ops", Cause("person", "p1"), "s1")
AGENT = AgentSection(ask_people=("Bash",), decision_seconds=600)
DECIDED = {"decision": 34, "state": "decided", "answer": "allow", "chosen": 0, "by": "ann", "person": "console-ann"}


@pytest.fixture
def hub(team: Team) -> Iterator[MessageHub]:
    with MessageHub(team, agent="agent-runner") as hub:
        hub.register("daemon")
        hub.enroll("user_comm", "daemon")
        hub.enroll("console-ann", "console")
        hub.enroll("lead")
        yield hub


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "runs" / "7"
    folder.mkdir(parents=True)
    parked = {"id": CALL.id, "tool": CALL.tool, "event": "parked", "input": dict(CALL.input)}
    (folder / "calls.jsonl").write_text(json.dumps(parked) + "\n")
    return folder


def answer(metadata: dict[str, Any], content: str = "allow", sender: str = "user_comm") -> Message:
    return Message(
        id=9,
        message_id="m9",
        sender=sender,
        recipient="agent-runner",
        content=content,
        message_type="opinion_response",
        metadata=metadata,
        reply_to="run:7:toolu_1",
    )


def asked(hub: MessageHub) -> list[Message]:
    with MessageHub(hub.team, agent="user_comm") as reader:
        return [delivery.message for delivery in reader.claim(10)]


def test_people_see_the_exact_call_and_its_default_is_no(hub: MessageHub, folder: Path) -> None:
    agent = replace(AGENT, deciders=("ann", "lead", "discord:7"))
    approvals = Approvals(hub)
    first = approvals.ask(RUN, agent, CALL, folder)
    again = approvals.ask(RUN, agent, CALL, folder)
    assert first is not None
    assert again is not None
    assert first.message_id == again.message_id == "run:7:toolu_1"
    (message,) = asked(hub)
    assert message.sender == "agent-runner"
    assert message.content == (
        "May ops make this call of Bash?\n| command: systemctl restart shop\n| timeout: 5000\n"
        "A person started it, in run 7. It counts for this call alone."
    )
    assert message.metadata == {
        "options": ["allow", "deny"],
        "default": "deny",
        "default_denies": True,
        "deciders": ["ann", "discord:7"],
        "run": 7,
        "agent": "ops",
    }
    assert message.created_at is not None
    assert message.expires_at is not None
    assert (message.expires_at - message.created_at).total_seconds() == 600


def test_a_call_that_people_cannot_be_asked_about_is_denied_at_once(hub: MessageHub, folder: Path) -> None:
    approvals = Approvals(hub)
    long = replace(CALL, input={"command": "x" * 30_000})
    assert approvals.ask(RUN, AGENT, long, folder) is None
    assert CallLedger(folder).verdict_on("toolu_1") == "deny"
    for call, agent in (
        (replace(CALL, id="toolu_2"), replace(AGENT, deciders=("lead",))),
        (replace(CALL, id="toolu_3"), AGENT),
    ):
        if call.id == "toolu_3":
            hub.maintenance.retire("user_comm")
        assert approvals.ask(RUN, agent, call, folder) is None
        assert CallLedger(folder).verdict_on(call.id) == "deny"


def test_a_person_allows_and_the_gate_finds_the_verdict(hub: MessageHub, folder: Path) -> None:
    approvals = Approvals(hub)
    decided = approvals.accept(answer(DECIDED))
    assert decided is not None
    assert approvals.write(decided, folder)
    assert json.loads((folder / "verdicts" / "toolu_1.json").read_text()) == {
        "run": "7",
        "id": "toolu_1",
        "tool": "Bash",
        "input": dict(CALL.input),
        "verdict": "allow",
        "reason": "ann has allowed this call (#34).",
    }


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (answer({**DECIDED, "answer": "deny"}), "ann has denied this call (#34)."),
        (answer({**DECIDED, "state": "defaulted", "answer": "deny"}), "Nobody has decided in time"),
        (answer({**DECIDED, "state": "defaulted", "answer": "allow"}), "Nobody has decided in time"),
        (answer({"state": "expired"}, "too late"), "too late"),
        (answer({}, "deciders: 'x' is not known"), "is not known"),
        (answer({**DECIDED, "person": "lead", "by": "lead"}), "lead is not a person"),
        (answer({**DECIDED, "person": None}), "is not a person"),
        (answer(DECIDED, "dead", sender=HUB_SENDER), "could not be asked: dead"),
    ],
)
def test_only_a_persons_permission_allows(hub: MessageHub, message: Message, why: str) -> None:
    decided = Approvals(hub).accept(message)
    assert decided is not None
    assert decided.verdict == "deny"
    assert why in decided.reason


def test_a_message_that_is_not_an_answer_decides_nothing(hub: MessageHub) -> None:
    approvals = Approvals(hub)
    assert approvals.accept(answer({**DECIDED, UNKNOWN_DECIDERS: ["bob"]})) is None
    assert approvals.accept(answer(DECIDED, sender="lead")) is None
    assert approvals.accept(replace(answer(DECIDED), reply_to="m1")) is None
    assert approvals.accept(replace(answer(DECIDED), reply_to=None)) is None


def test_an_answer_about_another_call_writes_nothing(hub: MessageHub, folder: Path) -> None:
    approvals = Approvals(hub)
    decided = approvals.accept(replace(answer(DECIDED), reply_to="run:7:toolu_0"))
    assert decided is not None
    assert not approvals.write(decided, folder)
    assert not list(folder.glob("verdicts/*"))


def test_a_decision_dies_with_its_run(hub: MessageHub, folder: Path) -> None:
    approvals = Approvals(hub)
    approvals.withdraw(RUN)
    approvals.ask(RUN, AGENT, CALL, folder)
    run = replace(RUN, decision=request_id(7, CALL.id))
    approvals.withdraw(run)
    approvals.withdraw(run)
    assert [(message.message_type, message.reply_to) for message in asked(hub)] == [
        ("opinion_withdrawn", "run:7:toolu_1")
    ]


@pytest.mark.parametrize("message_id", ["", "run:", "run:7", "run:x:toolu_1", "run:7:", "m:7:toolu", "run:²:x"])
def test_other_ids_are_not_requests(message_id: str) -> None:
    assert parse_request_id(message_id) is None


def test_the_request_says_what_the_run_is_about() -> None:
    for cause, words in (
        (Cause("message", "m1", 12), "It works on #12, in run 7."),
        (Cause("message", "m1"), "It works on a message, in run 7."),
        (Cause("schedule", "2026"), "Its schedule started it, in run 7."),
    ):
        assert words in render_request(replace(RUN, cause=cause), CALL)


def test_a_decision_that_user_comm_never_ends_is_overdue(hub: MessageHub, folder: Path) -> None:
    approvals = Approvals(hub)
    assert not approvals.is_overdue(RUN, time.time() + 9999)
    approvals.ask(RUN, AGENT, CALL, folder)
    run = replace(RUN, decision=request_id(7, CALL.id))
    assert not approvals.is_overdue(run, time.time() + 600 + 300)
    assert approvals.is_overdue(run, time.time() + 600 + 700)
    assert not approvals.is_overdue(replace(run, decision="run:7:gone"), time.time() + 9999)
