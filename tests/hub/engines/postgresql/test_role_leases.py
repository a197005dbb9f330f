"""The leases of roles on a real server: who takes them, who writes under them, and what the other hosts read."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from helpers.support import TIMEOUT_SECONDS, clean_environment, eventually
from teamsup.hub import MessageHub, Team
from teamsup.hub.engines.choice import open_hosts
from teamsup.hub.engines.hosts.role_fence import RoleFence
from teamsup.hub.engines.hosts.team_hosts import LEASE_SECONDS, HostAnswer, HostRequest, TeamHosts, TeamView
from teamsup.hub.errors import RoleLost

from .test_hosts import make_host

HOSTS = 8
SENDER = """
import sys
from teamsup.hub import MessageHub, Team
from teamsup.hub.engines.hosts.role_fence import process_fence
from pathlib import Path
process_fence().end_process_in_time()
with MessageHub(Team("crew", Path(sys.argv[1])), agent="web") as hub:
    while True:
        hub.heartbeat()
        print("here", flush=True)
        sys.stdin.readline()
"""


def open_host(team: Team) -> TeamHosts:
    MessageHub(team).close()  # which makes the tables
    hosts = open_hosts(team)
    assert hosts is not None
    return hosts


def end_all_leases(team: Team) -> None:
    """Let some hours pass."""
    with MessageHub(team) as hub:
        hub.execute("UPDATE role_leases SET expires_at = expires_at - interval '5 hours'")


@pytest.fixture
def hosts(tmp_path: Path, address: str) -> Callable[[int], list[Team]]:
    return lambda count: [make_host(tmp_path / f"host{number}", address) for number in range(count)]


def test_one_of_many_hosts_has_a_role(hosts: Callable[[int], list[Team]]) -> None:
    teams = hosts(HOSTS)
    for _ in range(3):
        with ExitStack() as stack, ThreadPoolExecutor(HOSTS) as pool:
            opened = [stack.enter_context(open_host(team)) for team in teams]
            list(pool.map(lambda each: each.take(each.identity, ["web"]), opened))
            view = opened[0].read()
        lease = view.lease_of("web")
        assert lease is not None
        assert LEASE_SECONDS - 10 < lease.seconds_left <= LEASE_SECONDS
        end_all_leases(teams[0])


def test_a_lease_is_kept_by_renewals_and_ends_without_them(hosts: Callable[[int], list[Team]]) -> None:
    one, two = hosts(2)
    with open_host(one) as first, open_host(two) as second:
        first.take("first", ["web", "bot"])
        second.take("second", ["web"])
        held = {lease.role: lease.token for lease in first.read().leases}
        assert [lease.holder for lease in first.read().leases] == [first.identity] * 2
        end_all_leases(one)
        first.renew(held)
        assert all(lease.seconds_left < 0 for lease in first.read().leases), "an ended lease stays ended"
        second.take("second", ["web"])
        taken = second.read().lease_of("web")
        assert taken is not None
        assert (taken.holder, taken.token > held["web"]) == (second.identity, True)
        first.release({"web": held["web"]}, is_free=True)
        lease = second.read().lease_of("web")
        assert lease is not None
        assert lease.seconds_left > 0, "a former holder releases nothing"
        second.release({"web": lease.token}, is_free=True)
        assert [each.holder for each in second.read().leases if each.role == "web"] == [""]


def test_a_write_under_a_lost_lease_is_refused(
    hosts: Callable[[int], list[Team]], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = hosts(2)
    with open_host(one) as first, open_host(two) as second:
        first.take("first", ["web"])
        monkeypatch.setattr("teamsup.hub.engines.postgresql.postgres_store.process_fence", lambda: RoleFence("web", 1))
        with MessageHub(one, agent="web") as hub:
            hub.register("daemon")
            hub.enroll("lead")
            hub.send("lead", "while I am web")
            monkeypatch.undo()
            end_all_leases(two)
            with pytest.raises(RoleLost, match="may not act as web"):
                hub.send("lead", "after the end")
            second.take("second", ["web"])
            with pytest.raises(RoleLost):
                hub.heartbeat()
    with MessageHub(two, agent="lead") as lead:
        assert [each.content for each in lead.queries.history()] == ["while I am web"]


def test_a_takeover_waits_for_what_its_former_holder_is_writing(hosts: Callable[[int], list[Team]]) -> None:
    one, two = hosts(2)
    with open_host(one) as first, open_host(two) as second, MessageHub(one, agent="web") as hub:
        first.take("first", ["web"])
        end_all_leases(one)
        with ThreadPoolExecutor(1) as pool:
            with hub.transaction():
                hub.register("daemon")
                taking = pool.submit(second.take, "second", ["web"])
                lease = first.read().lease_of("web")
                assert lease is not None
                assert lease.holder == first.identity
            taking.result(TIMEOUT_SECONDS)
        lease = first.read().lease_of("web")
        assert lease is not None
        assert lease.holder == second.identity


@pytest.mark.slow
def test_a_process_that_was_stopped_past_its_lease_ends_when_it_is_continued(
    hosts: Callable[[int], list[Team]],
) -> None:
    (one,) = hosts(1)
    with open_host(one) as first:
        first.take("first", ["web"])
        program = subprocess.Popen(
            [sys.executable, "-c", SENDER, str(one.folder)],
            env={**clean_environment(), "TEAMSUP_ROLE": "web 1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        with program:
            assert program.stdin is not None
            assert program.stdout is not None
            program.stdout.readline()
            with MessageHub(one) as hub:
                hub.execute("UPDATE role_leases SET expires_at = clock_timestamp() + interval '7 seconds'")
            program.stdin.write("\n")
            program.stdin.flush()
            program.stdout.readline()
            program.send_signal(signal.SIGSTOP)
            began = time.monotonic()
            eventually(lambda: time.monotonic() > began + 3.5, "its timer is over")
            program.send_signal(signal.SIGCONT)
            assert program.wait(TIMEOUT_SECONDS) == -signal.SIGALRM


def test_a_request_reaches_one_host_once_and_its_answer_the_asker(hosts: Callable[[int], list[Team]]) -> None:
    one, two = hosts(2)
    with open_host(one) as first, open_host(two) as second:
        number = first.ask(second.identity, HostRequest(0, "console-ann", "restart web", True, 10.0))
        assert first.take_requests() == []
        assert second.take_requests() == [HostRequest(number, "console-ann", "restart web", True, 10.0)]
        assert second.take_requests() == []
        assert first.find_answer(number) is None
        second.answer(number, HostAnswer("it runs", 0))
        assert first.find_answer(number) == HostAnswer("it runs", 0)
        assert first.find_answer(number) is None


def test_a_host_is_reported_with_its_age_and_its_end(hosts: Callable[[int], list[Team]]) -> None:
    (one,) = hosts(1)
    with open_host(one) as first:
        first.report("alpha", '{"pid": 5}')
        (host,) = first.read().hosts
        assert (host.name, host.state, host.is_live, host.has_ended) == ("alpha", {"pid": 5}, True, False)
        with MessageHub(one) as hub:
            hub.execute("UPDATE team_hosts SET seen_at = seen_at - interval '1 minute'")
        assert first.read().hosts[0].is_stale
        first.report("alpha", "no JSON", has_ended=True)
        (host,) = first.read().hosts
        assert (host.state, host.is_live, host.is_stale) == ({}, False, False)


def test_a_team_in_a_folder_has_no_hosts(tmp_path: Path) -> None:
    assert open_hosts(Team("other", tmp_path / "other")) is None


def test_a_server_that_stores_no_team_yet_has_no_hosts(hosts: Callable[[int], list[Team]]) -> None:
    (one,) = hosts(1)
    found = open_hosts(one)
    assert found is not None
    with found:
        assert found.read() == TeamView()
