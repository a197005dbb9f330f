"""What people are asked about a run, and what their answer means."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from teamsup.config.people_protocol import DECISION_REQUEST, MAX_OPTIONS, USER_COMM
from teamsup.hub import CallerError, Message, MessageHub

from ..programs.program import Call
from ..prompt import describe_call
from ..run import Run
from ..sections import AgentSection
from .approvals import people_among

UNKNOWN_OPTIONS = ("run it again", "it is done", "give up")
_MAX_INPUT_CHARACTERS = 3000


@dataclass(frozen=True, slots=True)
class DecisionOfPeople:
    """What people have decided. ``chosen`` is None when nobody did."""

    chosen: int | None
    answer: str
    by: str
    state: str

    @property
    def is_decided(self) -> bool:
        return self.state in ("decided", "defaulted")


def read_decision(message: Message) -> DecisionOfPeople:
    """Return what user_comm says that people have decided."""
    said = message.metadata
    chosen = said.get("chosen")
    return DecisionOfPeople(
        chosen if isinstance(chosen, int) and not isinstance(chosen, bool) else None,
        str(said.get("answer") or ""),
        str(said.get("by") or "nobody"),
        str(said.get("state") or "undeliverable"),
    )


def request_id_of_unknown(run: Run) -> str:
    """Return the message_id with which people are asked about a run that died in a call."""
    return f"run:{run.id}:unknown:{run.starts}"


def request_id_of_program(run: Run) -> str:
    """Return the message_id with which people are asked what a program wants to know."""
    return f"run:{run.id}:asks:{run.starts}"


def ask_about_unknown(hub: MessageHub, run: Run, agent: AgentSection, call: Call) -> None:
    """Ask people what is to become of a run that died in a call."""
    text = (
        f"Run {run.id} of {run.agent} died in a call, and nobody knows whether it took effect: {describe_call(call)}"
        "\nLook before you choose. What is to become of it?"
    )
    _ask(hub, run, agent, request_id_of_unknown(run), text, UNKNOWN_OPTIONS)


def ask_for_program(hub: MessageHub, run: Run, agent: AgentSection, asked: Mapping[str, Any]) -> None:
    """Ask people what a program wants to know."""
    options = asked.get("options")
    listed: Sequence[str] = [str(each) for each in options][:MAX_OPTIONS] if isinstance(options, list) else ()
    text = str(asked.get("text") or "What is your decision?")[:_MAX_INPUT_CHARACTERS]
    default = str(asked["default"]) if asked.get("default") in listed else None
    _ask(
        hub,
        run,
        agent,
        request_id_of_program(run),
        f"{run.agent} asks (run {run.id}): {text}",
        listed,
        default=default,
        seconds=agent.decision_seconds,
    )


def _ask(
    hub: MessageHub,
    run: Run,
    agent: AgentSection,
    message_id: str,
    text: str,
    options: Sequence[str],
    *,
    default: str | None = None,
    seconds: float | None = None,
) -> None:
    """Ask once, however often this is called."""
    metadata: dict[str, Any] = {"options": list(options), "run": run.id}
    if default is not None:
        metadata |= {"default": default, "default_denies": default == "deny"}
    if agent.deciders:
        metadata["deciders"] = people_among(hub, agent.deciders)
    hub.enroll(USER_COMM, "daemon")
    for reply_to in (run.cause.key if run.cause.message_number is not None else None, None):
        try:
            hub.send(
                USER_COMM,
                text,
                message_type=DECISION_REQUEST,
                metadata=metadata,
                message_id=message_id,
                reply_to=reply_to,
                expires_in=seconds,
                priority="high",
            )
        except CallerError:
            # The cause is gone, or it was asked with other words before: the first question counts.
            if reply_to is None:
                break
        else:
            break
