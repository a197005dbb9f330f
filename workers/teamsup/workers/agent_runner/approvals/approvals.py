"""Ask people about a parked call, turn their decision into a verdict, and withdraw requests that need no decision.

The runner itself sends and receives these messages, so an agent cannot change them. Only a person can allow a call.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from teamsup.config.people_protocol import DECISION_REQUEST, DECISION_WITHDRAWAL, UNKNOWN_DECIDERS, USER_COMM
from teamsup.hub import CallerError, Message, MessageHub
from teamsup.hub.errors import UnknownMessage
from teamsup.hub.models import HUB_SENDER
from teamsup.terminal.tool_call import MAX_SHOWN_CHARACTERS, show_input

from ..programs.call_ledger import CallLedger, Verdict
from ..programs.program import Call, DeferredCall
from ..run import Run
from ..sections import AgentSection
from .request_text import render_request

OPTIONS = ("allow", "deny")
_ID_PREFIX = "run:"
_OVERDUE_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class CallVerdict:
    """The decision about a parked call."""

    run: int
    call_id: str
    verdict: Verdict
    reason: str
    """The reason for the agent: who has decided."""


def request_id(run: int, call_id: str) -> str:
    """Return the message_id of the question to people. It is the same for the same call, so that people are
    asked once.
    """
    return f"{_ID_PREFIX}{run}:{call_id}"


def parse_request_id(message_id: str) -> tuple[int, str] | None:
    """Return the run and the call for the message_id of a request."""
    run, separator, call_id = message_id.removeprefix(_ID_PREFIX).partition(":")
    is_ours = message_id.startswith(_ID_PREFIX) and separator and run.isascii() and run.isdecimal() and call_id
    return (int(run), call_id) if is_ours else None


def people_among(hub: MessageHub, deciders: Sequence[str]) -> list[str]:
    """Return the configured deciders that are not agents, because an agent never decides about a run."""
    known = {name: hub.find_agent(name) for name in deciders}
    return [name for name, agent in known.items() if agent is None or agent.kind == "console"]


class Approvals:
    """The approvals of all runs. Its methods block, and raise the hub's errors."""

    def __init__(self, hub: MessageHub) -> None:
        self._hub = hub

    def ask(self, run: Run, agent: AgentSection, call: DeferredCall, folder: Path) -> Message | None:
        """Ask people once about a parked call. If they cannot be asked, deny the call and return None.

        People must see the whole input before they decide.
        """
        if len(show_input(call.input)) > MAX_SHOWN_CHARACTERS:
            self.deny(run, call, folder, "It is too long to be shown to people, who would have to allow it.")
            return None
        deciders = people_among(self._hub, agent.deciders)
        if agent.deciders and not deciders:
            self.deny(run, call, folder, "No person may allow it: the deciders of the configuration are agents.")
            return None
        cause = run.cause
        try:
            return self._hub.send(
                USER_COMM,
                render_request(run, call),
                message_id=request_id(run.id, call.id),
                message_type=DECISION_REQUEST,
                priority="high",
                metadata={
                    "options": list(OPTIONS),
                    "default": "deny",
                    "default_denies": True,
                    **({"deciders": deciders} if deciders else {}),
                    "run": run.id,
                    "agent": run.agent,
                },
                expires_in=agent.decision_seconds,
                reply_to=cause.key if cause.kind == "message" and self._is_known(cause.key) else None,
            )
        except CallerError as error:
            self.deny(run, call, folder, f"People cannot be asked: {error}")
            return None

    def accept(self, answer: Message) -> CallVerdict | None:
        """Return the decision that this message reports, or None.

        Only user_comm decides which answer counts. Only a person's permission allows the call. A deadline, an error or
        an agent as decider denies it.
        """
        about = parse_request_id(answer.reply_to or "")
        if about is None or answer.sender not in (USER_COMM, HUB_SENDER):
            return None
        run, call_id = about
        if answer.sender == HUB_SENDER:
            return CallVerdict(run, call_id, "deny", f"People could not be asked: {answer.content}")
        said = answer.metadata
        if said.get("state") == "open" or UNKNOWN_DECIDERS in said:
            return None
        if said.get("state") == "defaulted":
            return CallVerdict(run, call_id, "deny", "Nobody has decided in time, so this call is denied.")
        if said.get("state") != "decided":
            return CallVerdict(run, call_id, "deny", f"Nobody has allowed this call: {answer.content}")
        who, decision = str(said.get("by") or "somebody"), said.get("decision")
        if said.get("answer") != "allow":
            return CallVerdict(run, call_id, "deny", f"{who} has denied this call (#{decision}).")
        if not self._is_person(str(said.get("person") or "")):
            return CallVerdict(run, call_id, "deny", f"{who} is not a person, so nobody has allowed this call.")
        return CallVerdict(run, call_id, "allow", f"{who} has allowed this call (#{decision}).")

    def write(self, decided: CallVerdict, folder: Path) -> bool:
        """Write the verdict for the gate. Return whether the call was still waiting for a verdict."""
        ledger = CallLedger(folder)
        call = ledger.parked_call()
        if call is None or call.id != decided.call_id:
            return False
        ledger.write_verdict(decided.run, call, decided.verdict, decided.reason)
        return True

    def deny(self, run: Run, call: DeferredCall, folder: Path, reason: str) -> None:
        """Deny a call without a decision of people, for example if user_comm has not reported one by the deadline."""
        ledger = CallLedger(folder)
        ledger.write_verdict(run.id, Call(call.id, call.tool, "parked", call.input), "deny", reason)

    def is_overdue(self, run: Run, now: float) -> bool:
        """Return whether user_comm should have reported the outcome of the run's decision long ago."""
        if not run.decision or not self._is_known(run.decision):
            return False
        ends = self._hub.queries.message(run.decision).expires_at
        return ends is not None and now > ends.timestamp() + _OVERDUE_SECONDS

    def withdraw(self, run: Run) -> None:
        """Withdraw the decision that the run has asked for, because the run has ended."""
        if not run.decision or not self._is_known(run.decision) or self._hub.find_agent(USER_COMM) is None:
            return
        with self._hub.transaction():
            # Perhaps user_comm has not read the request yet, or reads it now.
            self._hub.cancel(run.decision, even_if_read=True)
            self._hub.send(
                USER_COMM,
                f"Run {run.id} has ended.",
                message_id=f"{run.decision}:withdrawn",
                message_type=DECISION_WITHDRAWAL,
                reply_to=run.decision,
            )

    def _is_known(self, message_id: str) -> bool:
        try:
            self._hub.queries.message(message_id)
        except UnknownMessage:
            return False
        return True

    def _is_person(self, name: str) -> bool:
        if name.startswith("discord:"):
            return True
        found = self._hub.find_agent(name) if name else None
        return name.startswith("console-") if found is None else found.kind == "console"
