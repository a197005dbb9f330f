"""A hub that takes no writes: a worker that holds it is replaced, and a foreign process is named."""

import contextlib
import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from helpers.custom_workers import (
    HEARTBEAT_CODE,
    heartbeat_worker_section,
    hold_write_lock,
    ps_row,
    wait_for_log_line,
    wait_for_state,
    worker_section,
)
from helpers.support import TeamsupCommand, eventually
from teamsup.hub import MessageHub, Team
from teamsup.hub.engines import maintenance_progress
from teamsup.supervisor.configuration.roles import Roles
from teamsup.supervisor.health import hub_monitor
from teamsup.supervisor.health.hub_monitor import HubMonitor
from teamsup.supervisor.health.troubles import Troubles
from teamsup.supervisor.health.write_lock import LockOwner
from teamsup.supervisor.processes.process_manager import ProcessManager
from teamsup.supervisor.processes.spawner import Spawner
from teamsup.supervisor.processes.worker_logs import WorkerLogs

RunWorkers = Callable[[str], TeamsupCommand]

STOP = """
import os, signal, sqlite3
db = sqlite3.connect(os.environ["TEAMSUP_HOME"] + "/default/messages.db", isolation_level=None)
db.execute("BEGIN IMMEDIATE")
os.kill(os.getpid(), signal.SIGSTOP)
"""
ONCE = """
import os, pathlib, subprocess, sys
from teamsup.hub import MessageHub
MessageHub(agent=os.environ["WHO"]).heartbeat(pid=os.getpid())
once = pathlib.Path(os.environ["TEAMSUP_HOME"], "once")
if not once.exists():
    once.touch()
"""


def takes_writes(team: TeamsupCommand) -> None:
    with MessageHub(team.team, agent="lead") as lead:
        lead.register()


@pytest.mark.slow
@pytest.mark.parametrize(
    "how",
    [
        f"    exec({STOP!r})\n",
        f"    subprocess.Popen([sys.executable, '-c', {STOP!r}], start_new_session=True)\n",
    ],
    ids=["itself", "its child"],
)
def test_a_worker_that_is_stopped_in_a_transaction_is_replaced(run_workers: RunWorkers, how: str) -> None:
    team = run_workers(heartbeat_worker_section("own", ONCE + how + HEARTBEAT_CODE))

    wait_for_log_line(team, "over: own (pid ")

    takes_writes(team)
    (crash,) = wait_for_state(team, "own", "RUNNING")["crashes"]
    assert crash["reason"] == "it held the hub's write lock and did not release it"


# Its parent has ended, and it has neither the worker's mark nor its process group.
LEFT = f"""
import os, subprocess, sys
if os.fork() == 0:
    subprocess.Popen(
        [sys.executable, "-c", {STOP!r}],
        env={{"TEAMSUP_HOME": os.environ["TEAMSUP_HOME"]}},
        start_new_session=True,
    )
    os._exit(0)
os.wait()
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets the supervisor adopt them")
def test_an_orphan_that_holds_a_transaction_is_killed(run_workers: RunWorkers) -> None:
    team = run_workers(heartbeat_worker_section("own", f"{ONCE}    exec({LEFT!r})\n{HEARTBEAT_CODE}"))
    pid = wait_for_state(team, "own", "RUNNING")["pid"]

    wait_for_log_line(team, ", which a worker left behind, holds the hub's write lock. It is killed.")
    wait_for_log_line(team, "over: Pid ")

    takes_writes(team)
    assert (ps_row(team, "own")["pid"], ps_row(team, "own")["restarts"]) == (pid, 0)


@pytest.mark.slow
def test_a_foreign_process_that_holds_the_hub_is_named_until_it_lets_go(
    run_workers: RunWorkers, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(30)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        team = run_workers(heartbeat_worker_section("own"))
        pid = wait_for_state(team, "own", "RUNNING")["pid"]
        with hold_write_lock(team.team.database) as foreign_pid:
            named = f"Pid {foreign_pid} ({sys.executable} -c import sqlite3"

            eventually(lambda: named in manager.recv(4096).decode(), "the service manager's status line")
            assert wait_for_log_line(team, named).endswith("holds the hub's write lock. End that program.")
            # The log has it before the published state.
            eventually(lambda: named in ps_row(team, "supervisor")["note"], "the supervisor's note")
            assert team.run("ps").returncode == 4

        eventually(lambda: team.run("ps").returncode == 0, "all well again")
    eventually(lambda: ps_row(team, "supervisor")["note"] == "", "the note has gone")
    assert psutil.pid_exists(foreign_pid) is False
    assert (ps_row(team, "own")["pid"], ps_row(team, "own")["restarts"]) == (pid, 0)


@pytest.mark.slow
def test_maintenance_that_goes_on_is_shown(run_workers: RunWorkers) -> None:
    team = run_workers(heartbeat_worker_section("own"))
    with (
        contextlib.closing(sqlite3.connect(team.team.database, timeout=20, isolation_level=None)) as db,
        maintenance_progress.announce_maintenance(team.team.run, "migration", total=7),
    ):
        db.execute("BEGIN IMMEDIATE")
        wait_for_log_line(team, f"The hub does not accept writes while pid {os.getpid()} works on it (migration, 0 %).")

    wait_for_log_line(team, "over: The hub does not accept writes")


@pytest.mark.parametrize(
    ("owner", "text"),
    [
        (
            LockOwner(os.getpid()),
            f"The supervisor itself (pid {os.getpid()}) holds the hub's write lock. Stop the team and start it again.",
        ),
        (
            LockOwner(None),
            "A process that the system does not name, perhaps in a container, holds the hub's write lock.",
        ),
        (None, "The hub does not accept writes, and no program holds it. Look at its disk."),
    ],
    ids=["a thread of ours", "unknown", "nobody"],
)
async def test_any_other_obstacle_to_writes_is_named(
    team: Team, monkeypatch: pytest.MonkeyPatch, owner: LockOwner | None, text: str
) -> None:
    monkeypatch.setattr(hub_monitor, "CHECK_SECONDS", 0.0)
    monkeypatch.setattr(hub_monitor, "_HEARTBEAT_SECONDS", 0.0)
    monkeypatch.setattr(hub_monitor, "find_lock_owner", lambda _: owner)
    team.create()
    roles = Roles()
    manager = ProcessManager(
        Spawner(team, roles), WorkerLogs(team.logs, echo=False), lambda _: None, lambda *_: None, roles
    )
    lines: list[str] = []
    with MessageHub(team) as hub:
        monitor = HubMonitor(hub, manager, Troubles(lines.append, lambda: None))
        monitor.begin_write()
        for _ in range(3):
            await monitor.check()
        monitor.end_write()

    assert lines == [text, f"over: {text}"]


@pytest.mark.slow
def test_a_team_starts_while_a_foreign_process_holds_its_hub_and_names_it(teamsup: TeamsupCommand) -> None:
    teamsup.configure(worker_section("own") + heartbeat_worker_section("beats"))
    takes_writes(teamsup)
    with contextlib.ExitStack() as held:
        foreign_pid = held.enter_context(hold_write_lock(teamsup.team.database))
        with teamsup.open("start", stdout=subprocess.DEVNULL) as supervisor:
            try:
                wait_for_log_line(teamsup, f"Pid {foreign_pid} (")
                wait_for_state(teamsup, "own", "RUNNING")
            finally:
                held.close()
                supervisor.terminate()
