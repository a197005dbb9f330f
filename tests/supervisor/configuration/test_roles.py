"""Which roles a host may run, from its renewals, its own clock and what the server has last answered: the tables."""

import math
from pathlib import Path

import pytest

from teamsup.hub.engines.hosts.team_hosts import (
    LEASE_SECONDS,
    RENEWAL_SECONDS,
    Hold,
    HostReport,
    RoleLease,
    TeamView,
    hold_of,
    is_takeable,
    seconds_to_run,
)
from teamsup.supervisor.configuration.program import Program
from teamsup.supervisor.configuration.roles import LEASE, LeasedRoles

ALPHA, BETA = "alpha's boot and folder", "beta's boot and folder"
WEB = Program("web", ("web",), Path(), heartbeat_seconds=30.0)
PLAIN = Program("plain", ("plain",), Path())


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def lease(holder: str, left: float, token: int = 1, role: str = "web") -> RoleLease:
    return RoleLease(role, holder, holder.partition("'")[0], token, left)


@pytest.mark.parametrize(
    ("found", "standby", "takeable"),
    [
        (None, False, True),
        (None, True, True),
        (lease(ALPHA, 20.0), False, True),
        (lease(ALPHA, -1.0), False, True),
        (lease("", 0.0), False, True),
        (lease(BETA, 20.0), False, False),
        (lease(BETA, 20.0), True, False),
        (lease(BETA, 0.001), True, False),
        (lease(BETA, 0.0), True, True),
        (lease(BETA, -300.0), True, True),
        (lease(BETA, -300.0), False, False),
    ],
)
def test_only_a_standby_takes_over_and_only_after_the_end_of_a_lease(
    found: RoleLease | None, standby: bool, takeable: bool
) -> None:
    assert is_takeable(found, ALPHA, is_standby=standby) is takeable


@pytest.mark.parametrize(
    ("seconds", "hold"),
    [
        (0.0, Hold.RUN),
        (RENEWAL_SECONDS, Hold.RUN),
        (11.9, Hold.RUN),
        (12.0, Hold.STOP),
        (16.0, Hold.KILL),
        (900.0, Hold.KILL),
    ],
)
def test_a_holder_ends_its_worker_before_anybody_can_take_the_lease(seconds: float, hold: Hold) -> None:
    assert hold_of(seconds) == hold
    assert hold_of(LEASE_SECONDS - 2.0) is Hold.KILL


@pytest.mark.parametrize(("left", "seconds"), [(20.0, 16.0), (5.0, 1.0), (4.0, 0.0), (-3.0, 0.0)])
def test_a_process_ends_a_margin_before_its_lease(left: float, seconds: float) -> None:
    assert seconds_to_run(left) == seconds


def test_a_host_has_a_role_from_its_answer_until_it_could_not_renew_it() -> None:
    clock = Clock()
    roles = LeasedRoles(ALPHA, is_standby=False, clock=clock)
    assert roles.obstacle(WEB) == LEASE
    assert roles.takeable(TeamView(), {"web"}, ()) == ["web"]
    assert roles.accept(TeamView(leases=(lease(ALPHA, 20.0, token=7),)), 100.0, ["web"]) == set()
    assert (roles.obstacle(WEB), roles.variables_of(WEB)) == ("", {"TEAMSUP_ROLE": "web 7"})
    clock.now = 111.9
    assert roles.holds("web")
    clock.now = 112.0
    assert (roles.obstacle(WEB), roles.roles_in(Hold.STOP)) == (LEASE, ["web"])
    clock.now = 116.0
    assert roles.roles_in(Hold.KILL) == ["web"]


def test_a_renewal_counts_from_before_it_was_asked_for() -> None:
    clock = Clock()
    roles = LeasedRoles(ALPHA, is_standby=False, clock=clock)
    clock.now = 113.0
    roles.accept(TeamView(leases=(lease(ALPHA, 20.0),)), 100.0, ["web"])
    assert not roles.holds("web")


