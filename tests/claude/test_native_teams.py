"""Claude Code sweeps ~/.claude/teams, where teams of teamsup are too."""

import json
import os
import time
from pathlib import Path

import pytest

from claude.claude_code import ClaudeCode, needs_claude, prepare_home
from claude.scripted_model import ScriptedModel
from helpers.support import TeamsupCommand, eventually
from teamsup.hub import MessageHub

pytestmark = [needs_claude, pytest.mark.slow]
DAYS_90 = 90 * 86_400


def test_files_of_a_team_survive_the_sweep_of_claude_code(tmp_path: Path) -> None:
    home = tmp_path / "home"
    prepare_home(home, tmp_path / "project")
    claude = ClaudeCode(home, tmp_path / "project", TeamsupCommand(home / ".claude" / "teams"))
    teams = claude.teamsup.home
    with MessageHub(claude.teamsup.team, agent="scout") as scout:
        scout.register()
        scout.enroll("lead")
        scout.send("lead", "how is the load?")
    mailbox = teams / "native" / "inboxes" / "ann.json"
    mailbox.parent.mkdir(parents=True)
    mailbox.write_text("[]")
    (home / ".claude" / "settings.json").write_text(json.dumps({"cleanupPeriodDays": 1}))
    before = {path for path in claude.teamsup.team.folder.rglob("*") if path.suffix not in (".db-shm", ".db-wal")}
    past = time.time() - DAYS_90
    for path in teams.rglob("*"):
        os.utime(path, (past, past))

    def wait_for_sweep() -> str:
        eventually(lambda: not mailbox.exists(), "the old mailbox is gone")
        return "finished"

    with ScriptedModel({"": [wait_for_sweep]}) as model:
        claude.ask(model, "go")
    assert before <= set(claude.teamsup.team.folder.rglob("*"))
    with MessageHub(claude.teamsup.team) as hub:
        assert hub.queries.message("#1").content == "how is the load?"
