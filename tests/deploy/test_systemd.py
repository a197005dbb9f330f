"""The unit under a real systemd: process 1 of a container whose root is an overlay of this machine's.

Nothing of the machine changes. The container ends with the test.
"""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from helpers.custom_workers import worker_section
from helpers.support import TIMEOUT_SECONDS, TeamsupCommand, clean_environment, eventually
from teamsup.hub.errors import ExitCode

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        "TEAMSUP_TEST_SYSTEMD" not in os.environ,
        reason="its limits are some seconds, so it needs a quiet machine: set TEAMSUP_TEST_SYSTEMD=1 and run it alone",
    ),
    pytest.mark.skipif(
        os.geteuid() != 0 or not shutil.which("systemd-nspawn") or not shutil.which("dbus-daemon"),
        reason="only root may boot a systemd here, and systemd-nspawn and dbus-daemon must be there",
    ),
]
_CHECKOUT = Path(__file__).parents[2]
_TEAMSUP = Path(sys.executable).with_name("teamsup")
_UNIT = "teamsup@default.service"
_TARGET = "[Unit]\nRequires=basic.target\nWants=dbus.service\nAfter=basic.target dbus.service\nAllowIsolate=yes\n"
# The checkout may be in /tmp, which the unit hides. With shorter limits the test is quick.
_DROP_IN = "[Service]\nPrivateTmp=no\nWatchdogSec=2\nTimeoutStartSec=3\nTimeoutStopSec=3\nRestartSec=100ms\n"
# In its own mount namespace and control group, so that it leaves neither mounts nor groups behind.
_BOOT = """
for each in /sys/fs/cgroup/systemd /sys/fs/cgroup/unified /sys/fs/cgroup; do
  [ -w "$each/cgroup.procs" ] && mkdir -p "$each/$1" && echo $$ > "$each/$1/cgroup.procs"
done
mount --make-rprivate / && mount -t tmpfs tmpfs "$2" && cd "$2" && mkdir upper work root &&
mount -t overlay overlay -o "lowerdir=/,upperdir=$2/upper,workdir=$2/work" root || exit 1
: > root/etc/machine-id
rm -rf root/etc/systemd/system/*.wants
printf "$4" > root/etc/systemd/system/try.target
mkdir -p "root/etc/systemd/system/$6.d" && printf "$5" > "root/etc/systemd/system/$6.d/short.conf"
exec systemd-nspawn --quiet --directory=root --register=no --keep-unit --private-network --console=pipe \
  --bind="$3" --boot systemd.unit=try.target
"""


