"""The participants of a team as a page shows them: a state with its evidence, and figures. Pure.

Without recent evidence, a state is "not heard" or unknown, never healthy.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from teamsup.config.entries import Age, EntryAction, EntryState, Text
from teamsup.config.startable_agents import ASLEEP, RUN, StartableAgent, read_startable_agents
from teamsup.hub import Agent
from teamsup.hub.models import NOT_CONFIGURED, OFFLINE, PRESENCE_TIMEOUT_SECONDS, SUPERVISOR
from teamsup.status.crash import Crash
from teamsup.status.process_state import State
from teamsup.status.team_status import ParticipantStatus, TeamStatus

from ..rendering import Missing, format_bytes, format_money

Figure = str | Missing
WORKER_KINDS = ("daemon", "supervisor")
_CAUSES = {"message": "a message", "schedule": "the clock"}
WORKER_ACTIONS = ("start", "stop", "restart")
OLD_SECONDS = 60.0
"""The age in seconds from which an unread message is marked."""


@dataclass(frozen=True, slots=True)
class TeamMember:
    """One line of the team. Evidence older than ``limit_seconds`` does not prove the state."""

    name: str
    is_worker: bool
    state: EntryState
    evidence: Text
    limit_seconds: float | None
    is_well: bool
    unread: Figure
    oldest: datetime | None
    is_old: bool
    woken_by: Figure
    cpu: Figure
    memory: Figure
    restarts: Figure
    runs_today: Figure
    cost_today: Figure
    limit_key: str = ""
    """The key of teamsup.toml with the limit that an agent is at, such as "usd_per_day in [agent.lead]"; or empty."""
    actions: tuple[EntryAction, ...] = ()
    crashes: tuple[Crash, ...] = ()


def describe_participants(status: TeamStatus, now: datetime) -> list[TeamMember]:
    """Return the participants in the order of ``teamsup ps``."""
    startable = read_startable_agents(status.agents.values(), now)
    is_known = status.trouble is None
    return [_describe(row, status.agents.get(row.name), startable, now, is_known=is_known) for row in status.rows]


def count_words(participants: Sequence[TeamMember]) -> list[tuple[EntryState, int]]:
    """Return the number of participants in each state, the worst state first."""
    order = ("failed", "unknown", "silent", "degraded", "working", "paused", "well")
    counts: dict[EntryState, int] = {}
    for each in participants:
        counts[each.state] = counts.get(each.state, 0) + 1
    return sorted(counts.items(), key=lambda item: (order.index(item[0].shape), -item[1], item[0].word))


def is_answering(participant: TeamMember) -> bool:
    """Return whether a member's evidence shows that it takes part now."""
    return participant.state.shape in ("well", "working", "degraded")


def _describe(
    row: ParticipantStatus,
    agent: Agent | None,
    startable: Mapping[str, StartableAgent],
    now: datetime,
    *,
    is_known: bool,
) -> TeamMember:
    is_worker = row.kind in WORKER_KINDS
    start = startable.get(row.name)
    state, evidence, limit = _worker_state(row, now) if is_worker else _agent_state(row, agent, start, now)
    seconds = row.oldest_unread_seconds
    oldest = None if seconds is None else now - timedelta(seconds=seconds)
    has_process = is_worker and row.pid is not None
    return TeamMember(
        name=row.name,
        is_worker=is_worker,
        state=state,
        evidence=evidence,
        limit_seconds=limit,
        limit_key=start.limit if start is not None and start.obstacle else "",
        is_well=row.well and state.shape not in ("silent", "unknown", "failed"),
        unread=str(row.unread) if is_known else Missing.UNKNOWN,
        oldest=oldest,
        is_old=seconds is not None and seconds >= OLD_SECONDS,
        woken_by=_woken_by(row, agent, start, now),
        cpu=_figure(row.cpu_percent, lambda value: f"{value:.1f} %", applies=has_process),
        memory=_figure(row.memory_bytes, format_bytes, applies=has_process),
        restarts=_figure(row.restarts, str, applies=is_worker and row.name != SUPERVISOR),
        runs_today=_figure(start.runs_today if start else None, str, applies=start is not None),
        cost_today=_figure(start.usd_today if start else None, format_money, applies=start is not None),
        actions=_worker_actions(row) if is_worker else (),
        crashes=row.crashes,
    )


def _figure(value: float | None, show: Callable[[Any], str], *, applies: bool) -> Figure:
    if not applies:
        return Missing.NOT_APPLICABLE
    return Missing.UNKNOWN if value is None else show(value)


