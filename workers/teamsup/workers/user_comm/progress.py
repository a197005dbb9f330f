"""Honest progress: what a person is told of an agent that they wait for, and when it is reminded or given up. Pure."""

from dataclasses import dataclass, replace
from datetime import datetime

from teamsup.hub import Agent
from teamsup.hub.messages import OFFLINE, ONLINE
from teamsup.hub.sections import UserCommSection
from teamsup.hub.wording import duration, printable

from .people import short

_LONGEST_NOTE = 200
_LONGEST_STATUS = 40
_RETIRED = "retired"


@dataclass(frozen=True)
class Standing:
    """How far an agent is with what it was asked."""

    agent: Agent
    number: int
    """Of the message that the agent has."""
    begun: datetime
    is_offered: bool = False
    is_read: bool = False
    is_over: bool = False
    """Its reader has ended it, without an answer."""
    is_reminded: bool = False
    report: str = ""
    """What it has told of it last by itself."""


@dataclass(frozen=True)
class Patience:
    """After how many seconds what is done."""

    unread: float
    remind: float
    give_up: float

    @classmethod
    def of(cls, section: UserCommSection, unread: float) -> "Patience":
        return cls(unread, section.remind_seconds, section.give_up_seconds)


@dataclass(frozen=True)
class Due:
    """What is to be done about it now."""

    sentence: str
    """How it stands; told where the person was told something else."""
    remind: bool = False
    give_up: bool = False


def due(standing: Standing, patience: Patience, now: datetime) -> Due:
    """An agent that has not read cannot be reminded, and is not given up: the message waits for it."""
    age = (now - standing.begun).total_seconds()
    if standing.is_read or standing.is_over:
        if age >= patience.give_up:
            return Due(_given_up(standing, patience), give_up=True)
        remind = age >= patience.remind and not standing.is_reminded and standing.agent.kind != _RETIRED
        reminded = standing.is_reminded or remind
        return Due(_of_reader(standing, now, reminded=reminded), remind=remind)
    return Due(_of_unread(standing, age, patience, now))


def retired(name: str) -> Agent:
    """Stands for one that the team has forgotten."""
    return Agent(name, _RETIRED, OFFLINE, None, {}, 0)


def without_note(agent: Agent, now: datetime) -> Agent:
    """The same agent without its own words for what it does, which may change at any moment."""
    return replace(agent, metadata={}, status=ONLINE if agent.is_present(now) else agent.status)


def absence(agent: Agent, now: datetime) -> str:
    """That it is not here, and since when. The words stay the same as time goes by."""
    if agent.kind == _RETIRED:
        return f"{agent.name} is not in this team any more"
    if agent.last_heartbeat is None:
        return f"{agent.name} is offline, never here yet"
    how = "silent" if agent.status == ONLINE else _status(agent)
    return f"{agent.name} is {how} since {clock_time(agent.last_heartbeat, now)}"


def reported(name: str, report: str) -> str:
    """What an agent has told of it by itself."""
    return f"{name}: {short(printable(report), _LONGEST_NOTE)}"


def clock_time(moment: datetime, now: datetime) -> str:
    """As a clock of this machine shows it; with the day where that is another."""
    local = moment.astimezone()
    same_day = local.date() == now.astimezone().date()
    return local.strftime("%H:%M" if same_day else "%d %b %H:%M")


def _of_unread(standing: Standing, age: float, patience: Patience, now: datetime) -> str:
    agent = standing.agent
    if not agent.is_present(now):
        return f"{absence(agent, now)}; I keep your message."
    if age >= patience.unread:
        return f"{_here(agent)} and has not read this yet; I keep your message (#{standing.number})."
    if standing.is_offered:
        return f"{_here(agent)} and knows that your message waits."
    return f"{_here(agent)}; your message waits for it."


def _of_reader(standing: Standing, now: datetime, *, reminded: bool) -> str:
    agent = standing.agent
    again = "; I have reminded it" if reminded else ""
    if not agent.is_present(now):
        return f"{agent.name} has read it, but {absence(agent, now).removeprefix(agent.name + ' ')}{again}."
    if standing.report:
        return reported(agent.name, standing.report) + (f"{again}." if again else "")
    if standing.is_over:
        return f"{agent.name} has read it and gone on, so far without an answer{again}."
    note = _note(agent)
    if note or agent.status != ONLINE:
        return f"{agent.name} is working on it{': ' + note if note else ''}{again}."
    return f"{agent.name} has read it{again}."


def _given_up(standing: Standing, patience: Patience) -> str:
    waited = duration(patience.give_up)
    return f"{standing.agent.name} has read it, but not answered within {waited}. If it still does, you get the answer."


def _here(agent: Agent) -> str:
    note = _note(agent)
    return f"{agent.name} is {_status(agent)}" + (f" ({note})" if note else "")


def _status(agent: Agent) -> str:
    return short(printable(agent.status), _LONGEST_STATUS)


def _note(agent: Agent) -> str:
    """In one line, whatever an agent has made of it."""
    return short(printable(agent.note), _LONGEST_NOTE)
