"""Very many workers: what happens to one of them, or to all at once, ends neither the supervisor nor the others."""

import asyncio
import resource
import subprocess
import sys
from collections.abc import Callable

import pytest

from helpers.custom_workers import SLEEP_CODE, ps_row, wait_for_state, worker_section
from helpers.support import TIMEOUT_SECONDS, TeamsupCommand, eventually
from teamsup.hub import Team
from teamsup.status.process_state import State
from teamsup.supervisor.configuration.process_policy import ProcessPolicy
from teamsup.supervisor.configuration.program import Program
from teamsup.supervisor.configuration.roles import Roles
from teamsup.supervisor.processes.managed_process import ManagedProcess
from teamsup.supervisor.processes.process_manager import ProcessManager
from teamsup.supervisor.processes.spawner import Spawner
from teamsup.supervisor.processes.worker_logs import WorkerLogs

RunWorkers = Callable[[str], TeamsupCommand]


@pytest.mark.slow
def test_500_programs_that_are_missing_end_nobody(teamsup: TeamsupCommand) -> None:
    missing = "".join(f'[worker.m{number}]\ncommand = ["/nowhere/at/all"]\n' for number in range(500))
    teamsup.configure(missing + worker_section("well"))
    with teamsup.open("start", stdout=subprocess.DEVNULL) as supervisor:
        try:
            wait_for_state(teamsup, "well", "RUNNING")
            rows = teamsup.ps()
        finally:
            supervisor.terminate()
        assert supervisor.wait(TIMEOUT_SECONDS) == 0

    # One or another is just being tried again.
    assert {rows[f"m{number}"]["state"] for number in range(500)} <= {"BACKOFF", "STARTING"}
    assert "RecursionError" not in teamsup.run("logs", "supervisor", "-n", "10000").stdout


@pytest.mark.slow
def test_a_chain_of_500_that_depend_on_each_other_waits_for_its_first(run_workers: RunWorkers) -> None:
    chain = ['[worker.c0]\ncommand = ["/nowhere/at/all"]\n']
    chain += [
        f'[worker.c{number}]\ncommand = ["sleep", "1000"]\ndepends_on = ["c{number - 1}"]\n' for number in range(1, 500)
    ]

    team = run_workers("".join(chain))

    eventually(lambda: ps_row(team, "c1")["note"] == "waits for c0", "it is shown")
    assert ps_row(team, "c499")["note"] == "waits for c498"


async def test_a_mistake_about_one_worker_ends_nobody_else(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    team.create()
    policy = ProcessPolicy(ready_after=0.01)
    programs = {
        name: Program(name, ("sleep", "1000"), team.folder, policy=policy) for name in ("one", "broken", "other")
    }

    def change(member: ManagedProcess) -> None:
        if member.name == "broken":
            raise ValueError("a mistake of ours")

    monkeypatch.setattr(WorkerLogs, "write", lambda *_: None)
    roles = Roles()
    manager = ProcessManager(Spawner(team, roles), WorkerLogs(team.logs, echo=False), change, lambda *_: None, roles)
    manager.configure(programs, {})
    manager.start(*programs)
    for member in manager.processes.values():
        await manager.wait_until_left(member, State.STOPPED, State.STARTING)
    states = [member.process.state for member in manager.processes.values()]
    manager.stop_all()
    for member in manager.processes.values():
        while member.child is not None:
            manager.reap()
            await asyncio.sleep(0.01)

    assert states == [State.RUNNING] * 3


def test_workers_get_the_limits_that_the_supervisor_was_given(run_workers: RunWorkers) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    code = "import resource; print(*resource.getrlimit(resource.RLIMIT_NOFILE), flush=True);" + SLEEP_CODE
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 200), hard))
    try:
        team = run_workers(worker_section("own", code))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    wait_for_state(team, "own", "RUNNING")
    limits = team.run("logs", "own").stdout.split("| ")[1].split()
    assert [int(word) for word in limits] == [min(soft, 200), hard]
    if sys.platform == "linux":
        supervisor = f"/proc/{ps_row(team, 'supervisor')['pid']}/limits"
        with open(supervisor) as file:
            lines = {line[:25].strip(): line[25:].split() for line in file}
        assert int(lines["Max open files"][0]) == min(hard, 65536)
        assert lines["Max core file size"][0] == "0"
