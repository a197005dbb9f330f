"""The status of every participant, from the supervisor's published state and from the hub."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from teamsup.config.startable_agents import wake_startable
from teamsup.hub import StoreError, StoreUnavailable
from teamsup.hub.engines.choice import describe_store, has_store, open_hosts
from teamsup.hub.engines.hosts.team_hosts import HostReport, TeamView
from teamsup.hub.models import DEGRADED, NOT_CONFIGURED, OFFLINE, PRESENCE_TIMEOUT_SECONDS, SUPERVISOR, Agent
from teamsup.hub.tables.snapshot import read_snapshot
from teamsup.hub.team import Team
from teamsup.terminal.formatting import format_duration

from .crash import Crash
from .degradation import (
    degradation_reason,
    is_from_process,
    may_stay_unconfigured,
    missing_configuration,
)
from .host_status import describe_silence, find_vanished_agents, host_showing, name_elsewhere, shown_workers
from .process_state import State, has_succeeded
from .process_stats import read_stats
from .state_file import TeamState, WorkerState, parse_state, read_state
from .team_lock import describe_without_folder, owner_pid, owner_without_folder

if TYPE_CHECKING:
    from teamsup.hub import MessageHub

_DEGRADED = DEGRADED.upper()
UNKNOWN = "unknown"
"""The state of a worker or agent about which nothing is known at the moment."""
_SUPERVISOR_SECONDS = PRESENCE_TIMEOUT_SECONDS / 2
"""Seconds in which three heartbeats of the supervisor are due. If all three are missing, the team's state is unknown.
"""
_NO_HEARTBEAT = "no heartbeat for"
_UNREADABLE = "its heartbeats cannot be read"
_HEALTHY_STATES = (State.STARTING, State.RUNNING, State.STOPPED)


@dataclass(frozen=True, slots=True)
class ParticipantStatus:
    """One participant. ``cpu_percent`` is its average since its start, in percent of one core, if it is known."""

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
    """The seconds since which it is degraded. None if it is not degraded, or the time is unknown."""
    crashes: tuple[Crash, ...] = ()
    host: str = ""
    """The name of another host that runs it; empty for this host, and for an unknown host."""

    @property
    def is_silent(self) -> bool:
        """Whether the note contains only the age of the last heartbeat."""
        return self.state == UNKNOWN and self.note.startswith(_NO_HEARTBEAT)


@dataclass(frozen=True, slots=True)
class TeamStatus:
    """All participants. ``pid`` is the pid of this host's supervisor, if it runs. ``trouble`` is the reason why the hub
    could not be read, or why a server that can be read cannot be written.
    """

    rows: list[ParticipantStatus]
    agents: Mapping[str, Agent]
    pid: int | None
    trouble: StoreError | None
    is_published: bool = True
    """Whether the published state of the workers can be read. This is also True if no supervisor runs."""
    runs_elsewhere: bool = False
    """Whether the supervisor of another host runs."""

    @property
    def is_running(self) -> bool:
        return self.pid is not None or self.runs_elsewhere

    @property
    def silent(self) -> list[ParticipantStatus]:
        """Return the supervisor and each worker whose process or event loop is silent.

        While the hub is unreadable, event loops do not count. A degraded worker is alive.
        """
        ours = (row for row in self.rows if row.kind in ("supervisor", "daemon"))
        return [row for row in ours if row.state == UNKNOWN and row.note != _UNREADABLE]


def read_team_status(team: Team, hub: "MessageHub | None" = None) -> TeamStatus:
    """Read the status once, without creating a file. ``hub`` is the team's hub, if it is open."""
    agents: dict[str, Agent] = {}
    undeliverable: dict[str, int] = {}
    view, identity = TeamView(), ""
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
            if (hosts := open_hosts(team)) is not None:
                with hosts:
                    view, identity = hosts.read(), hosts.identity
                    trouble = view.trouble
        elif pid is not None:
            raise StoreError(f"{describe_store(team)} is gone.")
    except StoreError as error:
        trouble = error
    state = read_state(team)
    workers = _workers(state, pid)
    known = agents
    if identity:
        # The heartbeats of the supervisor may be those of another host.
        known = {name: agent for name, agent in agents.items() if name != SUPERVISOR}
        workers = _without_others(workers, view, identity)
    rows = _rows(workers, known, undeliverable, trouble, _rows_elsewhere(view, identity, workers, agents))
    if identity and pid is not None:
        rows[0] = _with_report(rows[0], view, identity)
    rows = _with_vanished(rows, find_vanished_agents(view, agents.values(), datetime.now(UTC)))
    if state is not None and state.trouble_since is not None and pid is not None:
        rows[0] = replace(rows[0], degraded_seconds=max(0.0, time.time() - state.trouble_since))
    is_published, others = state is not None or pid is None, view.others(identity)
    return TeamStatus(rows, agents, pid, trouble, is_published, any(host.is_live for host in others))


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
    elsewhere: Sequence[ParticipantStatus],
) -> list[ParticipantStatus]:
    """Return the supervisor and its workers, those of other hosts, then agents, then unknown names with waiting
    messages.
    """
    names = {worker.name for worker in workers} | {row.name for row in elsewhere} | {SUPERVISOR}
    others = [agent for agent in agents.values() if agent.name not in names and agent.kind != "console"]
    return [
        *(_worker_row(worker, agents.get(worker.name), trouble) for worker in workers),
        *elsewhere,
        *(_agent_row(agent) for agent in others),
        *(_undeliverable_row(name, count) for name, count in undeliverable.items()),
    ]


