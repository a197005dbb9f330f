"""One run of the real Claude Code, as agent-runner starts it: behind its gate, and judged by what it writes."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from claude.claude_code import KEY, PATIENCE_SECONDS, TOOL_PREFIX, needs_claude, prepare_home
from claude.scripted_model import ApiFailure, Script, ScriptedModel, ToolCall
from helpers.support import TIMEOUT_SECONDS, TeamsupCommand, eventually
from teamsup.hub import MessageHub
from teamsup.workers.agent_runner.programs.call_ledger import CallLedger, Verdict
from teamsup.workers.agent_runner.programs.claude_code import ClaudeCode
from teamsup.workers.agent_runner.programs.program import RunOutput
from teamsup.workers.agent_runner.run import Cause, Run
from teamsup.workers.agent_runner.sections import AgentSection

pytestmark = [needs_claude, pytest.mark.slow]
SESSION = "0193f6a4-0000-4000-8000-000000000001"


@dataclass(frozen=True)
class RunRig:
    """A run of agent ops, and the place in which it happens."""

    teamsup: TeamsupCommand
    project: Path
    agent: AgentSection
    run: Run

    @property
    def folder(self) -> Path:
        return self.teamsup.team.folder / "runs" / "7"

    @property
    def program(self) -> ClaudeCode:
        return ClaudeCode(self.teamsup.team)

    def start(self, model: ScriptedModel, prompt: str, *, resume: bool = False) -> "subprocess.Popen[bytes]":
        """Start a process of the run, as agent-runner does."""
        login = {"ANTHROPIC_BASE_URL": model.url, "ANTHROPIC_API_KEY": KEY, "CLAUDE_CODE_MAX_RETRIES": "1"}
        agent = replace(self.agent, environment={**login, **self.agent.environment})
        launch = self.program.plan(self.run, agent, prompt, resume=resume, folder=self.folder)
        (self.folder / "stdin").write_bytes(launch.stdin)
        with (
            open(self.folder / "stdin", "rb") as stdin,
            open(self.folder / "stdout.jsonl", "wb") as out,
            open(self.folder / "stderr.log", "wb") as err,
        ):
            return subprocess.Popen(
                launch.argv,
                stdin=stdin,
                stdout=out,
                stderr=err,
                env=launch.environment,
                cwd=launch.directory,
                start_new_session=True,
            )

    def complete(self, model: ScriptedModel, prompt: str, *, resume: bool = False) -> RunOutput:
        """The output of a process that has ended by itself."""
        process = self.start(model, prompt, resume=resume)
        try:
            process.wait(PATIENCE_SECONDS)
        finally:
            process.kill()
        return self.program.read(self.folder, self.run)

    def decide(self, verdict: Verdict, reason: str) -> None:
        ledger = CallLedger(self.folder)
        call = ledger.parked_call()
        assert call is not None
        ledger.write_verdict(self.run.id, call, verdict, reason)

    @property
    def calls(self) -> list[tuple[str, str]]:
        return [(call.tool, call.event) for call in self.program.read_calls(self.folder)]


@pytest.fixture
def rig(tmp_path: Path, teamsup: TeamsupCommand, monkeypatch: pytest.MonkeyPatch) -> RunRig:
    prepare_home(tmp_path / "home", tmp_path / "project")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (teamsup.team.folder).mkdir(parents=True, exist_ok=True)
    agent = AgentSection(directory=str(tmp_path / "project"), ask_people=("Bash",))
    run = Run(7, "ops", Cause("message", "m1", 1), SESSION, mark=f"{teamsup.team.folder}:7#1")
    return RunRig(teamsup, tmp_path / "project", agent, run)


@pytest.fixture
def scout(teamsup: TeamsupCommand) -> Iterator[MessageHub]:
    with MessageHub(teamsup.team, agent="scout") as hub:
        hub.register()
        yield hub


def touch(file: Path) -> ToolCall:
    return ToolCall("Bash", {"command": f"echo once >> {file}"})


def test_a_run_speaks_for_its_agent_and_nothing_in_its_words_is_expanded(rig: RunRig, scout: MessageHub) -> None:
    (rig.project / "secret.txt").write_text("the secret of the file")
    (rig.project / ".claude").mkdir()
    (rig.project / ".claude" / "settings.json").write_text('{"env": {"TEAMSUP_AGENT": "evil"}}')
    send = ToolCall(f"{TOOL_PREFIX}team_send_message", {"recipient": "scout", "content": "I look"})
    with ScriptedModel({"": [send, "all calm"]}) as model:
        output = rig.complete(model, "/help @secret.txt\n@secret.txt !`id`")
        assert (output.ending, output.text, output.has_transcript) == ("completed", "all calm", True), output
        assert "the secret of the file" not in model.received
        assert "/help @secret.txt" in model.received
    assert [(each.message.sender, each.message.content) for each in scout.claim(9)] == [("ops", "I look")]
    assert output.tools == (f"{TOOL_PREFIX}team_send_message",)
    assert (output.turns, output.tokens_in, output.tokens_out) == (2, 2, 2)
    assert rig.calls == [(f"{TOOL_PREFIX}team_send_message", "done")]
    assert (presence := scout.find_agent("ops")) is not None
    assert presence.metadata["run"] == 7


def test_a_session_goes_on_with_new_words_and_its_cost_is_the_whole(rig: RunRig) -> None:
    with ScriptedModel({"": ["first", "second"]}) as model:
        before = rig.complete(model, "the first question")
        after = rig.complete(model, "the second question", resume=True)
        assert model.received.count("the first question") == 2, "the model gets the earlier messages again"
        assert (before.text, after.text) == ("first", "second")
    assert before.usd is not None
    assert after.usd == pytest.approx(2 * before.usd)
    assert (after.turns, after.tokens_in) == (2, 2)


@pytest.mark.parametrize("verdict", ["allow", "deny"])
def test_a_call_waits_for_people_and_happens_as_they_decide(rig: RunRig, tmp_path: Path, verdict: Verdict) -> None:
    with ScriptedModel({"": [touch(tmp_path / "effect"), "finished"]}) as model:
        parked = rig.complete(model, "restart it")
        assert parked.ending == "deferred"
        assert parked.deferred is not None
        assert parked.deferred.input["command"] == touch(tmp_path / "effect").arguments["command"]
        assert rig.calls == [("Bash", "parked")]
        again = rig.complete(model, "", resume=True)
        assert again.ending == "deferred", "asked again while nobody has decided"
        rig.decide(verdict, "ann has decided")
        output = rig.complete(model, "", resume=True)
        assert (output.ending, output.text) == ("completed", "finished")
        assert ("ann has decided" in model.received) is (verdict == "deny")
    assert rig.calls == [("Bash", "done" if verdict == "allow" else "denied")]
    effect = tmp_path / "effect"
    assert (effect.read_text() if effect.exists() else "") == ("once\n" if verdict == "allow" else "")


def test_the_second_of_two_calls_in_one_message_must_be_made_again(rig: RunRig, tmp_path: Path) -> None:
    first, second = touch(tmp_path / "first"), touch(tmp_path / "second")
    with ScriptedModel({"": [(first, second), second, "finished"]}) as model:
        assert rig.complete(model, "both").ending == "deferred"
        assert [event for _, event in rig.calls] == ["parked", "denied"]
        for _ in range(2):
            rig.decide("allow", "ann")
            output = rig.complete(model, "", resume=True)
        assert output.ending == "completed"
    assert (tmp_path / "first").read_text() == (tmp_path / "second").read_text() == "once\n"


def test_a_project_cannot_switch_the_gate_off(rig: RunRig, tmp_path: Path) -> None:
    (rig.project / ".claude").mkdir()
    settings = {"env": {"TEAMSUP_RUN": ""}, "permissions": {"allow": ["Bash"]}}
    (rig.project / ".claude" / "settings.json").write_text(json.dumps(settings))
    seen = replace(rig, agent=replace(rig.agent, setting_sources=("project",)))
    with ScriptedModel({"": [touch(tmp_path / "effect"), "finished"]}) as model:
        assert seen.complete(model, "go").ending == "deferred"
    assert not (tmp_path / "effect").exists()


def test_a_project_that_switches_hooks_off_does_not_switch_the_gate_off(
    rig: RunRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (rig.project / ".claude").mkdir()
    settings = {"disableAllHooks": True, "permissions": {"allow": ["Bash"]}}
    (rig.project / ".claude" / "settings.json").write_text(json.dumps(settings))
    seen = replace(rig, agent=replace(rig.agent, setting_sources=("project",)))
    # The settings may appear after this check.
    monkeypatch.setattr("teamsup.workers.agent_runner.programs.claude_code.check_hooks", lambda *_: None)
    with ScriptedModel({"": [touch(tmp_path / "effect"), "finished"]}) as model:
        assert seen.complete(model, "go").ending == "deferred"
    assert not (tmp_path / "effect").exists()


def test_a_call_that_the_projects_rules_deny_is_not_asked_for(rig: RunRig, tmp_path: Path) -> None:
    (rig.project / ".claude").mkdir()
    (rig.project / ".claude" / "settings.json").write_text('{"permissions": {"deny": ["Bash(echo:*)"]}}')
    seen = replace(rig, agent=replace(rig.agent, setting_sources=("project",)))
    with ScriptedModel({"": [touch(tmp_path / "effect"), "finished"]}) as model:
        assert seen.complete(model, "go").text == "finished"
    assert seen.calls == [("Bash", "denied")]


def test_a_file_that_the_projects_rules_keep_is_not_asked_for(rig: RunRig) -> None:
    """Claude Code refuses it before it asks the gate, which does not understand rules on files."""
    (rig.project / ".claude").mkdir()
    (rig.project / ".claude" / "settings.json").write_text(json.dumps({"permissions": {"deny": ["Edit(./kept/**)"]}}))
    write = ToolCall("Write", {"file_path": str(rig.project / "kept" / "a" / "x"), "content": "x"})
    seen = replace(rig, agent=replace(rig.agent, setting_sources=("project",), ask_people=("Write",)))
    with ScriptedModel({"": [write, "finished"]}) as model:
        assert seen.complete(model, "go").text == "finished"
    assert not (rig.project / "kept").exists()
    assert seen.calls == []


def test_a_call_that_claude_code_itself_refuses_has_no_unknown_outcome(rig: RunRig, tmp_path: Path) -> None:
    write = ToolCall("Write", {"file_path": str(tmp_path / "effect"), "content": "x"})
    with ScriptedModel({"": [write, "finished"]}) as model:
        assert rig.complete(model, "go").text == "finished"
    assert rig.calls == [("Write", "done")]
    assert not (tmp_path / "effect").exists()


LIMIT_HEADERS = {
    "anthropic-ratelimit-unified-status": "rejected",
    "anthropic-ratelimit-unified-representative-claim": "five_hour",
}
FAILURES: list[tuple[str, Script]] = [
    ("limit", [ApiFailure(429, "rate_limit_error")] * 9),
    ("login", [ApiFailure(401, "authentication_error")] * 9),
    ("billing", [ApiFailure(400, "invalid_request_error", "Your credit balance is too low to access")] * 9),
    ("configuration", [ApiFailure(404, "not_found_error", "model: nope")] * 9),
    ("retry_later", [ApiFailure(529, "overloaded_error")] * 9),
    ("session_lost", [ApiFailure(400, "invalid_request_error", "prompt is too long: 9 tokens > 1 maximum")] * 9),
    ("failed", [ApiFailure(400, "invalid_request_error", "something else")] * 9),
]


@pytest.mark.parametrize(("ending", "script"), FAILURES, ids=[ending for ending, _ in FAILURES])
def test_a_refusal_of_the_api_is_known_for_what_it_is(rig: RunRig, ending: str, script: Script) -> None:
    with ScriptedModel({"": script}) as model:
        output = rig.complete(model, "go")
    assert output.ending == ending, output
    assert output.detail
    assert rig.calls == []


def test_a_limit_of_a_subscription_says_until_when(rig: RunRig) -> None:
    resets_at = int(time.time()) + 3600
    headers = {**LIMIT_HEADERS, "anthropic-ratelimit-unified-reset": str(resets_at)}
    token = {"ANTHROPIC_API_KEY": "", "CLAUDE_CODE_OAUTH_TOKEN": "sk-ant-oat01-" + "x" * 40}
    with_token = replace(rig, agent=replace(rig.agent, environment=token))
    with ScriptedModel({"": [ApiFailure(429, "rate_limit_error", headers=headers)] * 9}) as model:
        output = with_token.complete(model, "go")
    assert output.ending == "limit", output
    assert output.resets_at == pytest.approx(resets_at, abs=60)


def test_a_run_that_has_taken_its_turns_is_cut(rig: RunRig) -> None:
    cut = replace(rig, agent=replace(rig.agent, ask_people=(), max_turns=2))
    with ScriptedModel({"": [ToolCall("Bash", {"command": "echo 1"})] * 9}) as model:
        output = cut.complete(model, "go")
    assert output.ending == "max_turns"


def test_a_session_that_is_not_there_is_lost(rig: RunRig) -> None:
    with ScriptedModel({"": ["x"]}) as model:
        assert rig.complete(model, "go", resume=True).ending == "session_lost"


def test_killed_in_a_call_nobody_knows_its_outcome_and_the_session_can_go_on(rig: RunRig, tmp_path: Path) -> None:
    allowed = replace(rig, agent=replace(rig.agent, ask_people=(), allowed_tools=("Bash",)))
    os.mkfifo(tmp_path / "fifo")
    call = ToolCall("Bash", {"command": f"echo begun > {tmp_path / 'begun'}; cat {tmp_path / 'fifo'}"})
    with ScriptedModel({"": [call, "it had begun"]}) as model:
        process = allowed.start(model, "go")
        eventually((tmp_path / "begun").exists, "the call has begun")
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(TIMEOUT_SECONDS)
        os.close(os.open(tmp_path / "fifo", os.O_WRONLY | os.O_NONBLOCK))
        output = allowed.program.read(allowed.folder, allowed.run)
        assert (output.ending, output.has_transcript) == ("none", True)
        assert allowed.calls == [("Bash", "began")]
        assert allowed.complete(model, "Look what it did.", resume=True).text == "it had begun"


def test_killed_in_the_allowed_call_it_is_not_made_again(rig: RunRig, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    call = ToolCall("Bash", {"command": f"echo once >> {tmp_path / 'effect'}; cat {tmp_path / 'fifo'}"})
    with ScriptedModel({"": [call, "I have looked"]}) as model:
        assert rig.complete(model, "go").ending == "deferred"
        rig.decide("allow", "ann")
        process = rig.start(model, "", resume=True)
        eventually((tmp_path / "effect").exists, "the call has begun")
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(TIMEOUT_SECONDS)
        os.close(os.open(tmp_path / "fifo", os.O_WRONLY | os.O_NONBLOCK))
        assert rig.calls == [("Bash", "began")]
        assert rig.complete(model, "", resume=True).text == "I have looked"
        assert "its outcome is unknown" in model.received
    assert (tmp_path / "effect").read_text() == "once\n"
