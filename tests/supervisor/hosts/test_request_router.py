"""Which hosts a request to the team concerns, and how their answers become one: the tables."""

from collections.abc import Sequence

import pytest

from teamsup.hub import CallerError
from teamsup.hub.engines.hosts.team_hosts import HostAnswer, HostReport, RoleLease, TeamView
from teamsup.supervisor.hosts.request_router import find_hosts, join_answers, without_host


def host(name: str, *running: str, has: Sequence[str] = (), age: float = 1.0, ended: bool = False) -> HostReport:
    rest: dict[str, object] = {
        "started_at": None,
        "restarts": 0,
        "reason": "",
        "heartbeat_seconds": 30.0,
        "crashes": [],
    }
    workers = [{"name": worker, "state": "RUNNING", "pid": 5} for worker in running]
    workers += [{"name": worker, "state": "STOPPED", "pid": None} for worker in has]
    state = {"pid": 1, "started_at": 0.0, "workers": [{**worker, **rest} for worker in workers]}
    return HostReport(name, name, age, ended, state)


ALPHA, BETA = host("alpha", "gateway", has=("web",)), host("beta", "web", has=("gateway",))
GONE, LEFT = host("gone", "user_comm", age=300.0), host("left", "web", ended=True)
VIEW = TeamView((GONE, BETA, ALPHA, LEFT), (RoleLease("web", "beta", "beta", 1, 10.0),))


@pytest.mark.parametrize(
    ("request_text", "names"),
    [
        ("status", ["alpha", "beta", "gone"]),
        ("reload", ["alpha", "beta"]),
        ("stop web", ["alpha", "beta"]),
        ("start gateway", ["alpha", "beta"]),
        ("start nobody", ["alpha"]),
        ("restart web", ["beta"]),
        ("restart gateway", ["alpha"]),
        ("signal web USR1", ["beta"]),
        ("stop w*", ["alpha", "beta"]),
        ("restart *e*", ["alpha", "beta"]),
        ("logs web 100", ["beta"]),
        ("restart web@alpha", ["alpha"]),
        ("logs supervisor@beta 10", ["beta"]),
        ("stop user_comm@gone", ["gone"]),
        ("what is this", ["alpha"]),
    ],
)
def test_a_request_goes_to_the_hosts_that_it_concerns(request_text: str, names: list[str]) -> None:
    assert [each.name for each in find_hosts(request_text, VIEW, "alpha")] == names


def test_a_worker_of_a_host_that_is_not_heard_cannot_be_restarted() -> None:
    with pytest.raises(CallerError, match="Host gone ran user_comm, and has not reported for 5m"):
        find_hosts("restart user_comm", VIEW, "alpha")


def test_an_unknown_host_is_refused_with_the_known_ones() -> None:
    with pytest.raises(CallerError, match="no host 'delta'; there are alpha, beta, gone"):
        find_hosts("stop web@delta", VIEW, "alpha")


def test_a_host_gets_the_request_without_its_name() -> None:
    assert without_host("logs web@beta 100") == "logs web 100"
    assert without_host("reload") == "reload"


def test_answers_of_several_hosts_name_each_of_them_and_fail_if_one_has() -> None:
    answers = [("alpha", HostAnswer("one\ntwo", 0)), ("beta", HostAnswer("no", 4))]
    assert join_answers(answers) == HostAnswer("alpha: one\nalpha: two\nbeta: no", 4)
    assert join_answers(answers[:1]) == HostAnswer("one\ntwo", 0)
