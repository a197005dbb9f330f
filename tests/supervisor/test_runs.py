"""The runs of agents outlive a worker and a supervisor that die; the end of the team ends them."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from helpers.support import TIMEOUT_SECONDS, TeamsupCommand, eventually
from teamsup.hub.engines.marked_processes import RUN_VARIABLE, is_mark_of, is_running, marked_processes

# The first line on its stdin has ended, and the team's folder is where its directory is.
PROGRAM = "import pathlib, time; pathlib.Path('begun').touch()\nwhile not pathlib.Path('go').exists(): time.sleep(0.01)"


def configure(teamsup: TeamsupCommand, *, with_agent: bool = True) -> None:
    quiet = "".join(f"[worker.{name}]\nautostart = false\n" for name in ("user_comm", "monitor-bridge", "gateway"))
    command = json.dumps([sys.executable, "-S", "-c", PROGRAM])
    agent = f'[agent.gcp]\nstart = ["message"]\ndirectory = "{teamsup.team.folder}"\ncommand = {command}\n'
    teamsup.team.folder.mkdir(parents=True, exist_ok=True)
    teamsup.team.configuration.write_text(quiet + (agent if with_agent else ""))


@contextmanager
def run_team(teamsup: TeamsupCommand) -> Iterator[subprocess.Popen[str]]:
    """A supervisor that runs until the block ends."""
    with teamsup.open("start", stdout=subprocess.DEVNULL) as supervisor:
        try:
            yield supervisor
        finally:
            if supervisor.poll() is None:
                supervisor.send_signal(signal.SIGTERM)
            supervisor.wait(TIMEOUT_SECONDS)


def runs(teamsup: TeamsupCommand) -> set[int]:
    """The pids of the processes of runs."""
    found = (one for one, mark in marked_processes(RUN_VARIABLE) if is_mark_of(teamsup.team.folder, mark))
    return {process.pid for process in found if is_running(process)}


def begin_run(teamsup: TeamsupCommand) -> set[int]:
    """Let a message start the agent; return the pids of its run."""
    eventually(lambda: teamsup.ps().get("agent-runner", {}).get("state") == "RUNNING", "agent-runner")
    assert teamsup.run("send", "gcp", "go").returncode == 0
    eventually((teamsup.team.folder / "begun").exists, "the run")
    return runs(teamsup)


@pytest.mark.slow
def test_a_run_outlives_the_worker_and_the_supervisor_and_ends_with_the_team(teamsup: TeamsupCommand) -> None:
    configure(teamsup)
    with run_team(teamsup) as supervisor:
        before = begin_run(teamsup)
        worker = teamsup.ps()["agent-runner"]["pid"]
        os.kill(worker, signal.SIGKILL)
        eventually(lambda: teamsup.ps()["agent-runner"]["pid"] not in (None, worker), "the next worker")
        assert runs(teamsup) == before
        family = psutil.Process(supervisor.pid).children(recursive=True)
        supervisor.kill()
        supervisor.wait()
        psutil.wait_procs([each for each in family if each.pid not in before], timeout=20)
    with run_team(teamsup):
        eventually(lambda: teamsup.ps().get("agent-runner", {}).get("state") == "RUNNING", "agent-runner")
        assert runs(teamsup) == before
        assert teamsup.run("stop").returncode == 0
        assert runs(teamsup) == set()
    with run_team(teamsup):
        eventually(lambda: teamsup.ps().get("agent-runner", {}).get("state") == "RUNNING", "agent-runner")
        listed = eventually(lambda: unknown(teamsup), "the judgement")
        assert [(row["state"], row["starts"]) for row in listed] == [("unknown", 1)]


def unknown(teamsup: TeamsupCommand) -> list[dict[str, object]]:
    """The runs, once the first is no longer running."""
    listed: list[dict[str, object]] = json.loads(teamsup.run("runs", "--json").stdout)["runs"]
    return listed if listed and listed[0]["state"] != "running" else []


@pytest.mark.slow
def test_a_start_without_agents_ends_the_runs_of_a_killed_team(teamsup: TeamsupCommand) -> None:
    configure(teamsup)
    with run_team(teamsup) as supervisor:
        assert begin_run(teamsup)
        supervisor.kill()
        supervisor.wait()
    configure(teamsup, with_agent=False)
    with run_team(teamsup):
        eventually(lambda: not runs(teamsup), "the end of the run")


@pytest.mark.slow
def test_stop_ends_the_runs_that_a_killed_supervisor_left(teamsup: TeamsupCommand) -> None:
    configure(teamsup)
    with run_team(teamsup) as supervisor:
        assert begin_run(teamsup)
        supervisor.kill()
        supervisor.wait()
    stopped = teamsup.run("stop")
    assert "Ended the runs of agents: " in stopped.stdout
    assert runs(teamsup) == set()


@pytest.mark.slow
def test_stop_of_the_worker_alone_ends_its_runs_too(teamsup: TeamsupCommand) -> None:
    """Else nobody would end them in time."""
    configure(teamsup)
    with run_team(teamsup):
        assert begin_run(teamsup)
        assert teamsup.run("stop", "agent-runner").returncode == 0
        assert runs(teamsup) == set()
