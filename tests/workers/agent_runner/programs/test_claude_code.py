"""How Claude Code is started for a run: with these flags, in this environment, behind its gate."""

import json
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from teamsup.hub import NotConfigured, Team
from teamsup.workers.agent_runner.programs.call_ledger import CallLedger
from teamsup.workers.agent_runner.programs.claude_code import TEAM_TOOLS, ClaudeCode
from teamsup.workers.agent_runner.programs.environment import build_environment
from teamsup.workers.agent_runner.programs.program import Launch
from teamsup.workers.agent_runner.run import Cause, Run
from teamsup.workers.agent_runner.sections import AgentSection

SESSION = "0193f6a4-0000-4000-8000-000000000001"
RUN = Run(7, "ops", Cause("message", "m1", 12), SESSION, mark="/teams/default:7#4026")
Plan = Callable[..., Launch]


@pytest.fixture
def team(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Team:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "claude").write_text("#!/bin/sh\n")
    (tmp_path / "bin" / "claude").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return Team("default", tmp_path / "default")


@pytest.fixture
def folder(team: Team) -> Path:
    return team.folder / "runs" / "7"


@pytest.fixture
def plan(team: Team, folder: Path) -> Plan:
    def make(prompt: str = "go", run: Run = RUN, *, resume: bool = False, **keys: Any) -> Launch:  # noqa: ANN401
        return ClaudeCode(team).plan(run, AgentSection(**keys), prompt, resume=resume, folder=folder)

    return make


def option(launch: Launch, name: str) -> str:
    return launch.argv[launch.argv.index(name) + 1]


def test_a_new_session_and_one_that_goes_on(plan: Plan, team: Team) -> None:
    first = plan()
    assert first.argv[0] == str(team.folder.parent / "bin" / "claude")
    assert option(first, "--session-id") == SESSION
    assert "--resume" not in first.argv
    again = plan(resume=True)
    assert option(again, "--resume") == SESSION
    assert "--session-id" not in again.argv
    assert first.directory == again.directory == team.folder / "agents" / "ops"


def test_the_words_go_in_one_line_that_expands_nothing_and_a_decided_call_gets_none(plan: Plan) -> None:
    line = json.loads(plan("look at @/etc/passwd\n/help").stdin)
    assert line["message"] == {"role": "user", "content": "look at @/etc/passwd\n/help"}
    assert line["client_composed"] is True
    assert plan("", resume=True).stdin == b""


def test_it_sees_no_settings_but_the_plugin_and_may_use_what_the_person_allowed(plan: Plan) -> None:
    launch = plan(allowed_tools=("Read", "Bash(git log:*)"), ask_people=("Write",), model="sonnet", max_usd=0.5)
    assert option(launch, "--setting-sources") == ""
    assert Path(option(launch, "--plugin-dir"), ".mcp.json").is_file()
    assert option(launch, "--allowedTools") == f"{TEAM_TOOLS},Read,Bash(git log:*)"
    assert (option(launch, "--permission-mode"), option(launch, "--permission-prompts")) == ("dontAsk", "none")
    assert (option(launch, "--max-turns"), option(launch, "--max-budget-usd")) == ("40", "0.5")
    assert option(launch, "--model") == "sonnet"
    assert option(plan(setting_sources=("user", "project")), "--setting-sources") == "user,project"


def test_tools_that_people_are_asked_for_are_never_allowed() -> None:
    for allowed, asked in (("Bash(ls:*)", "Bash"), ("mcp__github", "mcp__github__merge"), ("*", "Write")):
        with pytest.raises(ValueError, match="both name"):
            AgentSection(allowed_tools=(allowed,), ask_people=(asked,))
        with pytest.raises(ValueError, match="both name"):
            AgentSection(allowed_tools=(asked,), ask_people=(allowed,))
    AgentSection(allowed_tools=("Read", "mcp__github"), ask_people=("ReadMcpResource", "mcp__gitlab"))


def test_a_condition_that_the_gate_cannot_check_is_refused() -> None:
    for rule in ("WebFetch(domain:x)", "Edit(/etc/**)", "mcp__github(x)"):
        with pytest.raises(ValueError, match="only Bash may have a condition"):
            AgentSection(ask_people=(rule,))
    with pytest.raises(ValueError, match="setting_sources"):
        AgentSection(ask_people=("Bash(git push:*)",), setting_sources=("project",))
    AgentSection(ask_people=("Bash(git push:*)",))
    AgentSection(ask_people=("Bash",), setting_sources=("project",))


