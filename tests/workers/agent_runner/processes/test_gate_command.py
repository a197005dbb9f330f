"""What a gate answers, and what it leaves."""

from pathlib import Path

import pytest

from teamsup.hub import Team
from teamsup.workers.agent_runner.judgement import Finish
from teamsup.workers.agent_runner.processes import gate_command
from teamsup.workers.agent_runner.processes.gate_command import ask_gate
from teamsup.workers.agent_runner.programs.command import BRIEFING
from teamsup.workers.agent_runner.run import Cause, Run
from teamsup.workers.agent_runner.sections import AgentSection

RUN = Run(7, "ops", Cause("message", "m"), "s")


async def ask(team: Team, folder: Path, script: str) -> Finish | None:
    team.create()
    (folder / BRIEFING).write_text("urgent\n")
    return await ask_gate(team, RUN, AgentSection(gate=("sh", "-c", script)), folder)


async def test_a_gate_reads_the_briefing_and_decides(team: Team, tmp_path: Path) -> None:
    assert await ask(team, tmp_path, "grep -q urgent") is None
    refused = Finish("stopped", "its gate did not start it: not now")
    assert await ask(team, tmp_path, "grep -q other || { echo not now; exit 1; }") == refused


async def test_a_gate_that_leaves_a_process_behind_has_answered(team: Team, tmp_path: Path) -> None:
    assert await ask(team, tmp_path, "sleep 5 & exit 0") is None


async def test_a_gate_that_does_not_answer_starts_nothing(
    team: Team, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate_command, "_GATE_SECONDS", 0.1)
    with pytest.raises(OSError, match="its gate has not answered within 0 seconds"):
        await ask(team, tmp_path, "sleep 1000")
