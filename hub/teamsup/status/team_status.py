"""The status of every participant, from the supervisor's published state and from the hub."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from teamsup.config.startable_agents import wake_startable
from teamsup.hub import StoreError, StoreUnavailable
from teamsup.hub.engines.choice import describe_store, has_store
from teamsup.hub.models import DEGRADED, NOT_CONFIGURED, OFFLINE, PRESENCE_TIMEOUT_SECONDS, SUPERVISOR, Agent
from teamsup.hub.tables.snapshot import read_snapshot
from teamsup.hub.team import Team
from teamsup.terminal.formatting import format_duration

from .crash import Crash
from .degradation import (
    degradation_reason,
    is_from_process,
    is_optional,
    missing_configuration,
)
from .process_state import State, has_succeeded
from .process_stats import read_stats
from .state_file import TeamState, WorkerState, read_state
from .team_lock import describe_without_folder, owner_pid, owner_without_folder

if TYPE_CHECKING:
    from teamsup.hub import MessageHub

_DEGRADED = DEGRADED.upper()
UNKNOWN = "unknown"
"""The state of a worker or agent about which nothing is known at the moment."""
_SUPERVISOR_SECONDS = PRESENCE_TIMEOUT_SECONDS / 2
"""Seconds: three of its heartbeats. Without one for this time the team's state is unknown."""
_NO_HEARTBEAT = "no heartbeat for"
_HEALTHY_STATES = (State.STARTING, State.RUNNING, State.STOPPED)


@dataclass(frozen=True, slots=True)
class ParticipantStatus:
    """One participant. ``cpu_percent`` is the average of its life, of one core; None is unknown."""

    name: str
    kind: str
    state: str
    pid: int | None = None
    uptime_seconds: float | None = None
    restarts: int | None = None
    heartbeat_age_seconds: float | None = None
    cpu_percent: float | None = None
    memory_bytes: int | None = None
    unread: int = 0
    oldest_unread_seconds: float | None = None
    note: str = ""
    well: bool = True
    degraded_seconds: float | None = None
    """The time since which it is degraded; None: it is not, or the time is unknown."""
    crashes: tuple[Crash, ...] = ()

    @property
    def is_silent(self) -> bool:
        """Whether all that the note says is how old the last heartbeat is."""
        return self.state == UNKNOWN and self.note.startswith(_NO_HEARTBEAT)


@dataclass(frozen=True, slots=True)
class TeamStatus:
    """All participants. ``pid`` is the supervisor's, if it runs; ``trouble`` is why the hub could not be read."""

    rows: list[ParticipantStatus]
    agents: Mapping[str, Agent]
    pid: int | None
    trouble: StoreError | None
    is_published: bool = True
    """Whether the supervisor's state of its workers can be read; also True if no supervisor runs."""


def read_team_status(team: Team, hub: "MessageHub | None" = None) -> TeamStatus:
    """Read the status once, without making any file. ``hub`` is that of the team, if it is open."""
    agents: dict[str, Agent] = {}
    undeliverable: dict[str, int] = {}
    trouble: StoreError | None = None
    pid, waiting = owner_pid(team), owner_without_folder(team)
    try:
        if waiting is not None:
            pid = waiting
            raise StoreUnavailable(describe_without_folder(team, waiting))
        if has_store(team):
            snapshot = read_snapshot(team, hub)
            agents = {agent.name: agent for agent in wake_startable(snapshot.agents)}
            undeliverable = snapshot.undeliverable
        elif pid is not None:
            raise StoreError(f"{describe_store(team)} is gone.")
    except StoreError as error:
        trouble = error
    state = read_state(team)
    rows = _rows(_workers(state, pid), agents, undeliverable, trouble)
    if state is not None and state.trouble_since is not None and pid is not None:
        rows[0] = replace(rows[0], degraded_seconds=max(0.0, time.time() - state.trouble_since))
    return TeamStatus(rows, agents, pid, trouble, is_published=state is not None or pid is None)


def _workers(state: TeamState | None, pid: int | None) -> tuple[WorkerState, ...]:
    """Return the supervisor and its workers. The supervisor runs if it has a pid."""
    if pid is None:
        workers = () if state is None else (_supervisor_state(state), *state.workers)
        return tuple(replace(each, state=State.STOPPED, pid=None, started_at=None, reason="") for each in workers)
    if state is None:
        reason = "it runs, but its published state cannot be read"
        return (WorkerState(SUPERVISOR, UNKNOWN, pid, None, 0, reason, _SUPERVISOR_SECONDS, ()),)
    return (_supervisor_state(state), *state.workers)


def _supervisor_state(state: TeamState) -> WorkerState:
    shown = _DEGRADED if state.trouble else State.RUNNING
    return WorkerState(SUPERVISOR, shown, state.pid, state.started_at, 0, state.trouble, _SUPERVISOR_SECONDS, ())


