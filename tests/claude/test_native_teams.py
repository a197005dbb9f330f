"""Claude Code's own agent teams: it sweeps ~/.claude/teams, and reads mailboxes of teammates there."""

import json
import os
import time
from pathlib import Path
from threading import Event

import pytest

from claude.claude_code import TOOL_PREFIX, ClaudeCode, needs_claude, prepare_home
from claude.scripted_model import ScriptedModel, Scripts, ToolCall
from helpers.support import TIMEOUT_SECONDS, TeamsupCommand, count_listeners, eventually
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


def test_an_idle_teammate_is_woken_by_the_mailbox_that_claude_code_reads(claude: ClaudeCode, scout: MessageHub) -> None:
    scout.enroll("gcp-monitor")
    claude.teamsup.configure("[team]\nnative_inbox = true\n")
    task = {"description": "look", "subagent_type": "teamsup:gcp-monitor", "name": "gcp-monitor", "prompt": "go"}
    answer = ToolCall(f"{TOOL_PREFIX}team_send_message", {"reply_to": "#2", "content": "low"})
    has_begun = Event()

    def say_ready() -> str:
        has_begun.set()
        return "ready"

    scripts: Scripts = {
        # A teammate has the tools that its session had when that turn began, and at first there are none of ours.
        "": [ToolCall(f"{TOOL_PREFIX}team_get_status"), say_ready, ToolCall("Agent", task), "started"],
        "gcp-monitor": ["looked", answer, "answered"],
    }

    def is_idle() -> bool:
        lead = scout.find_agent("lead")
        return lead is not None and has_begun.is_set() and not lead.metadata.get("in_turn")

    with (
        ScriptedModel(scripts) as model,
        claude.converse(model, "go", CLAUDE_CODE_EXPERIMENTAL_AGENT_TEAMS="1"),
    ):
        eventually(lambda: is_idle() and count_listeners(scout.team, "lead") > 0, "the session is idle, and watched")
        scout.send("lead", "start one")
        eventually(lambda: "idle_notification" in model.received, "the teammate is idle")
        scout.send("gcp-monitor", "how is the load?")
        assert scout.wait(TIMEOUT_SECONDS)
        assert scout.claim()[0].message.content == "low"
        assert '<teammate-message teammate_id="teamsup">\n<message ' in model.received
        assert " #2 from scout, just now>\nhow is the load?\n</message " in model.received
        (inbox,) = claude.home.glob(".claude/teams/session-*/inboxes/gcp-monitor.json")
        assert json.loads(inbox.read_text()) == []
    assert scout.queries.trace("#2")[0].outcome == "answered"
