"""Two hosts and a server as three machines: each host has a network of its own, and a link to the server's.

``python -m soak.two_networks`` cuts the link of the host that runs a worker; in a new team it kills that host. It shows
when the old worker ended and when the other host's began. It needs root and the program ``ip``.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil

from helpers.postgres_server import NoServer, PostgresServer, running_server
from teamsup.hub import MessageHub, Team

MOST_TAKEOVER_SECONDS = 30.0
_BRIDGE = "teamsup0"
_SERVER, _NETWORK = "10.77.0.1", "10.77.0.0/24"
_HOSTS = {"alpha": "10.77.0.2/24", "beta": "10.77.0.3/24"}
_ROLE = "user_comm"
_SETTLE_SECONDS = 8.0
_WAIT_SECONDS = 120.0


def run() -> bool:
    """Return whether each takeover was in time, and no worker ran twice."""
    with running_server() as server, _networks():
        if server.process is None or server.folder is None:
            raise NoServer("the server is not ours to start")
        server.stop()
        with (server.folder / "data" / "pg_hba.conf").open("a") as rules:
            rules.write(f"host all all {_NETWORK} trust\n")
        server.start("-c", f"listen_addresses={_SERVER}")
        server.url = f"postgresql://postgres@{_SERVER}/postgres"
        return all([_take_over(server, "cut off", _cut_off), _take_over(server, "killed", _kill)])


def _cut_off(_: psutil.Process) -> None:
    _ip("link", "set", f"{_BRIDGE}-alpha", "down")


def _kill(supervisor: psutil.Process) -> None:
    for process in (supervisor, *supervisor.children(recursive=True)):
        with suppress(psutil.Error):
            process.kill()


def _take_over(server: PostgresServer, name: str, disturb: Callable[[psutil.Process], None]) -> bool:
    with ExitStack() as stack:
        address = stack.enter_context(server.schema())
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        laptop = stack.enter_context(MessageHub(_make_team(home, "laptop", address)))
        stack.callback(_ip, "link", "set", f"{_BRIDGE}-alpha", "up")
        alpha = _start(stack, _make_team(home, "alpha", address))
        old = _wait_for_worker(laptop)
        _start(stack, _make_team(home, "beta", address))
        time.sleep(_SETTLE_SECONDS)
        began = time.monotonic()
        disturb(alpha)
        ended, taken_over = _watch(laptop, old, began)
    if ended is None or taken_over is None:
        print(f"alpha was {name}: FAILED: the old worker ended after {ended} s, the new one began after {taken_over} s")
        return False
    print(f"alpha was {name}: its worker ended after {ended:.1f} s, that of beta began after {taken_over:.1f} s")
    return ended <= taken_over <= MOST_TAKEOVER_SECONDS


def _watch(hub: MessageHub, old: int, began: float) -> tuple[float | None, float | None]:
    """Return the seconds until the old process had ended, and until another one was the worker. None: never."""
    ended = None
    while (seconds := time.monotonic() - began) < _WAIT_SECONDS:
        if ended is None and (not psutil.pid_exists(old) or psutil.Process(old).status() == psutil.STATUS_ZOMBIE):
            ended = seconds
        if _find_worker(hub) not in (None, old):
            return ended, seconds
        time.sleep(0.02)
    return ended, None


@contextmanager
def _networks() -> Iterator[None]:
    """A bridge with the server's address, and a namespace with a link to it for each host."""
    with ExitStack() as stack:
        _ip("link", "add", _BRIDGE, "type", "bridge")
        stack.callback(_ip, "link", "del", _BRIDGE)
        _ip("addr", "add", f"{_SERVER}/24", "dev", _BRIDGE)
        _ip("link", "set", _BRIDGE, "up")
        for host, address in _HOSTS.items():
            link, space = f"{_BRIDGE}-{host}", f"teamsup-{host}"
            _ip("netns", "add", space)
            stack.callback(_ip, "netns", "del", space)
            _ip("link", "add", link, "type", "veth", "peer", "name", "uplink", "netns", space)
            _ip("link", "set", link, "master", _BRIDGE, "up")
            _ip("-n", space, "addr", "add", address, "dev", "uplink")
            for device in ("lo", "uplink"):
                _ip("-n", space, "link", "set", device, "up")
        yield


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


def _make_team(home: Path, host: str, address: str) -> Team:
    team = Team("crew", home / host / "crew")
    team.folder.mkdir(mode=0o700, parents=True)
    others = ("gateway", "monitor-bridge", "agent-runner", "fork-server", "web")
    quiet = "".join(f"[worker.{name}]\nautostart = false\n" for name in others)
    team.configuration.write_text(f'[team]\nhub = "{address}"\nhost = "{host}"\nstandby = true\n{quiet}')
    return team


def _start(stack: ExitStack, team: Team) -> psutil.Process:
    home = team.folder.parent
    supervisor = subprocess.Popen(
        ["ip", "netns", "exec", f"teamsup-{home.name}", sys.executable, "-m", "teamsup.cli", "start", "--team", "crew"],
        env={**os.environ, "TEAMSUP_HOME": str(home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,  # that the server does not answer
    )
    stack.callback(supervisor.wait)
    stack.callback(_kill, psutil.Process(supervisor.pid))
    return psutil.Process(supervisor.pid)


def _find_worker(hub: MessageHub) -> int | None:
    agent = hub.find_agent(_ROLE)
    return None if agent is None else agent.metadata.get("pid")


def _wait_for_worker(hub: MessageHub) -> int:
    ends = time.monotonic() + _WAIT_SECONDS
    while (pid := _find_worker(hub)) is None:
        if time.monotonic() > ends:
            raise TimeoutError(f"no host runs {_ROLE}")
        time.sleep(0.05)
    return pid


if __name__ == "__main__":
    if os.geteuid() != 0 or shutil.which("ip") is None:
        print("two hosts in networks of their own, skipped: that needs root and ip")
    else:
        try:
            sys.exit(not run())
        except NoServer as missing:
            print(f"two hosts in networks of their own, skipped: {missing}")