def test_an_agent_is_the_plugins_or_has_the_persons_instructions(plan: Plan, team: Team) -> None:
    assert "--agent" not in plan().argv
    assert option(plan(run=replace(RUN, agent="gcp-monitor")), "--agent") == "teamsup:gcp-monitor"
    team.folder.mkdir(exist_ok=True)
    (team.folder / "ops.md").write_text("You are ops.\n")
    launch = plan(instructions="ops.md", allowed_tools=("Read", "Bash(git:*)"), ask_people=("Write",))
    assert option(launch, "--agent") == "ops"
    (own,) = json.loads(option(launch, "--agents")).values()
    assert (own["prompt"], own["tools"]) == ("You are ops.", [TEAM_TOOLS, "Read", "Bash", "Write"])


def test_a_missing_part_is_named_with_its_remedy(plan: Plan, team: Team) -> None:
    with pytest.raises(NotConfigured, match=r"instructions: .*ops.md cannot be read"):
        plan(instructions="ops.md")
    with pytest.raises(NotConfigured, match="directory: there is no folder"):
        plan(directory="/nowhere")
    with pytest.raises(NotConfigured, match="env_file"):
        plan(env_file="secrets.env")
    (team.folder.parent / "bin" / "claude").unlink()
    with pytest.raises(NotConfigured, match="no claude on the PATH"):
        plan(environment={"PATH": str(team.folder.parent / "bin")})


def test_the_environment_has_nothing_of_a_session_or_of_the_team(team: Team) -> None:
    ours = {
        "PATH": "/bin",
        "HOME": "/home/ann",
        "LC_ALL": "C",
        "https_proxy": "http://proxy",
        "ANTHROPIC_API_KEY": "k",
        "CLAUDE_CODE_OAUTH_TOKEN": "k",
        "CLAUDECODE": "1",
        "DISCORD_TOKEN": "secret",
        "TEAMSUP_WORKER": "mark",
        "TEAMSUP_AGENT": "lead",
    }
    built = build_environment(team, RUN, AgentSection(environment={"KEY": "own", "TEAMSUP_AGENT": "evil"}), ours)
    teamsup = built.pop("TEAMSUP")
    assert Path(teamsup).name == "teamsup"
    assert built == {
        "PATH": "/bin",
        "LANG": "C.UTF-8",
        "HOME": "/home/ann",
        "LC_ALL": "C",
        "https_proxy": "http://proxy",
        "KEY": "own",
        "TEAMSUP_HOME": str(team.folder.parent),
        "TEAMSUP_TEAM": "default",
        "TEAMSUP_AGENT": "ops",
        "TEAMSUP_RUN": RUN.mark,
    }


def test_a_login_of_its_own_comes_from_a_file_that_only_its_owner_reads(plan: Plan, team: Team) -> None:
    team.folder.mkdir(exist_ok=True)
    (team.folder / "ops.env").write_text("ANTHROPIC_API_KEY=secret\n")
    with pytest.raises(NotConfigured, match="chmod 600"):
        plan(env_file="ops.env")
    (team.folder / "ops.env").chmod(0o600)
    launch = plan(env_file="ops.env")
    assert launch.environment["ANTHROPIC_API_KEY"] == "secret"
    written = [file.read_text() for file in (team.folder / "runs").rglob("*") if file.is_file()]
    assert "secret" not in " ".join([*written, *launch.argv])


def test_features_that_disturb_a_run_are_off_unless_a_person_enables_them(plan: Plan) -> None:
    assert plan().environment["CLAUDE_CODE_DISABLE_BACKGROUND_TASKS"] == "1"
    assert plan(environment={"API_TIMEOUT_MS": "5"}).environment["API_TIMEOUT_MS"] == "5"


def test_no_section_changes_who_the_agent_is_or_what_its_file_of_variables_says(plan: Plan, team: Team) -> None:
    team.folder.mkdir(exist_ok=True)
    (team.folder / "ops.env").write_text("KEY=of the file\n")
    (team.folder / "ops.env").chmod(0o600)
    launch = plan(env_file="ops.env", environment={"TEAMSUP_AGENT": "evil", "TEAMSUP_RUN": "", "KEY": "of the section"})
    assert (launch.environment["TEAMSUP_AGENT"], launch.environment["TEAMSUP_RUN"]) == ("ops", RUN.mark)
    assert launch.environment["KEY"] == "of the file"


def hooks(folder: Path, event: str) -> list[dict[str, Any]]:
    settings = json.loads((folder / "settings.json").read_text())
    found: list[dict[str, Any]] = settings["hooks"][event]
    return found


