"""What doctor says about the sessions of a project, from the files that Claude Code would read."""

import json
import subprocess
from pathlib import Path

import pytest

from teamsup.cli.claude.project_check import check_project
from teamsup.config.resources import resource_path
from teamsup.hub import Team
from teamsup.terminal.findings import Verdict

PLUGIN = {
    "extraKnownMarketplaces": {"teamsup": {"source": {"source": "directory", "path": str(resource_path("claude"))}}},
    "enabledPlugins": {"teamsup@teamsup": True},
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project in a repository of git, whose owner trusts it."""
    for name in ("CLAUDE_CONFIG_DIR", "TEAMSUP", "TEAMSUP_AGENT", "TEAMSUP_TEAM", "TEAMSUP_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / "project"
    (folder / ".claude").mkdir(parents=True)
    trusted = {"projects": {str(folder.resolve()): {"hasTrustDialogAccepted": True}}}
    (tmp_path / ".claude.json").write_text(json.dumps(trusted))
    git(folder, "init", "-q")
    return folder


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", "-C", folder, *words], check=True, capture_output=True)


def troubles(project: Path) -> list[tuple[str, str]]:
    """Text and hint of each finding that is not well; the program itself need not be on the PATH of a test."""
    found = check_project(project, Team.named(), lambda *words: " ".join(("teamsup", *words)))
    return [(each.text, each.hint) for each in found if each.verdict is not Verdict.OK and "PATH" not in each.text]


def write(project: Path, name: str, **env: str) -> None:
    (project / ".claude" / name).write_text(json.dumps({**PLUGIN, "env": env}))


@pytest.mark.parametrize("name", ["supervisor", "user_comm", "two words", ".hidden"])
def test_an_agent_name_that_is_not_allowed_means_no_tools(project: Path, name: str) -> None:
    write(project, "settings.local.json", TEAMSUP_AGENT=name)
    assert any(text.startswith("sessions have no tools: ") for text, _ in troubles(project))


def test_settings_that_are_not_committed_do_not_reach_a_worktree(project: Path) -> None:
    write(project, "settings.json")
    assert [text for text, _ in troubles(project)] == [
        "sessions of 'claude --worktree' do not take part: .claude/settings.json is not committed"
    ]
    git(project, "add", ".claude/settings.json")
    assert troubles(project) == []


def test_a_worktree_needs_the_names_of_its_project_from_the_shell(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(project, "settings.local.json", TEAMSUP_AGENT="chief")
    assert troubles(project) == [
        (
            "'claude --worktree' does not apply TEAMSUP_AGENT of this project",
            "Start such sessions with: TEAMSUP_AGENT=chief claude --worktree",
        )
    ]
    monkeypatch.setenv("TEAMSUP_AGENT", "chief")
    assert troubles(project) == []


def test_without_a_repository_there_are_no_worktrees(project: Path) -> None:
    write(project, "settings.json", TEAMSUP_AGENT="chief")
    (project / ".git").rename(project / "no-git")
    assert troubles(project) == []
