"""Decide when to show progress to a person, when to remind an agent, and when an answer times out. Pure."""

from dataclasses import dataclass, replace
from datetime import datetime

from teamsup.config.startable_agents import ASLEEP, OBSTACLE, is_followed
from teamsup.hub import Agent
from teamsup.hub.models import OFFLINE, ONLINE
from teamsup.terminal.formatting import format_clock, format_duration, sanitize

from ..people import shorten
from ..sections import UserCommSection

_MAX_NOTE = 200
_MAX_STATUS = 40
_RETIRED = "retired"
PROGRESS_METADATA = {"progress": True}
"""Metadata of user_comm's reports about a question. A later report supersedes an earlier report."""


@dataclass(frozen=True, slots=True)
class OpenRelay:
    """A forwarded question that its agent has not answered yet."""

    number: int
    """The number of the message that forwards the question."""
    message_id: str
    """The id of the message that forwards the question."""
    question: int
    agent: str
    waiting_since: datetime | None
    last_progress: str
    """The last progress that the person has seen."""
    is_reminded: bool
    state: str | None
    """The state of its delivery, or None if the delivery was removed."""
    is_offered: bool
    is_read: bool
    report: str
    """The agent's last report."""

    @property
    def is_lost(self) -> bool:
        """Return whether the agent will never get the question. The hub then notifies user_comm, which notifies the
        person.
        """
        return self.state in (None, "dead", "expired", "cancelled")


@dataclass(frozen=True)
class RequestStatus:
    """An agent's progress with a question."""

    agent: Agent
    relay: OpenRelay

    @property
    def is_completed(self) -> bool:
        """Return whether the agent has ended the message without an answer."""
        return self.relay.state == "done"


@dataclass(frozen=True)
class ProgressTimeouts:
    """Seconds until progress is shown, an agent is reminded, and an answer times out."""

    unread: float
    remind: float
    give_up: float

    @classmethod
    def from_section(cls, section: UserCommSection, unread: float) -> "ProgressTimeouts":
        return cls(unread, section.remind_seconds, section.answer_timeout_seconds)


@dataclass(frozen=True)
class NextAction:
    """The next action for an open question."""

    sentence: str
    """A sentence about the progress. The person gets it if it is new."""
    remind: bool = False
    give_up: bool = False


def decide_next_action(status: RequestStatus, timeouts: ProgressTimeouts, now: datetime) -> NextAction:
    """Return the due action. An agent that has not read the message is neither reminded nor timed out."""
    age = (now - (status.relay.waiting_since or now)).total_seconds()
    if status.relay.is_read or status.is_completed:
        if age >= timeouts.give_up:
            return NextAction(_describe_given_up(status, timeouts), give_up=True)
        can_remind = status.agent.kind != _RETIRED and not is_followed(status.agent)
        remind = age >= timeouts.remind and not status.relay.is_reminded and can_remind
        reminded = status.relay.is_reminded or remind
        return NextAction(_describe_read(status, now, reminded=reminded), remind=remind)
    return NextAction(_describe_unread(status, age, timeouts, now))


def retired_agent(name: str) -> Agent:
    """Return a placeholder for an agent that was removed from the team."""
    return Agent(name, _RETIRED, OFFLINE, None, {}, 0)


def without_note(agent: Agent, now: datetime) -> Agent:
    """Return the agent without its own note, which may change at any moment."""
    return replace(agent, metadata={}, status=ONLINE if agent.is_present(now) else agent.status)


def describe_absence(agent: Agent, now: datetime) -> str:
    """Return a sentence with the time since which the agent is absent. It stays the same while time passes."""
    if agent.kind == _RETIRED:
        return f"{agent.name} is not in this team any more"
    if obstacle := agent.metadata.get(OBSTACLE):
        return f"{agent.name} is {shorten(sanitize(str(obstacle)), _MAX_NOTE)}"
    if agent.last_heartbeat is None:
        return f"{agent.name} is offline, never here yet"
    how = "silent" if agent.status == ONLINE else _status_text(agent)
    return f"{agent.name} is {how} since {format_clock(agent.last_heartbeat, now)}"


def describe_report(name: str, report: str) -> str:
    """Return an agent's report as one line."""
    return f"{name}: {shorten(sanitize(report), _MAX_NOTE)}"


def _describe_unread(status: RequestStatus, age: float, timeouts: ProgressTimeouts, now: datetime) -> str:
    agent = status.agent
    if not agent.is_present(now):
        return f"{describe_absence(agent, now)}; I keep your message."
    if age >= timeouts.unread:
        return f"{_describe_present(agent)} and has not read this yet; I keep your message (#{status.relay.number})."
    if status.relay.is_offered:
        return f"{_describe_present(agent)} and knows about your message."
    return f"{_describe_present(agent)}; your message waits for it."


def _describe_read(status: RequestStatus, now: datetime, *, reminded: bool) -> str:
    agent = status.agent
    reminder = "; I have reminded it" if reminded else ""
    if not agent.is_present(now):
        return f"{agent.name} has read it, but {describe_absence(agent, now).removeprefix(agent.name + ' ')}{reminder}."
    if status.relay.report:
        return describe_report(agent.name, status.relay.report) + (f"{reminder}." if reminder else "")
    if status.is_completed:
        return f"{agent.name} has read it and continued, but has not answered so far{reminder}."
    note = _note_text(agent)
    if agent.status != ASLEEP and (note or agent.status != ONLINE):
        return f"{agent.name} is working on it{': ' + note if note else ''}{reminder}."
    return f"{agent.name} has read it{reminder}."


def _describe_given_up(status: RequestStatus, timeouts: ProgressTimeouts) -> str:
    waited = format_duration(timeouts.give_up)
    return f"{status.agent.name} has read it, but not answered within {waited}. If it still does, you get the answer."


def _describe_present(agent: Agent) -> str:
    note = _note_text(agent)
    return f"{agent.name} is {_status_text(agent)}" + (f" ({note})" if note else "")


def _status_text(agent: Agent) -> str:
    return shorten(sanitize(agent.status), _MAX_STATUS)


def _note_text(agent: Agent) -> str:
    """Return the agent's note in one short line."""
    return shorten(sanitize(agent.note), _MAX_NOTE)
