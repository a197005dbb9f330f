"""Rules of Claude Code, as doctor reads them and as the real Claude Code applies them."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from claude.claude_code import PATIENCE_SECONDS, TOOL_PREFIX, ClaudeCode, needs_claude, prepare_home
from claude.scripted_model import ScriptedModel, ToolCall
from helpers.mcp_session import TEAMSUP
from helpers.support import TeamsupCommand
from teamsup.cli.claude.session_policy import Settings, check_policy, plugin_server
from teamsup.config.resources import resource_path
from teamsup.terminal.findings import Verdict

FOLDER = str(resource_path("claude"))
SERVER = plugin_server(FOLDER, TEAMSUP, "lead")
IN_NAMESPACE = ("unshare", "--map-root-user", "--mount")
"""The settings of an administrator are in /etc. In a namespace of its own a test can put them there."""
BIND = """
mount -t overlay overlay -o "lowerdir=/etc,upperdir=$1/upper,workdir=$1/work" /etc &&
mkdir -p /etc/claude-code && cp "$1/managed.json" /etc/claude-code/managed-settings.json && shift && exec "$@"
"""


def can_have_namespaces() -> bool:
    return shutil.which("unshare") is not None and not subprocess.run([*IN_NAMESPACE, "true"], check=False).returncode


pytestmark = [
    needs_claude,
    pytest.mark.slow,
    pytest.mark.skipif(not can_have_namespaces(), reason="needs namespaces of one's own"),
]


@pytest.fixture
def claude(tmp_path: Path, teamsup: TeamsupCommand) -> ClaudeCode:
    prepare_home(tmp_path / "home", tmp_path / "project")
    claude = ClaudeCode(tmp_path / "home", tmp_path / "project", teamsup)
    assert teamsup.run("init", "--claude", "--project", str(claude.project)).returncode == 0
    return claude


RULES: dict[str, dict[str, Any]] = {
    "none": {},
    "no server is allowed": {"allowedMcpServers": []},
    "its command is allowed": {"allowedMcpServers": [{"serverCommand": list(SERVER.command)}]},
    "its name is denied": {"deniedMcpServers": [{"serverName": "plugin:teamsup:teamsup"}]},
    "no marketplace is allowed": {"strictKnownMarketplaces": []},
    "its folder is allowed": {"strictKnownMarketplaces": [{"source": "directory", "path": FOLDER}]},
    "its server is denied": {"permissions": {"deny": ["mcp__plugin_teamsup_teamsup"]}},
}


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES.keys())
def test_a_session_has_tools_where_doctor_finds_no_failure(
    claude: ClaudeCode, tmp_path: Path, rules: dict[str, Any]
) -> None:
    found = check_policy(Settings((), (rules,)), SERVER, os.path.isdir)
    is_well = not any(finding.verdict is Verdict.FAILED for finding in found)
    for folder in ("upper", "work"):
        (tmp_path / folder).mkdir()
    (tmp_path / "managed.json").write_text(json.dumps(rules))

    # Claude Code sends its first request before a slow server has named its tools.
    with ScriptedModel({"": [ToolCall("Bash", {"command": "true"}), "finished"]}) as model:
        model.wait_first = claude.wait_until_served if is_well else model.wait_first
        ran = subprocess.run(
            [*IN_NAMESPACE, "sh", "-c", BIND, "sh", str(tmp_path), "claude", "-p", "go", "--allowedTools", "Bash"],
            cwd=claude.project,
            env=claude.environment(model),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        assert ran.stdout.strip() == "finished", ran.stderr
        assert any(name.startswith(TOOL_PREFIX) for name in model.offered) is is_well
