"""The status of the workers and agents on the other hosts of a team, as their supervisors have reported.

A worker with a mailbox runs on one host, so it has one row. The supervisor and the other workers run on each host. A
row of another host is named NAME@HOST.
"""

from collections.abc import Collection, Iterable
from datetime import datetime

from teamsup.hub import Agent, StoreError, Team
from teamsup.hub.engines.choice import open_hosts
from teamsup.hub.engines.hosts.team_hosts import HOST, HostReport, TeamView
from teamsup.hub.models import OFFLINE
from teamsup.terminal.formatting import format_duration

from .state_file import WorkerState, parse_state
from .team_lock import owner_pid


def runs_elsewhere(team: Team) -> bool:
    """Return whether the supervisor of another host runs. Raise StoreError."""
    hosts = open_hosts(team)
    if hosts is None:
        return False
    with hosts:
        return any(host.is_live for host in hosts.read().others(hosts.identity))


def find_host_name(team: Team) -> str:
    """Return the name of this host, or an empty text if the team has one host. Raise StoreError."""
    hosts = open_hosts(team)
    if hosts is None:
        return ""
    with hosts:
        return next((host.name for host in hosts.read().hosts if host.identity == hosts.identity), "")


def is_running(team: Team) -> bool:
    """Return whether a supervisor runs the team, on any host. Return True if this is unknown."""
    try:
        return owner_pid(team) is not None or runs_elsewhere(team)
    except StoreError:
        return True


def name_elsewhere(name: str, host: str) -> str:
    """Return the name of a worker that runs on each host, for its row on another host."""
    return f"{name}@{host}"


def shown_workers(view: TeamView, host: HostReport, identity: str, local: Collection[str]) -> list[WorkerState]:
    """Return the workers to show for another host. ``local`` has the names of the workers on the host ``identity``."""
    return [
        worker
        for worker in parse_state(host.state).workers
        if worker.heartbeat_seconds is None
        or host_showing(view, worker.name, identity if worker.name in local else "") == host.identity
    ]


def host_showing(view: TeamView, role: str, default: str) -> str:
    """Return the identity of the host that shows a role: the host that has the role, or had it at its last report.

    Otherwise return ``default``. If this is empty, return the first host with such a worker.
    """
    known = [host for host in view.others("") if not host.has_ended]
    lease = view.lease_of(role)
    for host in known:
        if lease is not None and host.identity == lease.holder and (lease.seconds_left > 0 or host.is_stale):
            return host.identity
    having = (host.identity for host in known if role in [each.name for each in parse_state(host.state).workers])
    return default or next(having, "")


def find_vanished_agents(view: TeamView, agents: Iterable[Agent], now: datetime) -> dict[str, str]:
    """Return the agents whose host no longer reports, each with the reason why its state is unknown."""
    stale = {host.identity: host for host in view.hosts if host.is_stale}
    return {
        agent.name: describe_silence(stale[str(agent.metadata.get(HOST))])
        for agent in agents
        if str(agent.metadata.get(HOST)) in stale and agent.status != OFFLINE and not agent.is_present(now)
    }


def describe_silence(host: HostReport) -> str:
    return f"host {host.name} has not reported for {format_duration(host.age_seconds)}"
