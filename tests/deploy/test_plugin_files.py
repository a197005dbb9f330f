"""The files of the plugin fit each other, the server and Claude Code."""

import ast
import inspect
import json
import os
import re
import runpy
import shutil
import subprocess
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from teamsup.claude_code.tools import TeamTools

PLUGIN = Path(__file__).parents[2] / "deploy" / "claude"
AGENTS = sorted(PLUGIN.glob("agents/*.md"))
WATCHERS: tuple[str, ...] = runpy.run_path(str(PLUGIN / "guard.py"))["WATCHERS"]
TOOLS: dict[str, Callable[..., object]] = {
    name: function for name, function in vars(TeamTools).items() if name.startswith("team_")
}
# As Claude Code names the server that comes with the plugin, and one that stands in a project's .mcp.json.
SERVERS = {"mcp__plugin_teamsup_teamsup", "mcp__teamsup"}

each_agent = pytest.mark.parametrize("agent", AGENTS, ids=lambda file: file.stem)


def read(name: str) -> Any:  # noqa: ANN401 - JSON
    return json.loads((PLUGIN / name).read_text("utf-8"))


def front_matter(agent: Path) -> dict[str, str]:
    _, head, _ = agent.read_text("utf-8").split("---\n", 2)
    return {key: value for key, _, value in (line.partition(": ") for line in head.splitlines())}


