"""Decide the next escalation step for a group of incidents without an acknowledgement. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from teamsup.hub import DeliveryState

EscalationStep = Literal["new", "notified", "reminded", "paged", "command"]
NotificationOutcome = Literal["unread", "read", "gone"]
MAX_NOTIFY_DELAY_SECONDS = 300.0
"""The longest wait until an agent is notified of new incidents in a group."""


@dataclass(frozen=True, slots=True)
class AgentCandidate:
    """An agent that may be notified."""

    name: str
    is_present: bool
    was_notified: bool = False


@dataclass(frozen=True, slots=True)
class EscalationState:
    """The state of an escalation. Times are Unix seconds."""

    step: EscalationStep
    since: float
    """The time of that step."""
    candidates: Sequence[AgentCandidate] = ()
    """The agents that may be notified, one after another."""
    agent: str | None = None
    """The agent that has the incident."""
    outcome: NotificationOutcome = "unread"
    """The state of that agent's last notification."""
    ping_at: float | None = None
    """The next time when a person can be pinged, if the last page could not ping a person."""
    has_response: bool = False
    """Whether an agent or a person has acknowledged, answered or reported since then. Reading alone does not count."""


@dataclass(frozen=True, slots=True)
class EscalationPolicy:
    """The time limit of each step."""

    ack_timeout_seconds: float
    unread_seconds: float
    has_command: bool = False


@dataclass(frozen=True, slots=True)
class WaitUntil:
    until: float


@dataclass(frozen=True, slots=True)
class RemindAgent:
    """Notify the same agent again."""

    agent: str


@dataclass(frozen=True, slots=True)
class NotifyAgent:
    """Notify an agent."""

    agent: str


@dataclass(frozen=True, slots=True)
class PagePeople:
    """Notify people, and leave a message for the first agent that returns."""

    agent: str | None = None


@dataclass(frozen=True, slots=True)
class PingPeople:
    """Page people again, because the last page could not ping a person."""


@dataclass(frozen=True, slots=True)
class RunCommand:
    """Run the configured command."""


NextStep = WaitUntil | RemindAgent | NotifyAgent | PagePeople | PingPeople | RunCommand


def next_step(state: EscalationState, policy: EscalationPolicy, now: float) -> NextStep | None:
    """Return the next step, or the time until which to wait. Return None if there is no further step."""
    if state.has_response:
        return None
    match state.step:
        case "new":
            return _hand_over(state)
        case "notified" | "reminded":
            return _step_with_assignee(state, policy, now)
        case "paged" | "command":
            return _step_after_page(state, policy, now)


def _step_after_page(state: EscalationState, policy: EscalationPolicy, now: float) -> NextStep | None:
    """Return the step after people were paged, while they have not responded."""
    if state.ping_at is not None and state.ping_at <= now:
        return PingPeople()
    due = state.since + policy.ack_timeout_seconds if state.step == "paged" and policy.has_command else None
    if due is not None and due <= now:
        return RunCommand()
    waits = [each for each in (due, state.ping_at) if each is not None]
    return WaitUntil(min(waits)) if waits else None


def _step_with_assignee(state: EscalationState, policy: EscalationPolicy, now: float) -> NextStep:
    """Return the step while an agent has the group. The wait is shorter for an unread message, and zero for an
    absent agent.
    """
    has_it = next((each for each in state.candidates if each.name == state.agent), None)
    if has_it is None or not has_it.is_present or state.outcome == "gone":
        return _hand_over(state)
    timeout = (
        policy.ack_timeout_seconds
        if state.outcome == "read"
        else min(policy.ack_timeout_seconds, policy.unread_seconds)
    )
    due = state.since + timeout
    if now < due:
        return WaitUntil(due)
    return RemindAgent(has_it.name) if state.step == "notified" else _hand_over(state)


def _hand_over(state: EscalationState) -> NextStep:
    """Return the step that notifies the next present agent. If no agent is present, page people at once."""
    others = [each for each in state.candidates if not each.was_notified]
    for each in others:
        if each.is_present:
            return NotifyAgent(each.name)
    return PagePeople(others[0].name if others and state.step == "new" else None)


def outcome_for(states: Sequence[DeliveryState], agent: str) -> NotificationOutcome:
    """Return the state of the message to an agent. If the delivery was removed, the message counts as gone."""
    for state in states:
        if state.recipient == agent:
            if state.undeliverable or state.state in ("dead", "expired", "cancelled"):
                return "gone"
            return "unread" if state.read_at is None else "read"
    return "gone"