def _rows(
    workers: Sequence[WorkerState],
    agents: Mapping[str, Agent],
    undeliverable: Mapping[str, int],
    trouble: StoreError | None,
) -> list[ParticipantStatus]:
    """Return the supervisor and its workers, then agents, then unknown names with waiting messages."""
    names = {worker.name for worker in workers}
    others = [agent for agent in agents.values() if agent.name not in names and agent.kind != "console"]
    return [
        *(_worker_row(worker, agents.get(worker.name), trouble) for worker in workers),
        *(_agent_row(agent) for agent in others),
        *(_undeliverable_row(name, count) for name, count in undeliverable.items()),
    ]


def _worker_row(worker: WorkerState, agent: Agent | None, trouble: StoreError | None) -> ParticipantStatus:
    now = datetime.now(UTC)
    usage = read_stats(worker.pid) if worker.pid is not None else None
    state, note, well = _condition(worker, agent, now, is_alive=usage is not None, trouble=trouble)
    return ParticipantStatus(
        name=worker.name,
        kind="supervisor" if worker.name == SUPERVISOR else "daemon",
        state=state,
        pid=worker.pid,
        uptime_seconds=None if worker.started_at is None else max(0.0, time.time() - worker.started_at),
        restarts=worker.restarts,
        heartbeat_age_seconds=_age(agent.last_heartbeat if agent else None, now) if worker.pid is not None else None,
        cpu_percent=usage.cpu_percent if usage else None,
        memory_bytes=usage.memory_bytes if usage else None,
        unread=0 if agent is None else agent.unread,
        oldest_unread_seconds=_age(agent.oldest_unread if agent else None, now),
        note=note,
        well=well,
        degraded_seconds=_age(agent.degraded_since, now) if agent is not None and state == _DEGRADED else None,
        crashes=worker.crashes,
    )


def _condition(
    worker: WorkerState, agent: Agent | None, now: datetime, *, is_alive: bool, trouble: StoreError | None
) -> tuple[str, str, bool]:
    """Return a worker's state, its reason or note, and whether it is well. An unknown state is not well."""
    own = ""
    if agent is not None and (
        worker.state == State.EXITED or (worker.state == State.RUNNING and is_from_process(worker, agent, now))
    ):
        own = agent.note
    if worker.state == State.EXITED and worker.reason == NOT_CONFIGURED:
        return NOT_CONFIGURED, missing_configuration(worker, agent), is_optional(agent)
    if worker.next_try_at is not None:
        return worker.state, f"{worker.reason}; next try in {format_duration(worker.next_try_at - time.time())}", False
    if worker.state not in _HEALTHY_STATES:
        return worker.state, own or worker.reason, has_succeeded(worker.state, worker.reason)
    if worker.pid is not None and not is_alive:
        # With a full disk the supervisor cannot publish a crash.
        return UNKNOWN, f"its process is gone, and its state was {worker.state}", False
    if worker.state == State.RUNNING:
        if reason := degradation_reason(worker, agent, now):
            return _DEGRADED, reason, False
        deadline = worker.heartbeat_seconds
        if deadline is not None and (silence := _heartbeat_problem(agent, now, deadline, trouble)):
            return UNKNOWN, silence, False
    return worker.state, own or worker.reason, True


def _heartbeat_problem(agent: Agent | None, now: datetime, deadline: float, trouble: StoreError | None) -> str:
    """Return why the heartbeats do not show a worker's state; empty: they show it."""
    if trouble is not None:
        return "its heartbeats cannot be read"
    if agent is None or agent.last_heartbeat is None:
        return "no heartbeat has arrived"
    age = (now - agent.last_heartbeat).total_seconds()
    if age < -PRESENCE_TIMEOUT_SECONDS:
        return f"its last heartbeat is {format_duration(-age)} ahead of the clock"
    return f"{_NO_HEARTBEAT} {format_duration(age)}" if age > deadline else ""


def _agent_row(agent: Agent) -> ParticipantStatus:
    now = datetime.now(UTC)
    is_present, last_heartbeat = agent.is_present(now), agent.last_heartbeat
    state, note, well = (agent.status if is_present else OFFLINE), agent.note, True
    if not is_present and agent.degraded:
        note = f"degraded when last seen: {note}"
    if agent.degraded and is_present:
        state, well = _DEGRADED, False
    elif not is_present and agent.status != OFFLINE and last_heartbeat is not None and last_heartbeat > now:
        state, note, well = UNKNOWN, _heartbeat_problem(agent, now, PRESENCE_TIMEOUT_SECONDS, None), False
    return ParticipantStatus(
        name=agent.name,
        kind=agent.kind,
        state=state,
        heartbeat_age_seconds=_age(last_heartbeat, now),
        unread=agent.unread,
        oldest_unread_seconds=_age(agent.oldest_unread, now),
        note=note,
        well=well,
        degraded_seconds=_age(agent.degraded_since, now) if is_present else None,
    )


def _undeliverable_row(name: str, count: int) -> ParticipantStatus:
    note = "no agent of that name has taken part yet"
    return ParticipantStatus(name, "unknown", "undeliverable", unread=count, note=note)


def _age(moment: datetime | None, now: datetime) -> float | None:
    return None if moment is None else max(0.0, (now - moment).total_seconds())
