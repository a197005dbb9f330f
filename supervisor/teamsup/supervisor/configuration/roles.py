"""The roles that exist once in a team, and the decision which of them this host may run now.

Each worker with a mailbox is a role, because its mailbox has one reader. The supervisor that answers for the team is a
role too. A worker without heartbeats is not a role, so it runs on each host that configures it.
"""

import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from teamsup.hub.engines.hosts.role_fence import FENCE_VARIABLE
from teamsup.hub.engines.hosts.team_hosts import Hold, RoleLease, TeamHosts, TeamView, hold_of, is_takeable
from teamsup.status.process_state import State
from teamsup.status.state_file import WorkerState, parse_state

from .program import Program

LEASE = "its lease"
"""The obstacle of a worker that is waiting for the lease of its role."""


class Roles:
    """The roles of a team with one host, which has all of them."""

    held: "Mapping[str, HeldRole]" = {}  # noqa: RUF012 - never changed in place
    """The leases of this host."""

    def holds(self, role: str) -> bool:  # noqa: ARG002 - others have leases
        """Return whether this host may act in the role now."""
        return True

    def runs_elsewhere(self, role: str) -> bool:  # noqa: ARG002
        """Return whether another host may act in the role now."""
        return False

    def take_over(self, role: str) -> None:
        """Let this host take a role over like a standby."""

    def obstacle(self, program: Program) -> str:  # noqa: ARG002
        """Return the obstacle that keeps this host from running a worker, as a phrase after "waits for", or an empty
        text.
        """
        return ""

    def variables_of(self, program: Program) -> Mapping[str, str]:  # noqa: ARG002
        """Return the variables that a process of the worker gets."""
        return {}

    def workers_elsewhere(self) -> Sequence[WorkerState]:
        """Return the workers that other hosts run or try to run."""
        return ()


@dataclass(frozen=True, slots=True)
class HeldRole:
    """A lease of this host. ``renewed_at`` is the monotonic time in seconds just before the last renewal was
    requested."""

    token: int
    renewed_at: float


class LeasedRoles(Roles):
    """The roles of one host in a team of several, according to the last answer of the server. Threads may read it."""

    def __init__(
        self,
        identity: str,
        *,
        is_standby: bool,
        wake: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
        held: Mapping[str, HeldRole] | None = None,
    ) -> None:
        """``wake`` makes the host ask the server soon. ``held`` contains the leases of the predecessor."""
        self._wake = wake
        self._identity = identity
        self._is_standby = is_standby
        self._clock = clock
        self.held = held or {}
        self._read_at = 0.0
        self._taken_over: set[str] = set()
        """Roles that a person has started here, so that this host may take them over like a standby."""
        self.view = TeamView()
        """The hosts and leases at the last look."""

    @property
    def tokens(self) -> dict[str, int]:
        """The tokens of all held roles."""
        return {role: held.token for role, held in self.held.items()}

    def take_over(self, role: str) -> None:
        self._taken_over.add(role)
        self._wake()

    def takeable(self, view: TeamView, wanted: Collection[str], always: Collection[str]) -> list[str]:
        """Return the wanted roles that this host does not hold but may take. It may take the roles in ``always`` like a
        standby.
        """
        return [
            role
            for role in wanted
            if role not in self.held
            and is_takeable(
                view.lease_of(role),
                self._identity,
                is_standby=self._is_standby or role in self._taken_over or role in always,
            )
        ]

    def seconds_to_takeover(self, wanted: Collection[str], always: Collection[str]) -> float:
        """Return the seconds until the first of the wanted roles may be taken over, or infinity."""
        passed = self._clock() - self._read_at
        ended = TeamView(leases=tuple(replace(lease, seconds_left=0.0) for lease in self.view.leases))
        takeable = self.takeable(ended, wanted, always)
        left = (lease.seconds_left - passed for lease in self.view.leases if lease.role in takeable)
        return min((seconds for seconds in left if seconds > 0), default=math.inf)

    def accept(self, view: TeamView, asked_at: float, asked: Collection[str]) -> set[str]:
        """Note the server's answers to a renewal, and to a take-over of the ``asked`` roles. ``asked_at`` is the time
        before both requests. Return the roles that this host has lost.
        """
        held = {}
        for lease in view.leases:
            known = self.held.get(lease.role)
            is_ours = lease.holder == self._identity and lease.seconds_left > 0
            if is_ours and (lease.role in asked if known is None else known.token == lease.token):
                held[lease.role] = HeldRole(lease.token, asked_at)
        lost = {role for role in self.held if role not in held}
        self.view, self._read_at, self.held = view, asked_at, held
        self._taken_over -= held.keys()
        return lost

    def drop(self, *roles: str) -> None:
        """Forget leases that were released, or whose time is over."""
        self.held = {role: held for role, held in self.held.items() if role not in roles}

    def roles_in(self, *holds: Hold) -> list[str]:
        """Return the roles whose permission is now one of these."""
        now = self._clock()
        return [role for role, held in self.held.items() if hold_of(now - held.renewed_at) in holds]

    def holds(self, role: str) -> bool:
        held = self.held.get(role)
        return held is not None and hold_of(self._clock() - held.renewed_at) is Hold.RUN

    def runs_elsewhere(self, role: str) -> bool:
        return self._lease_elsewhere(role) is not None

    def obstacle(self, program: Program) -> str:
        if program.heartbeat_seconds is None or self.holds(program.name):
            return ""
        if (lease := self._lease_elsewhere(program.name)) is not None:
            return f"host {lease.host}, which runs it"
        last, is_standby = self.view.lease_of(program.name), self._is_standby or program.name in self._taken_over
        if last is not None and not is_takeable(last, self._identity, is_standby=is_standby):
            return f"host {last.host}, which ran it last: this host is not a standby"
        return LEASE

    def variables_of(self, program: Program) -> Mapping[str, str]:
        held = self.held.get(program.name)
        return {} if held is None else {FENCE_VARIABLE: f"{program.name} {held.token}"}

    def workers_elsewhere(self) -> Sequence[WorkerState]:
        return [
            worker
            for host in self.view.others(self._identity)
            if host.is_live
            for worker in parse_state(host.state).workers
            if worker.pid is not None or worker.state not in (State.STOPPED, State.EXITED)
        ]

    def _lease_elsewhere(self, role: str) -> RoleLease | None:
        lease = self.view.lease_of(role)
        if lease is None or lease.holder == self._identity:
            return None
        return lease if lease.seconds_left > self._clock() - self._read_at else None


def make_roles(
    hosts: TeamHosts | None, is_standby: bool, wake: Callable[[], None], held: Mapping[str, HeldRole] | None
) -> Roles:
    """Return the roles of this host, in a team with one or several hosts."""
    return Roles() if hosts is None else LeasedRoles(hosts.identity, is_standby=is_standby, wake=wake, held=held)