def is_judged(folder: Path, event: str, tool: str) -> bool:
    (group,) = hooks(folder, event)
    return re.match(group["matcher"], tool) is not None


def test_every_call_with_an_effect_passes_the_gate_once_and_is_noted_when_it_ends(plan: Plan, folder: Path) -> None:
    plan()
    (hook,) = hooks(folder, "PreToolUse")[0]["hooks"]
    assert hook["command"] == "sh"
    assert hook["args"][2] == sys.executable
    assert Path(hook["args"][3]).is_file()
    for tool in ("Write", "Edit", "WebFetch", "mcp__github__merge", f"{TEAM_TOOLS}__team_send_message", "Reader"):
        assert is_judged(folder, "PreToolUse", tool)
        assert is_judged(folder, "PostToolUse", tool)
        assert is_judged(folder, "PostToolUseFailure", tool)
    assert not is_judged(folder, "PreToolUse", "Bash")  # the plugin's own hook
    assert is_judged(folder, "PostToolUse", "Bash")
    for tool in ("Read", "Grep", f"{TEAM_TOOLS}__team_read_messages"):
        assert not is_judged(folder, "PreToolUse", tool)
    plan(ask_people=("Read", f"{TEAM_TOOLS}"))
    assert is_judged(folder, "PreToolUse", "Read")
    assert is_judged(folder, "PreToolUse", f"{TEAM_TOOLS}__team_read_messages")


def test_no_project_changes_who_the_agent_is(plan: Plan, folder: Path) -> None:
    launch = plan()
    kept = json.loads((folder / "settings.json").read_text())["env"]
    assert kept == {name: value for name, value in launch.environment.items() if name.startswith("TEAMSUP")}


@pytest.mark.parametrize(("source", "name"), [("project", "settings.json"), ("local", "settings.local.json")])
def test_settings_that_switch_off_the_hooks_are_refused(
    plan: Plan, folder: Path, tmp_path: Path, source: str, name: str
) -> None:
    project = tmp_path / "project"
    (project / ".claude").mkdir(parents=True)
    (project / ".claude" / name).write_text('{"disableAllHooks": true}')
    with pytest.raises(NotConfigured, match="disableAllHooks"):
        plan(directory=str(project), setting_sources=(source,))
    plan(directory=str(project))
    assert json.loads((folder / "settings.json").read_text())["disableAllHooks"] is False


def test_the_gate_knows_whom_it_judges_and_which_rules_deny(plan: Plan, folder: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / ".claude").mkdir(parents=True)
    (project / ".claude" / "settings.json").write_text('{"permissions": {"deny": ["Bash(rm:*)", 1]}}')
    (project / ".claude" / "settings.local.json").write_text("{")
    plan(directory=str(project), setting_sources=("user", "project", "local"), ask_people=("Bash",))
    assert json.loads((folder / "gate.json").read_text()) == {
        "run": "7",
        "session": SESSION,
        "ask_people": ["Bash"],
        "deny": ["Bash(rm:*)"],
    }
    plan(directory=str(project), ask_people=("Bash",))
    assert json.loads((folder / "gate.json").read_text())["deny"] == []


def write_call(folder: Path, event: str, identity: str = "toolu_1") -> None:
    with open(folder / "calls.jsonl", "a") as ledger:
        ledger.write(json.dumps({"id": identity, "tool": "Bash", "event": event, "input": {"command": "x"}}) + "\n")


def events(team: Team, folder: Path) -> list[tuple[str, str]]:
    return [(call.id, call.event) for call in ClaudeCode(team).read_calls(folder)]


def test_a_prompt_drops_what_is_parked_and_an_empty_one_keeps_it(plan: Plan, team: Team, folder: Path) -> None:
    plan()
    write_call(folder, "parked")
    plan("", resume=True)
    assert events(team, folder) == [("toolu_1", "parked")]
    plan("go on", resume=True)
    assert events(team, folder) == []
    write_call(folder, "parked", "toolu_2")
    assert events(team, folder) == [("toolu_2", "parked")]


def test_a_call_whose_result_the_model_got_has_ended_although_no_hook_said_so(
    plan: Plan, team: Team, folder: Path
) -> None:
    plan()
    write_call(folder, "began")
    assert events(team, folder) == [("toolu_1", "began")]
    result = {"type": "user", "message": {"content": [{"type": "tool_result", "tool_use_id": "toolu_1"}]}}
    (folder / "stdout.jsonl").write_text(json.dumps(result) + "\n")
    assert events(team, folder) == [("toolu_1", "done")]


