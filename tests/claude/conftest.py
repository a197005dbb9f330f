"""The real Claude Code in a home and a project of its own, and an agent that writes to it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from claude.claude_code import ClaudeCode, prepare_home
from helpers.support import TeamsupCommand
from teamsup.hub import MessageHub


@pytest.fixture
def claude(tmp_path: Path, teamsup: TeamsupCommand) -> ClaudeCode:
    prepare_home(tmp_path / "home", tmp_path / "project")
    return ClaudeCode(tmp_path / "home", tmp_path / "project", teamsup)


@pytest.fixture
def scout(teamsup: TeamsupCommand) -> Iterator[MessageHub]:
    with MessageHub(teamsup.team, agent="scout") as hub:
        hub.register()
        hub.enroll("lead")
        yield hub
