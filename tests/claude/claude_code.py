"""The real Claude Code in a home of its own, with our plugin and a scripted model."""

import contextlib
import json
import os
import pty
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from claude.scripted_model import ScriptedModel
from helpers.support import TIMEOUT_SECONDS, TeamsupCommand, eventually
from teamsup.hub import MessageHub

PLUGIN = Path(__file__).parents[2] / "deploy" / "claude"
TOOL_PREFIX = "mcp__plugin_teamsup_teamsup__"
KEY = "no-key-for-loopback"
PATIENCE_SECONDS = 4 * TIMEOUT_SECONDS
"""How long a session may take. Claude Code alone takes seconds of processor time to begin."""

needs_claude = pytest.mark.skipif(
    shutil.which("claude") is None, reason="needs the Claude Code CLI (claude) on the PATH"
)


@dataclass(frozen=True)
class ClaudeCode:
    """As a person starts it in a project."""

    home: Path
    project: Path
    teamsup: TeamsupCommand
    agent: str = "lead"

    def environment(self, model: ScriptedModel) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "MCP_TIMEOUT": str(int(PATIENCE_SECONDS * 1000)),
            "TERM": "xterm-256color",
            "SHELL": "/bin/sh",
            "XDG_RUNTIME_DIR": str(self.home),
            # The sockets of a team with a long path are there.
            "TMPDIR": tempfile.gettempdir(),
            "TEAMSUP": str(Path(sys.executable).with_name("teamsup")),
            "TEAMSUP_HOME": str(self.teamsup.home),
            "TEAMSUP_AGENT": self.agent,
            "ANTHROPIC_BASE_URL": model.url,
            "ANTHROPIC_API_KEY": KEY,
            "CLAUDE_CODE_TMPDIR": str(self.home),
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "CLAUDE_CODE_DISABLE_OFFICIAL_MARKETPLACE_AUTOINSTALL": "1",
            "DISABLE_AUTOUPDATER": "1",
            "DISABLE_ERROR_REPORTING": "1",
            "DISABLE_TELEMETRY": "1",
        }

    def wait_until_served(self) -> None:
        """Claude Code does not wait for its servers before the first request, and hooks say nothing without ours."""

        def is_served() -> bool:
            with MessageHub(self.teamsup.team) as hub:
                return any(agent.status == "online" and "pid" in agent.metadata for agent in hub.agents())

        eventually(is_served, "the session has its server")

    def ask(self, model: ScriptedModel, prompt: str, *options: str) -> str:
        """``claude -p``: one prompt, until its answer."""
        model.wait_first = self.wait_until_served
        ran = subprocess.run(
            [
                "claude",
                "-p",
                prompt,
                *(options or ("--plugin-dir", str(self.home / "plugin"), "--allowedTools", f"{TOOL_PREFIX}* Bash")),
            ],
            cwd=self.project,
            env=self.environment(model),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout.strip()

    @contextlib.contextmanager
    def converse(self, model: ScriptedModel, prompt: str, **environment: str) -> Iterator[None]:
        """A session in a terminal, which has got a prompt and goes on until the context ends."""
        model.wait_first = self.wait_until_served
        ours, theirs = pty.openpty()
        command = ["claude", prompt, "--plugin-dir", str(self.home / "plugin"), "--permission-mode", "manual"]
        process = subprocess.Popen(
            [*command, "--allowedTools", f"{TOOL_PREFIX}*"],
            cwd=self.project,
            env=self.environment(model) | environment,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        screen = threading.Thread(target=_drain, args=(ours,))
        screen.start()
        try:
            yield
        finally:
            process.terminate()
            process.wait(TIMEOUT_SECONDS)
            screen.join(TIMEOUT_SECONDS)
            os.close(ours)


def _drain(terminal: int) -> None:
    """Somebody has to read what is drawn."""
    with contextlib.suppress(OSError):
        while os.read(terminal, 65536):
            pass


def prepare_home(home: Path, project: Path) -> None:
    """A home whose owner has been through the first start, and trusts the project. The plugin is there too."""
    home.mkdir()
    project.mkdir()
    shutil.copytree(PLUGIN, home / "plugin")
    hooks = home / "plugin" / "hooks" / "hooks.json"
    # On a busy machine five seconds can be too short for a hook, and Claude Code goes on without it.
    hooks.write_text(hooks.read_text().replace('"timeout": 5}', f'"timeout": {TIMEOUT_SECONDS}}}'))
    known = {
        "hasCompletedOnboarding": True,
        "customApiKeyResponses": {"approved": [KEY[-20:]], "rejected": []},
        "projects": {str(project.resolve()): {"hasTrustDialogAccepted": True, "hasCompletedProjectOnboarding": True}},
    }
    (home / ".claude.json").write_text(json.dumps(known))
