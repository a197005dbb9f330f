"""Which host shows a worker, and what is known of agents on a host that is silent: the tables."""

from datetime import UTC, datetime, timedelta

import pytest

from teamsup.hub import Agent
from teamsup.hub.engines.hosts.team_hosts import HostReport, RoleLease, TeamView
from teamsup.status.host_status import find_vanished_agents, host_showing, shown_workers

NOW = datetime(2026, 11, 30, tzinfo=UTC)


def host(name: str, *workers: str, age: float = 1.0, ended: bool = False) -> HostReport:
    rest = {"state": "RUNNING", "pid": 5, "started_at": 1.0, "restarts": 0, "reason": "", "crashes": []}
    states = [{"name": each, "heartbeat_seconds": None if each == "plain" else 30.0, **rest} for each in workers]
    return HostReport(name, name, age, ended, {"pid": 1, "started_at": 0.0, "workers": states})


def view(*hosts: HostReport, holder: str = "", left: float = 10.0) -> TeamView:
    return TeamView(hosts, (RoleLease("web", holder, holder, 1, left),) if holder else ())


ALPHA, BETA = host("alpha", "web", "plain"), host("beta", "web", "plain")


@pytest.mark.parametrize(
    ("found", "default", "shown"),
    [
        (view(ALPHA, BETA, holder="beta"), "alpha", "beta"),
        (view(ALPHA, BETA, holder="beta", left=-1.0), "alpha", "alpha"),
        (view(ALPHA, host("beta", "web", age=90.0), holder="beta", left=-1.0), "alpha", "beta"),
        (view(ALPHA, host("beta", "web", ended=True), holder="beta", left=-1.0), "alpha", "alpha"),
        (view(ALPHA, BETA), "alpha", "alpha"),
        (view(BETA, ALPHA), "", "alpha"),
        (view(host("beta", "bot")), "", ""),
    ],
)
def test_a_role_is_shown_for_one_host(found: TeamView, default: str, shown: str) -> None:
    assert host_showing(found, "web", default) == shown


def test_a_worker_on_each_host_is_shown_for_each() -> None:
    found = view(ALPHA, BETA, holder="alpha")
    assert [each.name for each in shown_workers(found, BETA, "alpha", {"web", "plain"})] == ["plain"]
    assert [each.name for each in shown_workers(found, ALPHA, "beta", {"web", "plain"})] == ["web", "plain"]


@pytest.mark.parametrize(
    ("where", "status", "age", "unknown"),
    [
        ("gone", "online", 90, True),
        ("gone", "busy", 90, True),
        ("gone", "offline", 90, False),
        ("gone", "online", 2, False),
        ("alpha", "online", 90, False),
        (None, "online", 90, False),
    ],
)
def test_a_session_on_a_host_that_is_not_heard_is_unknown_unless_it_has_left(
    where: str | None, status: str, age: float, unknown: bool
) -> None:
    agent = Agent("lead", "agent", status, NOW - timedelta(seconds=age), {} if where is None else {"host": where}, 0)
    found = find_vanished_agents(view(ALPHA, host("gone", age=90.0)), [agent], NOW)
    assert found == ({"lead": "host gone has not reported for 1m 30s"} if unknown else {})