def test_a_session_that_has_lost_its_deferred_call_does_not_park_the_run_forever(
    plan: Plan, team: Team, folder: Path
) -> None:
    plan()
    write_call(folder, "parked")
    for _ in range(3):
        plan("", resume=True)
        (folder / "stdout.jsonl").write_text('{"type": "system", "subtype": "hook_started"}\n')
        (folder / "stderr.log").write_text("")
        assert events(team, folder) == [("toolu_1", "parked")]
    plan("", resume=True)
    assert events(team, folder) == []


def test_it_may_also_say_so(plan: Plan, team: Team, folder: Path) -> None:
    plan()
    write_call(folder, "parked")
    plan("", resume=True)
    (folder / "stderr.log").write_text("Error: No deferred tool marker found in the session.\n")
    assert events(team, folder) == []


def test_output_is_read_on_while_it_grows_and_over_several_processes(plan: Plan, team: Team, folder: Path) -> None:
    program = ClaudeCode(team)
    plan()
    output = folder / "stdout.jsonl"
    output.write_text('{"type": "assistant", "message": {"id": "m1", "usage": {"output_tokens": 1}, "content": []}}\n{')
    assert program.read(folder, RUN).turns == 1
    with open(output, "a") as file:
        file.write('"type": "result", "is_error": false, "result": "a", "usage": {"output_tokens": 5}}\n')
    read = program.read(folder, RUN)
    assert (read.ending, read.text, read.tokens_out, read.has_transcript) == ("completed", "a", 5, False)
    plan(resume=True)
    output.write_text('{"type": "result", "is_error": false, "result": "b", "usage": {"output_tokens": 2}}\n')
    for reader in (program, ClaudeCode(team)):
        read = reader.read(folder, RUN)
        assert (read.text, read.tokens_out, read.turns) == ("b", 7, 1)


def test_a_process_that_has_said_nothing_yet_does_not_end_as_the_one_before(
    plan: Plan, team: Team, folder: Path
) -> None:
    program = ClaudeCode(team)
    plan()
    (folder / "stdout.jsonl").write_text('{"type": "result", "is_error": false, "result": "a"}\n')
    assert program.read(folder, RUN).ending == "completed"
    plan(resume=True)
    assert program.read(folder, RUN).ending == "none"
    (folder / "stdout.jsonl").touch()
    assert program.read(folder, RUN).ending == "none"
    assert ClaudeCode(team).read(folder, RUN).ending == "none"


def test_a_session_with_a_transcript_can_go_on(plan: Plan, team: Team, folder: Path, tmp_path: Path) -> None:
    plan()
    assert not ClaudeCode(team).read(folder, RUN).has_transcript
    transcript = tmp_path / "home" / ".claude" / "projects" / "-x" / f"{SESSION}.jsonl"
    transcript.parent.mkdir(parents=True)
    transcript.touch()
    assert ClaudeCode(team).read(folder, RUN).has_transcript


def test_a_call_that_was_given_up_is_not_the_one_in_which_the_run_dies_later(
    plan: Plan, team: Team, folder: Path
) -> None:
    plan()
    write_call(folder, "began")
    ledger = CallLedger(folder)
    ledger.give_up(ledger.calls())
    assert events(team, folder) == []
    given_up = ledger.given_up_call()
    assert given_up is not None
    assert (given_up.id, given_up.input) == ("toolu_1", {"command": "x"})
    write_call(folder, "began", "toolu_2")
    assert events(team, folder) == [("toolu_2", "began")]
    assert ledger.given_up_call() is None


def test_a_verdict_is_written_once(folder: Path, plan: Plan) -> None:
    plan()
    write_call(folder, "parked")
    ledger = CallLedger(folder)
    call = ledger.parked_call()
    assert call is not None
    ledger.write_verdict(7, call, "deny", "ann said no")
    ledger.write_verdict(7, call, "allow", "a late answer")
    assert ledger.verdict_on("toolu_1") == "deny"
    with pytest.raises(ValueError, match="not an id"):
        ledger.write_verdict(7, replace(call, id="../x"), "allow", "")


def test_a_line_of_the_ledger_that_cannot_be_read_is_a_call_of_unknown_outcome(folder: Path, plan: Plan) -> None:
    plan()
    write_call(folder, "done")
    with open(folder / "calls.jsonl", "a") as ledger:
        ledger.write('{"id": "toolu_2", "ev\n')
    assert [call.event for call in CallLedger(folder).calls()] == ["done", "began"]