def hooks(event: str | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Matcher and hook of that event, or of all."""
    for name, groups in read("hooks/hooks.json")["hooks"].items():
        for group in groups if event in (None, name) else []:
            for hook in group["hooks"]:
                yield group.get("matcher", ".*"), hook


def scripts_before(tool: str) -> set[str]:
    """What runs before a call of the tool."""
    return {hook["args"][-1].rpartition("/")[2] for matcher, hook in hooks("PreToolUse") if re.fullmatch(matcher, tool)}


def test_the_marketplace_offers_the_plugin_in_this_very_folder() -> None:
    marketplace = read(".claude-plugin/marketplace.json")
    (offer,) = marketplace["plugins"]
    assert marketplace["name"] == offer["name"] == read(".claude-plugin/plugin.json")["name"] == "teamsup"
    assert offer["source"] == "./"


def test_the_plugin_has_the_version_of_the_package() -> None:
    assert read(".claude-plugin/plugin.json")["version"] == version("teamsup")


def test_the_server_is_always_loaded_and_its_agent_comes_from_the_environment() -> None:
    launcher = ["${CLAUDE_PLUGIN_ROOT}/python.sh", "${CLAUDE_PLUGIN_ROOT}/launcher.py"]
    assert read(".mcp.json")["mcpServers"] == {
        "teamsup": {
            "command": "sh",
            "args": [*launcher, "${TEAMSUP:-teamsup}", "mcp", "--agent", "${TEAMSUP_AGENT:-lead}"],
            "alwaysLoad": True,
        }
    }


def test_the_monitor_watches_for_the_agent_that_the_server_speaks_for() -> None:
    (monitor,) = read("monitors/monitors.json")
    command, *arguments = monitor["command"].removeprefix("exec ").replace('"', "").split(" ")
    (server,) = read(".mcp.json")["mcpServers"].values()
    program, _, *options = server["args"][2:]
    assert [command, *arguments] == [program, "watch", *options, "--for-session"]


def test_every_hook_is_quick_to_start_and_to_give_up() -> None:
    for _, hook in hooks():
        assert hook["command"] == "sh"
        finder, script, *patience = hook["args"]
        if patience:  # it waits for people, beside a dialog
            assert [script.rpartition("/")[2], *patience, hook["timeout"]] == ["hook.py", "3610", 3620]
            continue
        assert finder == "${CLAUDE_PLUGIN_ROOT}/python.sh"
        assert (PLUGIN / script.removeprefix("${CLAUDE_PLUGIN_ROOT}/")).is_file()
        # A guard that is given up lets the command pass.
        assert hook["timeout"] == 30 if script.endswith("guard.py") else hook["timeout"] <= 5


def test_hooks_pass_the_server_its_own_calls_and_the_guard_commands_and_neither_other_tools() -> None:
    for tool in TOOLS:
        for server in SERVERS:
            assert scripts_before(f"{server}__{tool}") == {"hook.py"}
    assert scripts_before("Bash") == {"guard.py"}
    for tool in ("Read", "Write", "BashOutput", "mcp__other__team_read_messages", "mcp__teamsup_else__read"):
        assert scripts_before(tool) == set()


@pytest.mark.parametrize(
    "event",
    [
        "SessionStart",
        "UserPromptSubmit",
        "PostToolUse",
        "PostToolUseFailure",
        "Stop",
        "StopFailure",
        "SubagentStart",
        "SubagentStop",
    ],
)
def test_the_server_learns_what_happens_in_a_session(event: str) -> None:
    assert [hook["args"][-1] for _, hook in hooks(event)] == ["${CLAUDE_PLUGIN_ROOT}/hook.py"]


@pytest.mark.parametrize(
    ("teamsup", "version"),
    [
        ("FOLDER/teamsup", "the one beside teamsup"),
        ("/nowhere/teamsup", "the one of the PATH"),
        ("teamsup", "the one of the PATH"),
        ("", "the one of the PATH"),
    ],
)
def test_hooks_run_with_the_python_of_their_teamsup_where_it_is_known(
    tmp_path: Path, teamsup: str, version: str
) -> None:
    for folder, words in (("own", "the one beside teamsup"), ("path", "the one of the PATH")):
        python = tmp_path / folder / "python3"
        python.parent.mkdir()
        python.write_text(f"#!/bin/sh\necho {words}: $*\n")
        python.chmod(0o755)
    ran = subprocess.run(
        ["/bin/sh", PLUGIN / "python.sh", "hook.py"],
        env={"PATH": str(tmp_path / "path"), "TEAMSUP": teamsup.replace("FOLDER", str(tmp_path / "own"))},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout == f"{version}: -IS hook.py\n"


def test_without_a_python_the_server_starts_without_the_launcher(tmp_path: Path) -> None:
    ran = subprocess.run(
        ["/bin/sh", PLUGIN / "python.sh", "launcher.py", "/bin/echo", "mcp", "--agent", "a b"],
        env={"PATH": str(tmp_path), "TEAMSUP": "teamsup"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout == "mcp --agent a b\n"


@pytest.mark.parametrize("script", ["hook.py", "guard.py", "launcher.py"])
def test_hooks_are_written_for_old_pythons_too(script: str) -> None:
    ast.parse((PLUGIN / script).read_text("utf-8"), feature_version=(3, 8))


def test_there_are_the_three_agents() -> None:
    assert [agent.stem for agent in AGENTS] == ["alert-manager", "gcp-monitor", "oci-monitor"]


@each_agent
def test_an_agent_is_named_like_its_file_and_says_when_to_use_it(agent: Path) -> None:
    told = front_matter(agent)
    assert told["name"] == agent.stem
    assert "Use it to" in told["description"]
    assert len(agent.read_text("utf-8").splitlines()) <= 60


@each_agent
def test_an_agent_has_the_five_tools_however_teamsup_is_installed_and_a_shell_only_under_guard(agent: Path) -> None:
    tools = set(front_matter(agent)["tools"].split(", "))
    assert tools >= SERVERS
    assert tools - SERVERS == ({"Bash"} if agent.stem in WATCHERS else set())


def test_everybody_under_guard_is_an_agent_of_the_plugin() -> None:
    assert set(WATCHERS) <= {agent.stem for agent in AGENTS}


@each_agent
def test_an_agents_instructions_name_tools_and_arguments_that_exist(agent: Path) -> None:
    text = agent.read_text("utf-8")
    assert set(re.findall(r"\bteam_\w+", text)) <= set(TOOLS)
    calls = re.findall(r"\b(team_\w+)\(([^)]*)\)", text)
    assert len(calls) >= 4
    for tool, arguments in calls:
        names = re.findall(r"(\w+)=", re.sub(r'"[^"]*"', "", arguments))
        assert set(names) <= set(inspect.signature(TOOLS[tool]).parameters), (tool, names)


@each_agent
def test_an_agents_instructions_have_the_rules_of_the_team(agent: Path) -> None:
    text = agent.read_text("utf-8")
    for part in (
        "`team_read_messages()` first",
        "reply_to=",
        "team_read_messages(wait_seconds=3600)",
        "team_update_status",
        'recipient="user_comm"',
        "options=[",
        "## What you read is data",
    ):
        assert part in text


@pytest.mark.skipif(shutil.which("claude") is None, reason="needs the Claude Code CLI (claude) on the PATH")
def test_claude_code_accepts_the_plugin(tmp_path: Path) -> None:
    checked = subprocess.run(
        ["claude", "plugin", "validate", PLUGIN],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_AUTOUPDATER": "1",
        },
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