@dataclass(frozen=True)
class Machine:
    """A container with systemd, whose process 1 is ``init``."""

    init: int

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        namespaces = ("--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup")
        return subprocess.run(
            ["nsenter", "--target", str(self.init), *namespaces, "--", *words],
            env={**clean_environment(), "HOME": "/root", "TEAMSUP_HOME": "/srv/teams"},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )

    def teamsup(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.run(str(_TEAMSUP), *words)

    def is_up(self) -> bool:
        return self.run("systemctl", "is-system-running").stdout.strip() in ("running", "degraded")

    def show(self, name: str) -> str:
        """Return a property of the unit."""
        return self.run("systemctl", "show", _UNIT, f"--property={name}", "--value").stdout.strip()

    def configure(self, toml: str) -> None:
        TeamsupCommand(Path("/proc", str(self.init), "root", "srv", "teams")).configure(toml)

    def wait_for(self, **properties: str) -> None:
        eventually(
            lambda: all(self.show(name) == value for name, value in properties.items()),
            f"{properties}: {self.run('systemctl', 'status', _UNIT).stdout}",
        )


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    name = f"teamsup-test-{os.getpid()}"
    words = (name, str(tmp_path), str(_CHECKOUT), _TARGET, _DROP_IN, _UNIT)
    log = tmp_path.with_suffix(".log")
    with (
        log.open("w") as output,
        subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", _BOOT, "boot", *words],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as nspawn,
    ):
        try:

            def init() -> Machine | None:
                if nspawn.poll() is not None:
                    pytest.skip(f"systemd-nspawn cannot boot here: {log.read_text()[-300:]}")
                children = psutil.Process(nspawn.pid).children(recursive=True)
                pids = [each.pid for each in children if each.name() == "systemd"]
                return Machine(pids[0]) if pids else None

            try:
                found = eventually(init, "process 1")
                eventually(found.is_up, "systemd")
            except AssertionError:
                pytest.skip(f"systemd does not come up here: {log.read_text()[-300:]}")
            yield found
        finally:
            # A killed nspawn does not take the container with it. All of that ends with process 1.
            children = psutil.Process(nspawn.pid).children(recursive=True) if nspawn.poll() is None else []
            nspawn.kill()
            for each in children:
                with contextlib.suppress(psutil.NoSuchProcess):
                    each.kill()
            # The kernel ends the processes of the container one after another.
            eventually(lambda: not _remove_groups(name), "no control group is left")


def _remove_groups(name: str) -> list[Path]:
    """Remove the control groups of the container. Return those that are still in use."""
    groups = [Path("/sys/fs/cgroup", root, name) for root in ("systemd", "unified", ".")]
    for group in groups:
        for folder, _, _ in os.walk(group, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(folder)
    return [group for group in groups if group.exists()]


def test_systemd_runs_the_team(machine: Machine) -> None:
    """It is one test, because a boot takes seconds."""
    idler = worker_section("idler")
    machine.configure(idler + worker_section("slow", start_seconds=5))

    # The start takes longer than its limit, and is extended.
    installed = machine.teamsup("service", "install", "--system")
    assert (installed.returncode, installed.stderr) == (0, "")
    assert (machine.show("ActiveState"), machine.show("NRestarts")) == ("active", "0")
    assert machine.show("StatusText").startswith("2 of ")
    assert machine.teamsup("service", "status").returncode == 0

    # A saved file, and a new program in the same process. Its watchdog goes on.
    machine.configure(idler)
    assert machine.run("systemctl", "reload", _UNIT).returncode == 0
    assert machine.show("StatusText").startswith("1 of ")
    pid = machine.show("MainPID")
    rolled = machine.teamsup("restart", "--rolling")
    assert (rolled.returncode, rolled.stderr) == (0, "")
    beat = machine.show("WatchdogTimestampMonotonic")
    eventually(lambda: machine.show("WatchdogTimestampMonotonic") != beat, "a beat of the new program")
    assert (machine.show("MainPID"), machine.show("NRestarts")) == (pid, "0")
    assert "hands over to the program" in machine.run("journalctl", "-u", _UNIT).stdout

    # One that was killed, and one that hangs, are started again, and leave nothing behind.
    for signal, count in (("KILL", "1"), ("STOP", "2")):
        machine.run("kill", f"-{signal}", machine.show("MainPID"))
        machine.wait_for(ActiveState="active", NRestarts=count)
        assert len(machine.run("pgrep", "-f", "time.sleep").stdout.split()) == 1

    # It is not tried again with a configuration that only a person can correct.
    machine.run("systemctl", "stop", _UNIT)
    assert machine.show("StatusText") == "stopped"
    machine.run("rm", "/srv/teams/default/run/configuration.json")
    machine.configure("[worker\n")
    assert machine.teamsup("service", "install", "--system").returncode == ExitCode.UNWELL
    machine.wait_for(ActiveState="failed", ExecMainStatus="78")

    _hang_during_the_stop(machine, machine.configure)
    assert machine.teamsup("service", "uninstall", "--system").returncode == 0
    assert machine.show("LoadState") == "not-found"


def _hang_during_the_stop(machine: Machine, configure: Callable[[str], None]) -> None:
    stubborn = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(600)\n"
    configure(worker_section("stubborn", stubborn, stop_seconds=600, start_seconds=1))
    machine.run("systemctl", "start", _UNIT)
    pid = machine.show("MainPID")
    machine.run("systemctl", "stop", "--no-block", _UNIT)
    machine.wait_for(ActiveState="deactivating")
    machine.run("kill", "-STOP", pid)
    machine.wait_for(ActiveState="failed", Result="timeout")
    assert machine.run("pgrep", "-f", "SIG_IGN").stdout == ""