def _without_others(workers: tuple[WorkerState, ...], view: TeamView, identity: str) -> tuple[WorkerState, ...]:
    """Return the workers that this host shows. Leave out the heartbeats of the role "supervisor", which come from
    another host.
    """
    return tuple(
        replace(worker, heartbeat_seconds=None) if worker.name == SUPERVISOR else worker
        for worker in workers
        if worker.heartbeat_seconds is None
        or worker.name == SUPERVISOR
        or host_showing(view, worker.name, identity) == identity
    )


def _with_report(row: ParticipantStatus, view: TeamView, identity: str) -> ParticipantStatus:
    """Return the row of this host's supervisor. Its reports to the server count as heartbeats."""
    own = next((host for host in view.hosts if host.identity == identity), None)
    if own is None:
        return row
    row = replace(row, heartbeat_age_seconds=own.age_seconds, note=row.note or f"on host {own.name}")
    if not own.is_stale:
        return row
    if row.state == _DEGRADED:
        return row  # its own file says why the server has no report
    return replace(row, state=UNKNOWN, note=f"no report for {format_duration(own.age_seconds)}", well=False)


def _rows_elsewhere(
    view: TeamView, identity: str, local: Sequence[WorkerState], agents: Mapping[str, Agent]
) -> list[ParticipantStatus]:
    """Return the rows of the other hosts."""
    names = {worker.name for worker in local}
    rows = []
    for host in view.others(identity):
        if not host.has_ended:
            rows.append(_supervisor_elsewhere(host))
            rows += [
                _row_elsewhere(host, worker, agents.get(worker.name))
                for worker in shown_workers(view, host, identity, names)
            ]
    return rows


def _with_host(note: str, host: str) -> str:
    return f"{note} (on host {host})" if note else f"on host {host}"


def _supervisor_elsewhere(host: HostReport) -> ParticipantStatus:
    supervisor = replace(_supervisor_state(parse_state(host.state)), heartbeat_seconds=None)
    return replace(_row_elsewhere(host, supervisor, None), heartbeat_age_seconds=host.age_seconds)


def _row_elsewhere(host: HostReport, worker: WorkerState, agent: Agent | None) -> ParticipantStatus:
    row = _worker_row(worker, agent, None, is_here=False)
    if host.is_stale:
        row = replace(row, state=UNKNOWN, note=describe_silence(host), well=False)
    name = row.name if worker.heartbeat_seconds is not None else name_elsewhere(row.name, host.name)
    return replace(row, name=name, host=host.name, note=_with_host(row.note, host.name))


def _with_vanished(rows: Iterable[ParticipantStatus], vanished: Mapping[str, str]) -> list[ParticipantStatus]:
    """Return the rows, with the state of each vanished agent as unknown."""
    return [
        replace(row, state=UNKNOWN, note=vanished[row.name], well=False)
        if row.name in vanished and row.state == OFFLINE
        else row
        for row in rows
    ]


def _worker_row(
    worker: WorkerState, agent: Agent | None, trouble: StoreError | None, *, is_here: bool = True
) -> ParticipantStatus:
    now = datetime.now(UTC)
    usage = read_stats(worker.pid) if worker.pid is not None and is_here else None
    is_alive = usage is not None or not is_here
    state, note, well = _condition(worker, agent, now, is_alive=is_alive, trouble=trouble)
    if worker.ticks is not None and worker.pid is None:
        starts = f"starts in {format_duration(max(0.0, worker.ticks.next - time.time()))}"
        note = f"{note}; {starts}" if note else starts
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
    """Return a worker's state, its reason or note, and whether the worker works. With an unknown state, it does not."""
    own = ""
    if agent is not None and (
        worker.state == State.EXITED or (worker.state == State.RUNNING and is_from_process(worker, agent, now))
    ):
        own = agent.note
    if worker.state == State.EXITED and worker.reason == NOT_CONFIGURED:
        return NOT_CONFIGURED, missing_configuration(worker, agent), may_stay_unconfigured(worker, agent)
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
    """Return why the heartbeats do not show a worker's state, or an empty text if they do."""
    if trouble is not None:
        return _UNREADABLE
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
