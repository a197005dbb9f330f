"""Ctrl-C and a reader that leaves: every command ends at once, with its exit code, and leaves nothing half-written."""

import json
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from helpers.source_tree import ROOT
from helpers.support import TeamsupCommand, clean_environment, eventually
from teamsup.cli.completion.known_commands import Command, all_commands, options_of, values_of
from teamsup.hub import MessageHub
from teamsup.hub.errors import ExitCode

TRIED_ELSEWHERE = {
    "start": "tests/supervisor/test_team.py",
    "demo": "tests/workers/monitor_bridge/demo/test_demo_command.py",
    "service install": "it changes this machine",
    "service uninstall": "it changes this machine",
}
WAITS = {"--watch": (), "--follow": (), "--wait": ("60",)}
"""Options with which a command goes on, and their values."""
LONG = {"chat", "doctor", "mcp", "watch"}
"""Commands that test_every_command.py does not run with a reader that has left."""
ENDS_WELL = {"chat", "watch", "mcp"}
"""Commands that a person or a program ends by leaving, so they end well."""


def words_of(command: Command) -> list[str]:
    """The command with what it needs, so that it comes as far as possible in a team with one message."""
    words = list(command.words)
    values = [each for each in values_of(command.parser) if each.nargs in (None, "+")]
    words += [str(next(iter(each.choices))) if each.choices else "1" for each in values]
    for each in options_of(command.parser):
        if each.required:
            words += [each.option_strings[-1], "1"]
        elif "--yes" in each.option_strings:
            words.append("--yes")
    return words


def cases() -> list[tuple[list[str], str]]:
    found: list[tuple[list[str], str]] = []
    for command in all_commands():
        if command.runs and " ".join(command.words) not in TRIED_ELSEWHERE:
            words = words_of(command)
            names = {name for each in options_of(command.parser) for name in each.option_strings}
            going_on = [[*words, name, *value] for name, value in WAITS.items() if name in names]
            found += [(each, "interrupt") for each in (words, *going_on)]
            found += [(each, "pipe") for each in ((words,) if words[0] in LONG else going_on)]
    return found


@pytest.mark.slow
def test_every_command_that_is_left_ends_without_a_trace(teamsup: TeamsupCommand, tmp_path: Path) -> None:
    with MessageHub(teamsup.team, agent="lead") as lead:
        lead.register()
        lead.send("lead", "hi", message_id="1")
    teamsup.team.logs.mkdir(exist_ok=True)
    (teamsup.team.logs / "gateway.log").write_text("2030-01-15T10:00:00Z hello\n")
    environment = {**clean_environment(), "TEAMSUP_HOME": str(teamsup.home), "HOME": str(tmp_path)}
    tried = cases()

    done = subprocess.run(
        [sys.executable, "-m", "helpers.left_commands"],
        input=json.dumps(tried),
        env={**environment, "PYTHONPATH": str(ROOT / "tests")},
        capture_output=True,
        text=True,
        check=True,
    )

    for (words, how), result in zip(tried, json.loads(done.stdout), strict=True):
        code, errors = result["code"], result["errors"]
        described = f"{words} {how}: {result}"
        assert code in list(ExitCode), described
        assert code not in (ExitCode.INTERNAL, ExitCode.USAGE) or "teamsup" in errors, described
        assert "Traceback" not in errors, described
        assert "Broken pipe" not in errors, described
        if code == ExitCode.INTERRUPTED:
            assert result["left"] == [], described
            assert errors.count("\n") <= 1, described
        elif any(name in words for name in WAITS) and how == "interrupt" and words[0] not in ENDS_WELL:
            assert errors, f"{described}: it neither waited nor said why"
    codes = {result["code"] for result in json.loads(done.stdout)}
    assert {ExitCode.INTERRUPTED, ExitCode.NO_READER} <= codes
    eventually(lambda: processes_of(str(teamsup.home)) == [], "all processes have ended")


def processes_of(home: str) -> list[int]:
    """The processes with this folder of teams."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("TEAMSUP_HOME") == home:
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


def test_commands_that_are_tried_elsewhere_exist() -> None:
    names = {" ".join(each.words) for each in all_commands() if each.runs}
    assert TRIED_ELSEWHERE.keys() <= names
    assert all(reason.startswith("it ") or (ROOT / reason).exists() for reason in TRIED_ELSEWHERE.values())
