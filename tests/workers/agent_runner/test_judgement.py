"""What is next for a run whose process has ended, by its last result line and its ledger of calls."""

import pytest

from teamsup.workers.agent_runner.judgement import (
    Finish,
    Judgement,
    Park,
    Pause,
    Resume,
    StartAgain,
    Unknown,
    judge,
)
from teamsup.workers.agent_runner.programs.program import Call, CallEvent, DeferredCall, Ending, RunOutput
from teamsup.workers.agent_runner.run import Cause, Run
from teamsup.workers.agent_runner.run_conclusion import judge_stopped


def call(event: CallEvent, name: str = "Bash") -> Call:
    return Call(f"{name}-{event}", name, event)


DEFERRED = DeferredCall("Bash-parked", "Bash", {"command": "reboot"})

TABLE: list[tuple[str, RunOutput, tuple[Call, ...], bool, Judgement]] = [
    (
        "it says that it is done",
        RunOutput("completed", "Well."),
        (call("done"),),
        False,
        Finish("done", answer="Well."),
    ),
    (
        "it says that it is done, although the ledger lacks the call",
        RunOutput("completed", "Well."),
        (call("began"),),
        False,
        Finish("done", answer="Well."),
    ),
    ("a call is deferred", RunOutput("deferred", deferred=DEFERRED), (call("parked"),), False, Park(DEFERRED)),
    ("it died behind a parked call", RunOutput(), (call("done"), call("parked")), False, Park(None)),
    (
        "it died in a call beside a parked one",
        RunOutput("deferred", deferred=DEFERRED),
        (call("parked"), call("began", "Edit")),
        False,
        Unknown(call("began", "Edit")),
    ),
    ("it died before it did anything", RunOutput(), (), False, StartAgain()),
    ("it died before it did anything but be denied", RunOutput(), (call("denied"),), False, StartAgain()),
    ("it died between calls", RunOutput(), (call("done"),), False, Resume()),
    (
        "it died between calls, and has answered",
        RunOutput(),
        (call("done"),),
        True,
        Finish("done", "it died after it had answered"),
    ),
    ("it died in a call", RunOutput(), (call("done"), call("began")), False, Unknown(call("began"))),
    ("it died in a call, and has answered", RunOutput(), (call("began"),), True, Unknown(call("began"))),
    (
        "an error came in the middle of a call",
        RunOutput("retry_later", detail="529"),
        (call("began"),),
        False,
        Unknown(call("began")),
    ),
    (
        "its limit is used up",
        RunOutput("limit", detail="5-hour limit", resets_at=99.0),
        (),
        False,
        Pause("login", "5-hour limit", 99.0),
    ),
    ("the login is refused", RunOutput("login", detail="401"), (), False, Pause("login", "401", is_incident=True)),
    ("there is no credit", RunOutput("billing", detail="400"), (), False, Pause("login", "400", is_incident=True)),
    (
        "the model is unknown",
        RunOutput("configuration", detail="404"),
        (),
        False,
        Pause("agent", "404", is_incident=True),
    ),
    ("the server is busy", RunOutput("retry_later", detail="529"), (call("done"),), False, StartAgain("529")),
    ("its session cannot go on", RunOutput("session_lost"), (), False, StartAgain(in_new_session=True)),
    (
        "it took too many turns",
        RunOutput("max_turns", "So far.", "40 turns"),
        (call("done"),),
        False,
        Finish("failed", "40 turns", "So far."),
    ),
    ("it gave up", RunOutput("gave_up", detail="exit code 3"), (), False, Finish("failed", "exit code 3")),
]


@pytest.mark.parametrize(
    ("output", "calls", "has_answered", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_a_run_is_judged_by_its_result_and_its_ledger(
    output: RunOutput, calls: tuple[Call, ...], has_answered: bool, expected: Judgement
) -> None:
    assert judge(output, calls, is_alive=False, has_answered=has_answered) == expected


@pytest.mark.parametrize("ending", ["none", "completed", "limit"])
def test_a_living_process_is_not_judged(ending: Ending) -> None:
    """Also one that has said its result: it may still have something to end."""
    assert judge(RunOutput(ending), (), is_alive=True, has_answered=True) is None


STOPPED = Run(1, "gcp", Cause("message", "m"), "s", stop="ann stopped it")
LATE = Run(1, "gcp", Cause("message", "m"), "s", stop="it ran longer than 15 minutes")


@pytest.mark.parametrize(
    ("run", "judged", "expected"),
    [
        (STOPPED, Finish("done", answer="Well."), Finish("done", answer="Well.")),
        (STOPPED, StartAgain(), Finish("stopped", "ann stopped it")),
        (LATE, Resume(), Finish("failed", "it ran longer than 15 minutes")),
        (LATE, Park(DEFERRED), Finish("failed", "it ran longer than 15 minutes")),
        (
            STOPPED,
            Unknown(call("began")),
            Finish("stopped", "ann stopped it; the outcome of its last call is unknown: Bash()"),
        ),
    ],
)
def test_a_run_that_we_have_ended_is_over(run: Run, judged: Judgement, expected: Finish) -> None:
    assert judge_stopped(run, judged) == expected