def _worker_state(row: ParticipantStatus, now: datetime) -> tuple[EntryState, Text, float | None]:
    """Return a worker's state, its evidence, and the seconds for which this evidence is valid."""
    note: Text = (row.note,) if row.note else ()
    seen_at = None if row.heartbeat_age_seconds is None else now - timedelta(seconds=row.heartbeat_age_seconds)
    match row.state:
        case State.RUNNING if seen_at is not None:
            more: Text = (f", {row.note}",) if row.note else ()
            return EntryState("well", "running"), ("heartbeat ", Age(seen_at), *more), PRESENCE_TIMEOUT_SECONDS
        case State.RUNNING:
            since: Text = (
                () if row.uptime_seconds is None else (Age(now - timedelta(seconds=row.uptime_seconds), "for"),)
            )
            return EntryState("well", "running"), (f"process {row.pid} ", *since), None
        case State.STARTING | State.STOPPING:
            return EntryState("working", row.state.lower()), note, None
        case State.STOPPED:
            return EntryState("paused", "stopped"), note, None
        case State.BACKOFF:
            return EntryState("failed", "failed"), _describe_backoff(row), None
        case State.EXITED:
            return EntryState("paused" if row.well else "failed", "ended"), note, None
        case State.FATAL:
            return EntryState("failed", "failed"), (*note, "; only a person can start it again"), None
        case "DEGRADED":
            return EntryState("degraded", "degraded"), (*note, *_since(row, now)), None
        case _ if row.state == NOT_CONFIGURED:
            return EntryState("paused" if row.well else "degraded", NOT_CONFIGURED), note, None
    if seen_at is not None and row.pid is not None:
        return (
            EntryState("silent", "not heard"),
            (Age(seen_at, "for"), *(() if row.is_silent else (f"; {row.note}",))),
            None,
        )
    return EntryState("unknown", "unknown"), note or (f"its state is {row.state!r}",), None


def _describe_backoff(row: ParticipantStatus) -> Text:
    last = row.crashes[-1] if row.crashes else None
    if last is None or last.next_try_at is None:
        return (row.note,)
    return (f"{last.reason}; next try ", Age(datetime.fromtimestamp(last.next_try_at, UTC), "in"))


def _since(row: ParticipantStatus, now: datetime) -> Text:
    if row.degraded_seconds is None:
        return ()
    return (", ", Age(now - timedelta(seconds=row.degraded_seconds), "for"))


def _agent_state(
    row: ParticipantStatus, agent: Agent | None, start: StartableAgent | None, now: datetime
) -> tuple[EntryState, Text, float | None]:
    """Return an agent's state, its evidence, and the seconds for which this evidence is valid."""
    note: Text = (f", {row.note}",) if row.note else ()
    if agent is None:
        return EntryState("unknown", "never here"), (row.note,), None
    seen_at = agent.last_heartbeat
    seen: Text = ("never here yet",) if seen_at is None else ("last seen ", Age(seen_at))
    if row.state == "DEGRADED":
        return EntryState("degraded", "degraded"), (row.note, *_since(row, now)), None
    if row.state == ASLEEP:
        return EntryState("paused", "asleep"), (row.note,), None
    if agent.is_present(now) and seen_at is not None:
        if RUN in agent.metadata:
            return EntryState("working", "working"), ("heard ", Age(seen_at), *note), PRESENCE_TIMEOUT_SECONDS
        return EntryState("well", "reads"), (Age(seen_at), *note), PRESENCE_TIMEOUT_SECONDS
    if start is not None and start.obstacle:
        until: Text = () if start.until is None else ("; goes on ", Age(datetime.fromtimestamp(start.until, UTC), "in"))
        return EntryState("paused", "paused"), (start.obstacle, *until), None
    if agent.status == OFFLINE or (seen_at is None and not agent.is_watched):
        return EntryState("paused", "offline"), (*seen, *note), None
    if seen_at is not None and seen_at > now:
        return EntryState("unknown", "unknown"), (row.note,), None
    if agent.is_watched and seen_at is not None:
        return EntryState("silent", "not heard"), (Age(seen_at, "for"), *note), None
    return EntryState("unknown", "unknown"), ("it sends no heartbeats; ", *seen, *note), None


def _woken_by(row: ParticipantStatus, agent: Agent | None, start: StartableAgent | None, now: datetime) -> Figure:
    if row.kind in WORKER_KINDS:
        return "a message" if row.pid is not None else Missing.NOT_APPLICABLE
    if agent is None:
        return Missing.UNKNOWN
    if agent.is_present(now) and row.state != ASLEEP:
        return "its run" if RUN in agent.metadata else "its session"
    if start is None:
        return "a new session"
    causes = [_CAUSES.get(cause, cause) for cause in start.starts_on]
    return "a person" if start.obstacle or not causes else " or ".join(causes)


def _worker_actions(row: ParticipantStatus) -> tuple[EntryAction, ...]:
    if row.kind == SUPERVISOR:
        return ()
    if row.pid is None and row.state not in (State.BACKOFF, State.STARTING):
        return (EntryAction("start", "Start"),)
    gone = "This page ends with it." if row.name == "web" else "Its messages wait until then."
    asks = f"{row.name} stops, and stays stopped until somebody starts it. {gone}"
    return EntryAction("restart", "Restart"), EntryAction("stop", "Stop…", asks_first=asks)
