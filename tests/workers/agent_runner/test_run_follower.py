"""How a run's process is followed, with a program that says what Claude Code says."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path

from teamsup.config.components import open_hub
from teamsup.config.loader import Config
from teamsup.hub import MessageHub, Team
from teamsup.workers.agent_runner.component import component
from teamsup.workers.agent_runner.processes.agent_settings import AgentSettings
from teamsup.workers.agent_runner.processes.run_follower import RunFollower
from teamsup.workers.agent_runner.processes.run_process import OUTPUT
from teamsup.workers.agent_runner.programs.claude_output import read_lines
from teamsup.workers.agent_runner.programs.program import Call, Launch, RunOutput
from teamsup.workers.agent_runner.run import Cause, Run
from teamsup.workers.agent_runner.run_table import RunTable
from teamsup.workers.agent_runner.sections import AgentSection

_INIT = '{"type": "system", "subtype": "init", "mcp_servers": [{"name": "disks", "status": "failed"}]}'


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