def test_a_lease_with_another_token_is_lost() -> None:
    clock = Clock()
    roles = LeasedRoles(ALPHA, is_standby=True, clock=clock)
    roles.accept(TeamView(leases=(lease(ALPHA, 20.0, token=1),)), 100.0, ["web"])
    assert roles.accept(TeamView(leases=(lease(ALPHA, 20.0, token=2),)), 101.0, []) == {"web"}
    assert not roles.holds("web")


def test_a_lease_that_another_host_has_is_lost_and_names_it() -> None:
    clock = Clock()
    roles = LeasedRoles(ALPHA, is_standby=True, clock=clock)
    roles.accept(TeamView(leases=(lease(ALPHA, 20.0),)), 100.0, ["web"])
    assert roles.accept(TeamView(leases=(lease(BETA, 19.0, token=2),)), 101.0, []) == {"web"}
    assert (roles.obstacle(WEB), roles.runs_elsewhere("web")) == ("host beta, which runs it", True)
    clock.now = 121.0
    assert not roles.runs_elsewhere("web"), "nobody has looked for longer than the lease had left"


def test_a_host_that_is_no_standby_says_so_until_a_person_starts_the_worker_here() -> None:
    roles = LeasedRoles(ALPHA, is_standby=False, clock=Clock())
    view = TeamView(leases=(lease(BETA, -5.0),))
    roles.accept(view, 100.0, [])
    assert "not a standby" in roles.obstacle(WEB)
    assert roles.takeable(view, {"web"}, ()) == []
    assert roles.takeable(view, {"web"}, ("web",)) == ["web"]
    roles.take_over("web")
    assert (roles.takeable(view, {"web"}, ()), roles.obstacle(WEB)) == (["web"], LEASE)


def test_a_worker_without_a_mailbox_runs_on_every_host() -> None:
    roles = LeasedRoles(ALPHA, is_standby=False, clock=Clock())
    assert (roles.obstacle(PLAIN), roles.variables_of(PLAIN)) == ("", {})


def test_a_host_that_has_ended_in_order_leaves_its_roles_to_the_next_that_starts() -> None:
    left, gone = HostReport(BETA, "beta", 9.0, True, {}), HostReport(ALPHA, "alpha", 900.0, False, {})
    assert TeamView((left, gone), (lease(BETA, 0.0), lease(ALPHA, -9.0, role="bot"))).left_roles() == {"web"}


@pytest.mark.parametrize(
    ("age", "ended", "live", "stale"),
    [(1.0, False, True, False), (21.0, False, False, True), (1.0, True, False, False), (9000.0, True, False, False)],
)
def test_a_host_is_live_stale_or_has_ended(age: float, ended: bool, live: bool, stale: bool) -> None:
    host = HostReport(ALPHA, "alpha", age, ended, {})
    assert (host.is_live, host.is_stale) == (live, stale)


@pytest.mark.parametrize(
    ("found", "standby", "always", "seconds"),
    [
        (lease(BETA, 17.0), True, (), 14.0),
        (lease(BETA, 17.0), False, (), math.inf),
        (lease(BETA, 17.0), False, ("web",), 14.0),
        (lease(BETA, 2.0), True, (), math.inf),  # it has ended: nothing more to aim at
        (lease(ALPHA, 17.0), True, (), math.inf),  # it is ours
        (lease(BETA, 17.0, role="bot"), True, (), math.inf),  # nobody wants it here
    ],
)
def test_a_standby_looks_when_a_lease_ends_and_not_up_to_a_renewal_later(
    found: RoleLease, standby: bool, always: tuple[str, ...], seconds: float
) -> None:
    clock = Clock()
    roles = LeasedRoles(ALPHA, is_standby=standby, clock=clock)
    roles.accept(TeamView(leases=(found,)), 100.0, ["web"])
    clock.now = 103.0
    assert roles.seconds_to_takeover({"web"}, always) == seconds
