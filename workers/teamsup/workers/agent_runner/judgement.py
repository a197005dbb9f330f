"""Decide the next action of a run from its output and its ledger of calls. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from .programs.program import WHOLE_PROGRAM, Call, DeferredCall, RunOutput


@dataclass(frozen=True, slots=True)
class Finish:
    """The run is over. ``answer`` is sent, unless the agent has already sent an answer."""

    state: Literal["done", "failed", "stopped"]
    reason: str = ""
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Park:
    """A call waits for people. ``call`` is None if the call is only in the ledger."""

    call: DeferredCall | None


@dataclass(frozen=True, slots=True)
class Resume:
    """The run was interrupted after a call had ended: continue in its session."""


@dataclass(frozen=True, slots=True)
class StartAgain:
    """The run has not done anything, so start it again. With a ``reason`` for the failure, wait before that."""

    reason: str = ""
    in_new_session: bool = False
    """Whether the run needs a new session, because its old session cannot continue."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Do not start runs until this time, or until a default time if it is None. After that the run continues."""

    scope: Literal["login", "agent"]
    reason: str
    until: float | None = None
    is_incident: bool = False
    """Whether only a person can help."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """The process died in this call, so the outcome of the call is unknown. Only people or the setting ``on_unknown``
    decide the next action.
    """

    call: Call


ELSEWHERE = Call(WHOLE_PROGRAM, "a process on another host, whose files are not here", "began")
"""The call with an unknown outcome of a run that was under way on another host."""

Judgement = Finish | Park | Resume | StartAgain | Pause | Unknown


def judge(output: RunOutput, calls: Sequence[Call], *, is_alive: bool, has_answered: bool) -> Judgement | None:
    """Return the next action, or None while the process lives.

    ``has_answered`` tells whether the agent itself has answered its cause in the hub. The output decides, never the
    exit code.
    """
    if is_alive:
        return None
    if output.ending == "completed":
        return Finish("done", answer=output.text)
    if (unfinished := next((call for call in calls if call.event == "began"), None)) is not None:
        # Check this even after an error, because an unfinished call may have taken effect.
        return Unknown(unfinished)
    is_parked = any(call.event == "parked" for call in calls)
    if output.ending == "deferred" or (output.ending == "none" and is_parked):
        return Park(output.deferred)
    if output.ending == "none":
        return _judge_death(calls, has_answered=has_answered)
    return _judge_error(output)


def _judge_death(calls: Sequence[Call], *, has_answered: bool) -> Judgement:
    if has_answered:
        return Finish("done", "it died after it had answered")
    return Resume() if any(call.event == "done" for call in calls) else StartAgain()


def _judge_error(output: RunOutput) -> Judgement:
    match output.ending:
        case "limit":
            return Pause("login", output.detail or "its limit is used up", output.resets_at)
        case "login" | "billing":
            return Pause("login", output.detail or "its login does not work", is_incident=True)
        case "configuration":
            return Pause("agent", output.detail or "its configuration is wrong", is_incident=True)
        case "retry_later":
            return StartAgain(output.detail or "its server did not answer")
        case "session_lost":
            return StartAgain(in_new_session=True)
        case "max_turns" | "max_usd":
            limit = "max_turns" if output.ending == "max_turns" else "max_usd"
            return Finish("failed", output.detail or f"it has reached its limit, {limit}", output.text)
        case "gave_up":
            return Finish("failed", output.detail or "it gave up", output.text)
        case _:
            return Finish("failed", output.detail or "it failed", output.text)
