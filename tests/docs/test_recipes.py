"""The scripts of docs/agent-recipes.md answer a message as programs of an agent."""

import json
import re
import shlex
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from helpers.source_tree import ROOT
from teamsup.hub import Team
from teamsup.workers.agent_runner.programs.command import CommandProgram
from teamsup.workers.agent_runner.programs.program import RunOutput
from teamsup.workers.agent_runner.run import Cause, Run
from teamsup.workers.agent_runner.sections import AgentSection

PAGE = ROOT / "docs" / "agent-recipes.md"
PRINTED: dict[str, list[dict[str, Any]]] = {
    "codex": [
        {"type": "item.completed", "item": {"type": "agent_message", "text": "I will look."}},
        {"type": "item.completed", "item": {"type": "agent_message", "text": "Well."}},
        {"type": "turn.completed", "usage": {"input_tokens": 120, "output_tokens": 7}},
    ],
    "gemini": [
        {"type": "message", "role": "user", "content": "How are you?"},
        {"type": "message", "role": "assistant", "content": "I will look.", "delta": True},
        {"type": "tool_use", "tool_name": "read_file"},
        {"type": "message", "role": "assistant", "content": "We", "delta": True},
        {"type": "message", "role": "assistant", "content": "ll.", "delta": True},
        {"type": "result", "status": "success", "stats": {"input_tokens": 120, "output_tokens": 7}},
    ],
    "opencode": [
        {"type": "text", "part": {"text": "Well."}},
        {"type": "step_finish", "part": {"tokens": {"input": 120, "output": 7}, "cost": 0.25}},
    ],
}


class RecipeHarness:
    """A run of a script of the page, for one message."""

    def __init__(self, team: Team) -> None:
        self.program = CommandProgram(team)
        self.home = team.folder
        self.folder = team.folder / "runs" / "1"
        self.folder.mkdir(parents=True)

    def play(self, script: str, *arguments: str, content: str) -> RunOutput:
        """Answer the message; the programs of the home come before those of the PATH."""
        briefing = {"message": {"from": "ann", "content": content}, "history": [], "words": ""}
        (self.folder / "briefing.json").write_text(json.dumps(briefing))
        (self.home / script).write_text(read_script(script))
        run = Run(1, "gcp", Cause("message", "m"), "s", directory=str(self.home), mark="mark")
        agent = AgentSection(
            command=(sys.executable, "-I", script, *arguments), environment={"PATH": f"{self.home}:/usr/bin:/bin"}
        )
        launch = self.program.plan(run, agent, "", resume=False, folder=self.folder)
        with (self.folder / "stdout.jsonl").open("wb") as out, (self.folder / "stderr.log").open("wb") as err:
            subprocess.run(
                launch.argv,
                input=launch.stdin,
                stdout=out,
                stderr=err,
                env=launch.environment,
                cwd=launch.directory,
                check=False,
            )
        return self.program.read(self.folder, run)

    def install(self, name: str, output: str, code: int = 0) -> Path:
        """Install a program with this output; return the file that keeps its input."""
        kept = self.home / "input"
        program = self.home / name
        program.write_text(f"#!/bin/sh\ncat >{shlex.quote(str(kept))}\nprintf %s {shlex.quote(output)}\nexit {code}\n")
        program.chmod(0o700)
        return kept


def read_script(name: str) -> str:
    """Return the script that the page says to save under this name."""
    before, _, rest = PAGE.read_text("utf-8").partition(f"`{name}`")
    assert before, name
    found = re.search(r"(?:^(?: {4}.*)?\n)+", rest[rest.index('\n\n    """') :], re.MULTILINE)
    assert found, name
    return textwrap.dedent(found[0]).lstrip()


@pytest.fixture
def harness(team: Team) -> RecipeHarness:
    return RecipeHarness(team)


def test_the_script_of_ones_own_answers_with_the_free_space_of_a_folder(harness: RecipeHarness) -> None:
    output = harness.play("disk_agent.py", content="/")
    assert (output.ending, output.progress) == ("completed", "looking at /")
    assert re.fullmatch(r"/ has \d+ GiB free of \d+ GiB\.", output.text)
    assert harness.play("disk_agent.py", content="/no/such").text == "There is no folder /no/such."


@pytest.mark.parametrize("name", PRINTED)
def test_the_answer_of_a_program_is_its_last_text_and_its_tokens_are_counted(harness: RecipeHarness, name: str) -> None:
    harness.install(name, "".join(json.dumps(line) + "\n" for line in PRINTED[name]))
    output = harness.play("cli_agent.py", name, content="How are you?")
    assert (output.ending, output.text) == ("completed", "Well.")
    assert (output.tokens_in, output.tokens_out) == (120, 7)
    assert output.usd == (0.25 if name == "opencode" else None)


def test_the_answer_of_aider_is_between_its_heading_and_its_tokens(harness: RecipeHarness) -> None:
    harness.install("aider", "Aider v0\nRepo-map: disabled\n\nWell.\n\nTokens: 100 sent, 5 received.\n")
    assert harness.play("cli_agent.py", "aider", content="How are you?").text == "Well."


def test_a_program_without_an_answer_gives_up(harness: RecipeHarness) -> None:
    harness.install("codex", '{"type": "error", "message": "no credit"}\n', code=1)
    output = harness.play("cli_agent.py", "codex", content="How are you?")
    assert (output.ending, output.text) == ("gave_up", "")
    assert "no credit" in output.detail


def test_a_message_cannot_name_a_file_or_a_command_to_a_program(harness: RecipeHarness) -> None:
    content = "/help @secret.txt $skill !ls"
    kept = harness.install("gemini", "")
    harness.play("cli_agent.py", "gemini", content=content)
    data = kept.read_text().splitlines()[-1]
    assert not set("@$/!") & set(kept.read_text())
    assert json.loads(data)["message"]["content"] == content
