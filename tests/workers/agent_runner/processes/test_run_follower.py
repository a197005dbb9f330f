"""How a run's process is followed, with a program that says what Claude Code says."""

import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from helpers.postgres_server import PostgresServer, run_sql_on_server
from helpers.support import clean_environment, eventually
from teamsup.config.components import open_hub
from teamsup.config.loader import Config
from teamsup.hub import MessageHub, Team
from teamsup.hub.engines.choice import ADDRESS_VARIABLE, open_hosts
from teamsup.hub.engines.hosts.role_fence import FENCE_VARIABLE
from teamsup.hub.engines.marked_processes import RUN_VARIABLE
from teamsup.hub.wakeup.file_lock import try_lock
from teamsup.workers.agent_runner.component import component
from teamsup.workers.agent_runner.processes.agent_settings import AgentSettings
from teamsup.workers.agent_runner.processes.run_follower import RunFollower
from teamsup.workers.agent_runner.processes.run_process import OUTPUT, run_mark
from teamsup.workers.agent_runner.programs.claude_output import read_lines
from teamsup.workers.agent_runner.programs.program import Call, Launch, RunOutput
from teamsup.workers.agent_runner.run import Cause, Run, folder_id
from teamsup.workers.agent_runner.run_table import RunTable
from teamsup.workers.agent_runner.sections import AgentSection

_INIT = '{"type": "system", "subtype": "init", "mcp_servers": [{"name": "disks", "status": "failed"}]}'


def is_watched(team: Team) -> bool:
    """Whether a watch runs."""
    lock = try_lock(team.run / "run-watch.lock")
    if lock is not None:
        os.close(lock)
    return lock is None


class ProgramWithoutTools:
    """It says that a server has failed, and would go on for long."""

    def plan(self, run: Run, agent: AgentSection, prompt: str, *, resume: bool, folder: Path) -> Launch:
        del run, agent, prompt, resume
        return Launch(("/bin/sh", "-c", f"echo '{_INIT}'; exec sleep 600"), dict(os.environ), b"", folder)

    def read(self, folder: Path, run: Run) -> RunOutput:
        del run
        output = folder / OUTPUT
        return read_lines(output.read_bytes().splitlines() if output.exists() else [])

    def read_calls(self, folder: Path) -> Sequence[Call]:
        del folder
        return ()


async def test_an_agent_whose_server_has_failed_is_ended_at_once_and_waits_for_a_person(team: Team) -> None:
    settings = AgentSettings(team, Config(team, {"agent": {"gcp": {}}}))
    with open_hub(component, team) as hub, MessageHub(team, agent="gcp") as gcp:
        hub.enroll("gcp")
        run = RunTable(hub).insert("gcp", Cause("schedule", "now"), 1.0, directory=settings.directory("gcp"))
        follower = RunFollower(
            hub, settings, lambda _: gcp, ProgramWithoutTools(), lambda _run, _note: None, logging.getLogger()
        )

        await follower.follow(run)

        ended = RunTable(hub).get(run.id)
        assert ended is not None
        assert (ended.state, ended.reason, ended.stop) == ("planned", "the MCP server disks has failed", "")
        assert [pause.is_incident for pause in RunTable(hub).pauses(2.0)] == [True]


@pytest.mark.parametrize("state", ["planned", "running", "parked"])
@pytest.mark.parametrize(("rule", "left"), [("ask", "unknown"), ("again", "planned")])
def test_a_run_under_way_on_another_host_is_never_started_again_by_itself(
    team: Team, state: str, rule: str, left: str
) -> None:
    """Its calls are in files of that host, so a second start may repeat them."""
    settings = AgentSettings(team, Config(team, {"agent": {"gcp": {"on_unknown": rule}}}))
    with open_hub(component, team) as hub, MessageHub(team, agent="gcp") as gcp:
        hub.enroll("gcp")
        table = RunTable(hub)
        started = table.record_start(
            table.insert("gcp", Cause("schedule", "now"), 1.0), "mark", 1.0, "", "beta's folder"
        )
        assert started is not None
        ours = table.record_start(table.insert("gcp", Cause("schedule", "later"), 1.0), "", 1.0, "", folder_id(team))
        assert ours is not None
        fresh = table.insert("gcp", Cause("schedule", "then"), 1.0)
        elsewhere = table.update(started, state=state, turns=3)
        follower = RunFollower(
            hub, settings, lambda _: gcp, ProgramWithoutTools(), lambda _run, _note: None, logging.getLogger()
        )

        follower.leave_elsewhere([elsewhere, ours, fresh])
        follower.leave_elsewhere(table.open_runs())

        found = table.get(elsewhere.id)
        assert found is not None
        assert (found.state, found.folder_id, found.turns) == (left, "", 3)
        assert "another host, whose files are not here" in found.reason
        assert (table.get(ours.id), table.get(fresh.id)) == (ours, fresh)


@pytest.mark.slow
def test_the_runs_of_a_host_end_with_its_lease_also_without_supervisor_and_runner(
    team: Team, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with postgres.schema() as address:
        monkeypatch.setenv(ADDRESS_VARIABLE, address)
        MessageHub(team).close()
        hosts = open_hosts(team)
        assert hosts is not None
        with hosts:
            hosts.take("alpha", ["agent-runner"])
            (lease,) = hosts.read().leases
            mark = {**clean_environment(), RUN_VARIABLE: run_mark(team, 1)}
            with (
                subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, env=mark) as run,
                ExitStack() as stack,
            ):
                stack.callback(run.kill)
                starter = (
                    "import sys; from pathlib import Path; from teamsup.hub import Team, MessageHub;"
                    "from teamsup.workers.agent_runner.processes.run_watch import start_watch;"
                    "[start_watch(Team(sys.argv[1], Path(sys.argv[2]))) for _ in 'ab']"
                )
                subprocess.run(
                    [sys.executable, "-c", starter, team.name, str(team.folder)],
                    env={**clean_environment(), FENCE_VARIABLE: f"agent-runner {lease.token}"},
                    check=True,
                )
                eventually(lambda: is_watched(team), "the watch has its lock")
                hosts.renew({"agent-runner": lease.token})
                assert run.poll() is None
                run_sql_on_server(
                    address, "UPDATE role_leases SET expires_at = clock_timestamp() + interval '9 seconds'"
                )
                assert run.wait(30) != 0
                (ended,) = hosts.read().leases
                assert ended.seconds_left > 0, "nobody else could take the lease yet"
