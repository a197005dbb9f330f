"""The hosts of one team, and the lease of each role. A role exists once in a team. Only a server's store has several
hosts.

A role is a worker with a mailbox, or the supervisor that answers for the team. A host that holds the lease of a role
may run it. The server's clock decides when a lease ends. The holder itself uses a shorter time, by its own clock. The
functions are pure; an engine keeps the rows.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, Self

from ...errors import StoreError

LEASE_SECONDS = 20.0
"""Seconds from a renewal to the end of a lease, by the server's clock."""
RENEWAL_SECONDS = 4.0
"""Seconds between two renewals. A host also reads the leases of other hosts at this interval."""
_STOP_SECONDS, _KILL_SECONDS = 12.0, 16.0
"""Seconds since a renewal after which the holder stops its worker, and after which it kills the worker."""
_MARGIN_SECONDS = LEASE_SECONDS - _KILL_SECONDS
STALE_SECONDS = LEASE_SECONDS
"""Seconds without a report after which the state of a host is unknown."""


HOST = "host"
"""The key in the presence of a session's agent with the identity of its host, if the team has several hosts."""


class Hold(StrEnum):
    """The permission of a holder, which depends on the time since the last renewal of its lease."""

    RUN = "run"
    STOP = "stop"
    KILL = "kill"


@dataclass(frozen=True, slots=True)
class RoleLease:
    """The lease of one role. It may have ended."""

    role: str
    holder: str
    """The identity of the host that has or had the lease; empty if the host has released it."""
    host: str
    """The name of this host, for people."""
    token: int
    """A number that increases with each new holder."""
    seconds_left: float
    """Seconds until the lease ends, by the server's clock. It has ended at 0 or less."""


@dataclass(frozen=True, slots=True)
class HostReport:
    """One host of the team, as its supervisor last reported."""

    identity: str
    name: str
    age_seconds: float
    """Seconds since the report, by the server's clock."""
    has_ended: bool
    """Whether the host's supervisor has shut down cleanly."""
    state: Mapping[str, Any]

    @property
    def is_stale(self) -> bool:
        """Return whether the present state of the host is unknown."""
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
    """The answer of a host. ``exit_code`` is 0, or the exit code of the error."""

    content: str
    exit_code: int


@dataclass(frozen=True, slots=True)
class TeamView:
    """All hosts and all leases, at one moment of the server's clock."""

    hosts: tuple[HostReport, ...] = ()
    leases: tuple[RoleLease, ...] = ()
    trouble: StoreError | None = None
    """Why the store, which could be read, cannot be written."""

    def lease_of(self, role: str) -> RoleLease | None:
        return next((lease for lease in self.leases if lease.role == role), None)

    def left_roles(self) -> set[str]:
        """Return the roles of hosts that have shut down cleanly."""
        ended = {host.identity for host in self.hosts if host.has_ended}
        return {lease.role for lease in self.leases if lease.holder in ended}

    def others(self, identity: str) -> list[HostReport]:
        """Return all hosts except one, by name."""
        return sorted((host for host in self.hosts if host.identity != identity), key=lambda host: host.name)


class TeamHosts(Protocol):
    """The hosts of a team in its store, through a separate connection. Threads may share this object. Its methods raise
    StoreError.
    """

    identity: str
    """The identity of this host among the team's hosts."""

    def report(self, name: str, state: str, *, has_ended: bool = False) -> None:
        """Store the report of this host's supervisor: the host's name, and JSON."""
        ...

    def renew(self, held: Mapping[str, int]) -> None:
        """Renew leases of this host, by role and token. A lease that has ended is not renewed."""
        ...

    def take(self, name: str, roles: Iterable[str]) -> None:
        """Take the leases of these roles that no other host holds, with a new token."""
        ...

    def release(self, held: Mapping[str, int], *, is_free: bool) -> None:
        """End leases of this host now, by role and token. With ``is_free`` every host may take them, otherwise only a
        standby.
        """
        ...

    def read(self) -> TeamView:
        """Return all hosts and leases."""
        ...

    def ask(self, identity: str, request: HostRequest) -> int:
        """Store a request for a host, and ring its supervisor. Return the number of the request."""
        ...

    def find_answer(self, number: int) -> HostAnswer | None:
        """Return the answer and remove it. Return None if there is no answer yet."""
        ...

    def take_requests(self) -> list[HostRequest]:
        """Return the new requests for this host, each of them once."""
        ...

    def answer(self, number: int, answer: HostAnswer) -> None: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...


def is_takeable(lease: RoleLease | None, identity: str, *, is_standby: bool) -> bool:
    """Return whether a host may take a role now. Only a standby takes a role over from another host that wants it.

    A supervisor takes over the lease of its predecessor on the same host at once.
    """
    if lease is None or lease.holder in ("", identity):
        return True
    return is_standby and lease.seconds_left <= 0


def hold_of(seconds_since_renewal: float) -> Hold:
    """Return the permission of a holder after its last successful renewal. The seconds count by the holder's own clock,
    from the request.

    The limits end the process well before another host can take the lease.
    """
    if seconds_since_renewal >= _KILL_SECONDS:
        return Hold.KILL
    return Hold.STOP if seconds_since_renewal >= _STOP_SECONDS else Hold.RUN


def seconds_to_run(seconds_left: float) -> float:
    """Return the seconds after which a process of the role must have ended. They count from the moment before the
    server was asked for ``seconds_left``.
    """
    return max(0.0, seconds_left - _MARGIN_SECONDS)
