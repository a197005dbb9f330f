"""The hosts of one team, and the lease of each role that exists once in it. Only a server's store has several hosts.

A role is a worker with a mailbox, or the supervisor that answers for the team. A host that holds the lease of a role
may run it. The server's clock decides when a lease ends. Its holder counts a shorter time on its own clock. The
functions are pure; an engine keeps the rows.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, Self

LEASE_SECONDS = 20.0
"""Seconds from a renewal to the end of a lease, by the server's clock."""
RENEWAL_SECONDS = 4.0
"""Seconds between two renewals. A host also reads the leases of the others this often."""
_STOP_SECONDS, _KILL_SECONDS = 12.0, 16.0
"""Seconds since a renewal after which the holder stops its worker, and after which it kills the worker."""
_MARGIN_SECONDS = LEASE_SECONDS - _KILL_SECONDS
STALE_SECONDS = LEASE_SECONDS
"""Seconds without a report after which nothing is known about a host."""


HOST = "host"
"""The key in the presence of a session's agent with the identity of its host, if the team has several."""


class Hold(StrEnum):
    """The permission that a holder still has some time after the last renewal of its lease."""

    RUN = "run"
    STOP = "stop"
    KILL = "kill"


@dataclass(frozen=True, slots=True)
class RoleLease:
    """The lease of one role, also after its end."""

    role: str
    holder: str
    """The identity of the host that has or had it; empty: the host has released it."""
    host: str
    """The name of that host, for people."""
    token: int
    """A number that grows with each new holder."""
    seconds_left: float
    """Seconds until the lease ends, by the server's clock; 0 or less: it has ended."""


@dataclass(frozen=True, slots=True)
class HostReport:
    """One host of the team, as its supervisor last reported."""

    identity: str
    name: str
    age_seconds: float
    """Seconds since the report, by the server's clock."""
    has_ended: bool
    """Whether the supervisor there has shut down cleanly."""
    state: Mapping[str, Any]

    @property
    def is_stale(self) -> bool:
        """Return whether nothing is known about the host now."""
        return not self.has_ended and self.age_seconds > STALE_SECONDS

    @property
    def is_live(self) -> bool:
        return not self.has_ended and not self.is_stale


@dataclass(frozen=True, slots=True)
class HostRequest:
    """A request to the supervisor of one host."""

    number: int
    sender: str
    content: str
    may_act: bool
    """Whether the sender may change something."""
    seconds: float
    """Seconds that the supervisor waits for its workers."""


@dataclass(frozen=True, slots=True)
class HostAnswer:
    """The answer of a host. ``exit_code`` is 0, or that of the error."""

    content: str
    exit_code: int


@dataclass(frozen=True, slots=True)
class TeamView:
    """All hosts and all leases, at one moment of the server's clock."""

    hosts: tuple[HostReport, ...] = ()
    leases: tuple[RoleLease, ...] = ()

    def lease_of(self, role: str) -> RoleLease | None:
        return next((lease for lease in self.leases if lease.role == role), None)

    def left_roles(self) -> set[str]:
        """Return the roles of hosts that have shut down cleanly."""
        ended = {host.identity for host in self.hosts if host.has_ended}
        return {lease.role for lease in self.leases if lease.holder in ended}

    def others(self, identity: str) -> list[HostReport]:
        """Return the hosts except one, by name."""
        return sorted((host for host in self.hosts if host.identity != identity), key=lambda host: host.name)


class TeamHosts(Protocol):
    """The hosts of a team in its store, on a connection of their own. Threads may share it. Verbs raise StoreError."""

    identity: str
    """The identity of this host among those of the team."""

    def report(self, name: str, state: str, *, has_ended: bool = False) -> None:
        """Store what the supervisor of this host knows: the host's name, and JSON."""
        ...

    def renew(self, held: Mapping[str, int]) -> None:
        """Renew leases of this host, by role and token. A lease that has ended stays ended."""
        ...

    def take(self, name: str, roles: Iterable[str]) -> None:
        """Take the leases of these roles that no other host holds, with a new token."""
        ...

    def release(self, held: Mapping[str, int], *, is_free: bool) -> None:
        """Let leases of this host end now, by role and token. ``is_free``: every host may take them, not only a
        standby."""
        ...

    def read(self) -> TeamView:
        """Return all hosts and leases."""
        ...

    def ask(self, identity: str, request: HostRequest) -> int:
        """Store a request for a host, and ring its supervisor. Return the number of the request."""
        ...

    def find_answer(self, number: int) -> HostAnswer | None:
        """Return the answer and remove it; None: there is none yet."""
        ...

    def take_requests(self) -> list[HostRequest]:
        """Return the new requests for this host, each of them once."""
        ...

    def answer(self, number: int, answer: HostAnswer) -> None: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...


def is_takeable(lease: RoleLease | None, identity: str, *, is_standby: bool) -> bool:
    """Return whether a host may take a role now. Only a standby takes it over from another host that wants it.

    Only one supervisor runs on a host at a time, so it takes over its predecessor's lease at once.
    """
    if lease is None or lease.holder in ("", identity):
        return True
    return is_standby and lease.seconds_left <= 0


def hold_of(seconds_since_renewal: float) -> Hold:
    """Return what a holder may do this many seconds, by its own clock, after it began its last successful renewal.

    Its process has ended well before another host can take the lease.
    """
    if seconds_since_renewal >= _KILL_SECONDS:
        return Hold.KILL
    return Hold.STOP if seconds_since_renewal >= _STOP_SECONDS else Hold.RUN


def seconds_to_run(seconds_left: float) -> float:
    """Return the seconds after which a process of the role must have ended. They count from before the server was asked
    for ``seconds_left``.
    """
    return max(0.0, seconds_left - _MARGIN_SECONDS)
