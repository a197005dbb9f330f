"""What to do about a conversation of incidents of which nobody has taken care yet. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from teamsup.hub import DeliveryState

Step = Literal["new", "told", "rung", "people", "command"]
Fate = Literal["unread", "read", "gone"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """An agent that may be told."""

    name: str
    is_awake: bool
    was_told: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """How it stands. Times are Unix seconds."""

    step: Step
    since: float
    """When that step was taken."""
    agents: Sequence[Candidate] = ()
    """Who may be told, one after another."""
    agent: str | None = None
    """Who has it."""
    fate: Fate = "unread"
    """What became of the message that told that agent last."""
    is_acted: bool = False
    """Somebody has acknowledged, answered or reported since then. Reading alone is not acting."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How long each step is given."""

    act_seconds: float
    unread_seconds: float
    has_command: bool = False


@dataclass(frozen=True, slots=True)
class Wait:
    until: float


@dataclass(frozen=True, slots=True)
class Ring:
    """Tell the same agent again."""

    agent: str


@dataclass(frozen=True, slots=True)
class TellAgent:
    """Tell an agent."""

    agent: str


@dataclass(frozen=True, slots=True)
class TellPeople:
    """Tell people; and leave it with an agent for the time when that comes."""

    agent: str | None = None


@dataclass(frozen=True, slots=True)
class RunCommand:
    """Run the configured command."""


Next = Wait | Ring | TellAgent | TellPeople | RunCommand


def next_step(standing: Standing, policy: Policy, now: float) -> Next | None:
    """What to do now, or until when to wait; None: nothing more is to be done."""
    if standing.is_acted:
        return None
    match standing.step:
        case "new":
            return _hand_on(standing)
        case "told" | "rung":
            return _of_agent(standing, policy, now)
        case "people" if policy.has_command:
            due = standing.since + policy.act_seconds
            return Wait(due) if now < due else RunCommand()
        case _:
            return None


def _of_agent(standing: Standing, policy: Policy, now: float) -> Next:
    """While an agent has it. What is not even read is not waited for so long; and nobody is there to wait for when the
    agent has gone."""
    has_it = next((each for each in standing.agents if each.name == standing.agent), None)
    if has_it is None or not has_it.is_awake or standing.fate == "gone":
        return _hand_on(standing)
    patience = policy.act_seconds if standing.fate == "read" else min(policy.act_seconds, policy.unread_seconds)
    due = standing.since + patience
    if now < due:
        return Wait(due)
    return Ring(has_it.name) if standing.step == "told" else _hand_on(standing)


def _hand_on(standing: Standing) -> Next:
    """The next that is awake, else people at once."""
    others = [each for each in standing.agents if not each.was_told]
    for each in others:
        if each.is_awake:
            return TellAgent(each.name)
    return TellPeople(others[0].name if others and standing.step == "new" else None)


def fate(states: Sequence[DeliveryState], agent: str) -> Fate:
    """What became of a message for an agent; no such delivery: it is gone."""
    for state in states:
        if state.recipient == agent:
            if state.undeliverable or state.state in ("dead", "expired", "cancelled"):
                return "gone"
            return "unread" if state.read_at is None else "read"
    return "gone"
