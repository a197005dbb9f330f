"""Questions to people about a run, and the meaning of their answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from teamsup.config.people_protocol import DECISION_REQUEST, MAX_OPTIONS, USER_COMM
from teamsup.hub import CallerError, Message, MessageHub, UnknownMessage

from ..programs.program import Call
from ..prompt import describe_call
from ..run import Run
from ..sections import AgentSection
from .approvals import people_among

UNKNOWN_OPTIONS = ("run it again", "it is done", "give up")
_MAX_INPUT_CHARACTERS = 3000


@dataclass(frozen=True, slots=True)
class DecisionOfPeople:
    """The decision of people. ``chosen`` is None if no option was chosen."""

    chosen: int | None
    answer: str
    by: str
    state: str

    @property
    def is_decided(self) -> bool:
        return self.state in ("decided", "defaulted")


def read_decision(message: Message) -> DecisionOfPeople:
    """Return the decision of people that user_comm reports."""
    said = message.metadata
    chosen = said.get("chosen")
    return DecisionOfPeople(
        chosen if isinstance(chosen, int) and not isinstance(chosen, bool) else None,
        str(said.get("answer") or ""),
        str(said.get("by") or "nobody"),
        str(said.get("state") or "undeliverable"),
    )


def request_id_of_unknown(run: Run) -> str:
    """Return the message_id of the question about a run that died in a call."""
    return f"run:{run.id}:unknown:{run.starts}"


def request_id_of_program(run: Run) -> str:
    """Return the message_id of a program's own question to people."""
    return f"run:{run.id}:asks:{run.starts}"


def ask_about_unknown(hub: MessageHub, run: Run, agent: AgentSection, call: Call) -> str:
    """Ask people how to continue with a run that died in a call. Return why they cannot be asked, else an empty
    text."""
    text = (
        f"Run {run.id} of {run.agent} died in a call, and nobody knows whether it took effect: {describe_call(call)}"
        "\nLook before you choose. What should happen to it?"
    )
    return _ask(hub, run, agent, request_id_of_unknown(run), text, UNKNOWN_OPTIONS)


def ask_for_program(hub: MessageHub, run: Run, agent: AgentSection, asked: Mapping[str, Any]) -> str:
    """Ask people the program's own question. Return why they cannot be asked, else an empty text."""
    options = asked.get("options")
    listed: Sequence[str] = [str(each) for each in options][:MAX_OPTIONS] if isinstance(options, list) else ()
    text = str(asked.get("text") or "What is your decision?")[:_MAX_INPUT_CHARACTERS]
    default = str(asked["default"]) if asked.get("default") in listed else None
    return _ask(
        hub,
        run,
        agent,
        request_id_of_program(run),
        f"{run.agent} wants to know, in run {run.id}: {text}",
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
) -> str:
    """Ask only once, even if this is called again. Return why people cannot be asked, else an empty text."""
    metadata: dict[str, Any] = {"options": list(options), "run": run.id}
    if default is not None:
        metadata |= {"default": default, "default_denies": default == "deny"}
    if agent.deciders:
        # An empty list would mean all people.
        metadata["deciders"] = people_among(hub, agent.deciders)
        if not metadata["deciders"]:
            return "no person may decide: the deciders of the configuration are agents"
    hub.enroll(USER_COMM, "daemon")
    reason = ""
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
        except CallerError as error:
            # The cause is gone, or people were asked before with other words. In the second case the first question
            # counts.
            reason = f"people cannot be asked: {str(error).rstrip('.')}"
        else:
            return ""
    return "" if _is_known(hub, message_id) else reason


def _is_known(hub: MessageHub, message_id: str) -> bool:
    try:
        hub.queries.message(message_id)
    except UnknownMessage:
        return False
    return True
