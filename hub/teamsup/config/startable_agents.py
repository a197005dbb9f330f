"""Agents that do not need an open session, because a worker starts them. The worker lists them in its own heartbeat.

So the readers of ``agent_status`` know these agents without a table of the worker, and without a heartbeat for each
agent.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from teamsup.hub.models import NOT_CONFIGURED, Agent

if TYPE_CHECKING:
    from teamsup.hub import MessageHub

AGENT_RUNNER = "agent-runner"
"""The worker that starts agents."""

RUN = "run"
"""The key in the presence of an agent that a run has started: the number of the run. A live session does not have this
key.
"""

OWN_NOTE = "own_note"
"""The key in the presence of an agent with a run: the note that it has set. If the key is missing, the note is its
progress.
"""

STARTABLE = "startable"
"""The key in the presence of agent-runner: a mapping of names to results of StartableAgent.to_metadata."""

ASLEEP = "asleep"
"""The status of an absent agent that a message starts."""

USD_PER_DAY = "usd_per_day"
"""The key in the presence of agent-runner with the limit in dollars for all runs of 24 hours."""

OBSTACLE = "obstacle"
"""The metadata key of an absent agent that cannot be started now, with the text of ``describe_obstacle``."""

_PEOPLE_DECIDE = "waits until people decide"


@dataclass(frozen=True, slots=True)
class StartableAgent:
    """An agent that agent-runner can start, and why it does not start it now."""

    starts_on: tuple[str, ...] = ()
    """The causes that start it in addition to a person: "message", "schedule"."""
    obstacle: str = ""
    """The reason why it is not started now, for people; empty if it can be started."""
    until: float | None = None
    """The time when the obstacle ends, in Unix seconds; None if it is unknown."""
    running: int = 0
    """The number of runs that have a process now."""
    waiting_for_people: int = 0
    """The number of runs that wait for a decision of people."""
    runs_today: int = 0
    """The number of runs since midnight on this machine."""
    usd_today: float = 0.0
    next_tick: float | None = None
    """The next time when its schedule starts it, in Unix seconds."""
    limit: str = ""
    """The setting that a person may raise so that it starts, such as "usd_per_day in [agent.lead]"; empty if there is
    none.
    """

    @property
    def hears_messages(self) -> bool:
        """Return whether a message would start the agent now."""
        return "message" in self.starts_on and not self.obstacle

    def describe_obstacle(self) -> str:
        """Return a phrase for people: why it is not started now, and until when."""
        if self.until is None:
            return f"not started now: {self.obstacle}"
        # This is the form of terminal.formatting. That module imports this one, so this one cannot import it.
        return f"not started before {datetime.fromtimestamp(self.until, UTC):%Y-%m-%d %H:%M:%S} UTC: {self.obstacle}"

    def describe_now(self, note: str) -> str:
        """Return a phrase about its work or its wait, or an empty text. ``note`` is the note that it has set."""
        if self.obstacle:
            return self.describe_obstacle()
        if self.running:
            return note or "it runs"
        return _PEOPLE_DECIDE if self.waiting_for_people else ""

    def to_metadata(self) -> dict[str, Any]:
        """Return the values that differ from the defaults, as JSON."""
        return {key: value for key, value in asdict(self).items() if value != getattr(_NOTHING, key)}


_NOTHING = StartableAgent()


def read_startable_agents(agents: Iterable[Agent], now: datetime) -> Mapping[str, StartableAgent]:
    """Return the agents that can be started, by name. There are none while agent-runner is absent."""
    runner = next((agent for agent in agents if agent.name == AGENT_RUNNER and agent.is_present(now)), None)
    given = runner.metadata.get(STARTABLE) if runner is not None else None
    if not isinstance(given, Mapping):
        return {}
    return {str(name): _from_metadata(values) for name, values in given.items() if isinstance(values, Mapping)}


def is_followed(agent: Agent) -> bool:
    """Return whether agent-runner ends each message of this agent with an answer or a notice.

    A reminder would only start a further run.
    """
    return agent.status == ASLEEP or RUN in agent.metadata or OBSTACLE in agent.metadata


def read_cost_today(agents: Sequence[Agent], now: datetime) -> float | None:
    """Return the dollars that all started agents have cost since midnight, or None while agent-runner is absent."""
    runner = next((each for each in agents if each.name == AGENT_RUNNER), None)
    if runner is None or not runner.is_present(now):
        # A runner without configured agents ends as not configured. Then the cost is known to be 0.
        return 0.0 if runner is not None and runner.status == NOT_CONFIGURED else None
    return sum(each.usd_today for each in read_startable_agents(agents, now).values())


def read_cost_limit(agents: Iterable[Agent]) -> float | None:
    """Return the limit in dollars for all runs of 24 hours, or None if it is unknown."""
    runner = next((each for each in agents if each.name == AGENT_RUNNER), None)
    return None if runner is None else _number(runner.metadata.get(USD_PER_DAY))


def list_agents(hub: "MessageHub") -> list[Agent]:
    """Return all known agents, by name. If a message would start an absent agent, it counts as asleep."""
    return wake_startable(hub.agents())


def wake_startable(agents: Sequence[Agent]) -> list[Agent]:
    """Return all agents of a team. If a message would start an absent agent, it counts as asleep."""
    return _wake(agents, agents, datetime.now(UTC))


def find_agent(hub: "MessageHub", name: str) -> Agent | None:
    """Return the agent of this name, or None. If a message would start it, it counts as asleep."""
    found, now = hub.find_agent(name), datetime.now(UTC)
    if found is None or found.is_present(now) or (runner := hub.find_agent(AGENT_RUNNER)) is None:
        return found
    return _wake([found], [runner], now)[0]


def _wake(agents: Iterable[Agent], runners: Iterable[Agent], now: datetime) -> list[Agent]:
    """Return the agents, with agent-runner's notes about absent agents."""
    runners = list(runners)
    startable = read_startable_agents(runners, now)
    seen = next((agent.last_heartbeat for agent in runners if agent.name == AGENT_RUNNER), None)

    def wake(agent: Agent) -> Agent:
        start = startable.get(agent.name)
        return agent if start is None or agent.is_present(now) else _wake_one(agent, start, seen)

    return list(map(wake, agents))


def _wake_one(agent: Agent, start: StartableAgent, seen: datetime | None) -> Agent:
    if start.hears_messages:
        note = _PEOPLE_DECIDE if start.waiting_for_people else "a message starts it"
        return replace(agent, status=ASLEEP, last_heartbeat=seen, metadata={"note": note})
    if start.obstacle and "message" in start.starts_on:
        obstacle = start.describe_obstacle()
        return replace(agent, metadata={**agent.metadata, "note": obstacle, OBSTACLE: obstacle})
    return agent


def _from_metadata(values: Mapping[str, Any]) -> StartableAgent:
    """Parse metadata that a foreign program may have written. A value of another type counts as missing."""
    starts_on = values.get("starts_on")
    return StartableAgent(
        starts_on=tuple(map(str, starts_on)) if isinstance(starts_on, list | tuple) else (),
        obstacle=str(values.get("obstacle") or ""),
        until=_number(values.get("until")),
        limit=str(values.get("limit") or ""),
        running=int(_number(values.get("running")) or 0),
        waiting_for_people=int(_number(values.get("waiting_for_people")) or 0),
        runs_today=int(_number(values.get("runs_today")) or 0),
        usd_today=_number(values.get("usd_today")) or 0.0,
        next_tick=_number(values.get("next_tick")),
    )


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
