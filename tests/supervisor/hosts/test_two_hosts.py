"""Two team folders are two hosts of one team, with real supervisors and a real server. A worker runs on one of them.

The worker writes down each of its acts with the clock of the machine, which both hosts share. So two that act at the
same time are seen.
"""

import functools
import itertools
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil
import pytest

from conftest import run_team
from helpers.custom_workers import worker_section
from helpers.postgres_server import NoServer, PostgresServer, running_server
from helpers.socket_proxy import SocketProxy
from helpers.support import TeamsupCommand, eventually

pytestmark = pytest.mark.slow

WITNESS = """
import asyncio, os, time
from teamsup.workers.worker import Worker, run_process

class Witness(Worker):
    name = "witness"

    async def handle(self, delivery):
        self.hub.reply(delivery, os.environ["TEAMSUP_HOME"])

    async def work(self):
        acts = os.open(os.environ["ACTS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        while True:
            os.write(acts, f"{os.getpid()} {time.monotonic()}\\n".encode())
            await asyncio.sleep(0.01)

run_process("witness", Witness, "")
"""


class TwoHosts:
    """Alpha, which runs the witness, and beta, its standby."""

    def __init__(self, folder: Path, server: PostgresServer, alpha: TeamsupCommand, beta: TeamsupCommand) -> None:
        self.acts_file = folder / "acts"
        self.server = server
        self.alpha = alpha
        self.beta = beta
        self.supervisors: dict[str, psutil.Process] = {}

    def processes_of(self, host: str) -> list[psutil.Process]:
        supervisor = self.supervisors[host]
        return [supervisor, *supervisor.children(recursive=True)]

    def acts(self) -> dict[int, list[float]]:
        """The times of all acts, by the process that acted."""
        found: dict[int, list[float]] = {}
        for line in self.acts_file.read_text().splitlines():
            pid, at = line.split()
            found.setdefault(int(pid), []).append(float(at))
        return found

    def wait_for_another(self, before: int) -> int:
        """The process that acts after ``before`` does not any more."""
        return eventually(lambda: next((pid for pid in self.acts() if pid != before), None), "another host acts")

    def require_one_at_a_time(self) -> None:
        spans = sorted((min(times), max(times)) for times in self.acts().values())
        for (_, end), (begin, _) in itertools.pairwise(spans):
            assert end < begin, f"two acted at once: {spans}"

    def holder(self) -> str:
        return str(self.alpha.ps()["witness"]["host"] or "alpha")


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with ExitStack() as stack:
        try:
            yield stack.enter_context(running_server())
        except NoServer as error:
            pytest.skip(str(error))


@pytest.fixture
def start_hosts(tmp_path: Path, server: PostgresServer) -> Iterator[Callable[..., TwoHosts]]:
    """Starts both hosts. Alpha may reach the server ``through`` another address."""
    with ExitStack() as stack:
        address = stack.enter_context(server.schema())

        def start(through: Callable[[str], str] | None = None) -> TwoHosts:
            alpha, beta = TeamsupCommand(tmp_path / "alpha"), TeamsupCommand(tmp_path / "beta")
            hosts = TwoHosts(tmp_path, server, alpha, beta)
            for name, host in (("alpha", alpha), ("beta", beta)):
                acts = f'environment = {{ ACTS = "{hosts.acts_file}" }}\n'
                host.configure(worker_section("witness", WITNESS, heartbeat_seconds=20) + acts)
                url = address if through is None or name == "beta" else through(address)
                team = f'[team]\nhub = "{url}"\nhost = "{name}"\nstandby = true\n'
                host.team.configuration.write_text(team + host.team.configuration.read_text())
                supervisor = stack.enter_context(run_team(host))
                hosts.supervisors[name] = psutil.Process(supervisor.pid)
                stack.callback(continue_all, hosts, name)
                eventually(functools.partial(is_ready, host), name)
            eventually(lambda: hosts.acts_file.exists() and len(hosts.acts()) == 1, "the witness acts")
            return hosts

        yield start


def is_ready(host: TeamsupCommand) -> bool:
    return "ready in" in host.log("supervisor")


def waits_for_beta(host: TeamsupCommand) -> bool:
    """Whether the supervisor of the host knows that beta runs the witness."""
    return "host beta, which runs it" in (host.team.folder / "supervisor.json").read_text()


def continue_all(hosts: TwoHosts, host: str) -> None:
    """Let a host that a failed test has left stopped end."""
    with suppress(psutil.Error):
        for process in hosts.processes_of(host):
            process.send_signal(signal.SIGCONT)


def test_a_standby_takes_over_when_the_other_host_is_killed(start_hosts: Callable[..., TwoHosts]) -> None:
    hosts = start_hosts()
    (first,) = hosts.acts()
    for process in hosts.processes_of("alpha"):
        with suppress(psutil.Error):
            process.kill()
    hosts.wait_for_another(first)
    rows = eventually(lambda: rows if (rows := hosts.beta.ps())["witness"]["state"] == "RUNNING" else None, "it runs")
    assert (rows["supervisor@alpha"]["state"], rows["supervisor@alpha"]["well"]) == ("unknown", False)
    assert "host alpha has not reported for" in rows["supervisor@alpha"]["note"]
    hosts.require_one_at_a_time()


def test_a_host_that_is_stopped_acts_no_more_when_it_is_continued(start_hosts: Callable[..., TwoHosts]) -> None:
    hosts = start_hosts()
    (first,) = hosts.acts()
    stopped = hosts.processes_of("alpha")
    for process in stopped:
        process.suspend()
    second = hosts.wait_for_another(first)
    # The workers first, as if the supervisor came too late.
    for process in reversed(stopped):
        process.resume()
    eventually(lambda: not psutil.pid_exists(first), "the former holder has ended")
    eventually(lambda: waits_for_beta(hosts.alpha), "alpha waits")
    hosts.require_one_at_a_time()
    assert [*hosts.acts()] == [first, second]
    assert hosts.holder() == "beta"


def test_a_worker_ends_by_itself_when_its_supervisor_alone_is_stopped(start_hosts: Callable[..., TwoHosts]) -> None:
    hosts = start_hosts()
    (first,) = hosts.acts()
    hosts.supervisors["alpha"].suspend()
    hosts.wait_for_another(first)
    hosts.supervisors["alpha"].resume()
    eventually(lambda: not psutil.pid_exists(first), "the former holder is reaped")
    hosts.require_one_at_a_time()


def test_a_host_that_is_cut_off_ends_its_worker_before_another_begins(
    start_hosts: Callable[..., TwoHosts], server: PostgresServer, tmp_path: Path
) -> None:
    if server.folder is None:
        pytest.skip("the server of another is not reached through a socket of ours")
    with SocketProxy(server.folder, tmp_path / "cut") as proxy:
        hosts = start_hosts(proxy.address_of)
        (first,) = hosts.acts()
        proxy.cut()
        second = hosts.wait_for_another(first)
        proxy.mend()
        eventually(lambda: waits_for_beta(hosts.alpha), "alpha is back")
        hosts.require_one_at_a_time()
        assert [*hosts.acts()] == [first, second]


def test_a_restart_of_the_server_makes_nobody_act_twice(start_hosts: Callable[..., TwoHosts]) -> None:
    hosts = start_hosts()
    if hosts.server.folder is None:
        pytest.skip("the server of another is not restarted")
    hosts.server.stop(signal.SIGKILL)
    hosts.server.start()
    eventually(lambda: hosts.beta.run("send", "witness", "who?").returncode == 0, "the hub takes messages")
    eventually(lambda: hosts.alpha.ps()["witness"]["state"] == "RUNNING", "the witness runs")
    hosts.require_one_at_a_time()


def test_a_person_reaches_the_workers_of_the_other_host(start_hosts: Callable[..., TwoHosts]) -> None:
    hosts = start_hosts()
    (first,) = hosts.acts()
    assert hosts.beta.run("restart", "witness").stdout.startswith("witness runs, pid ")
    second = hosts.wait_for_another(first)
    assert hosts.beta.ps()["witness"]["pid"] == second
    assert "asked to restart witness" in hosts.beta.run("logs", "supervisor@alpha").stdout
    assert "Follow its log there" in hosts.beta.run("logs", "-f", "witness").stderr
    stopped = hosts.beta.run("stop", "witness").stdout.splitlines()
    assert sorted(stopped) == ["alpha: witness has ended.", "beta: witness has ended."]
    assert not psutil.pid_exists(second)
    hosts.require_one_at_a_time()


def test_an_orderly_end_hands_over_at_once(start_hosts: Callable[..., TwoHosts]) -> None:
    hosts = start_hosts()
    (first,) = hosts.acts()
    assert hosts.alpha.run("stop").returncode == 0
    hosts.wait_for_another(first)
    hosts.require_one_at_a_time()
    assert "supervisor@alpha" not in hosts.beta.ps()


def test_a_folder_without_a_supervisor_sees_the_team(start_hosts: Callable[..., TwoHosts], tmp_path: Path) -> None:
    hosts = start_hosts()
    laptop = TeamsupCommand(tmp_path / "laptop")
    laptop.team.folder.mkdir(parents=True)
    hub = next(line for line in hosts.beta.team.configuration.read_text().splitlines() if line.startswith("hub"))
    laptop.team.configuration.write_text(f"[team]\n{hub}\n")
    os.chmod(laptop.team.configuration, 0o600)
    shown = laptop.run("ps")
    assert (shown.returncode, "witness" in shown.stdout) == (0, True)
    assert laptop.run("restart", "witness").stdout.startswith("witness runs, pid ")
    assert "is not running" not in laptop.run("chat", stdin="").stderr
