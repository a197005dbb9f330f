"""The whole way at night: agent-runner, user_comm, the real Claude Code with a scripted model, and nobody beside it."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from claude.claude_code import KEY, TOOL_PREFIX, needs_claude, prepare_home
from claude.scripted_model import ApiFailure, ScriptedModel, ToolCall
from helpers.support import TIMEOUT_SECONDS, TeamsupCommand, clean_environment, eventually
from teamsup.hub import MessageHub
from teamsup.hub.models import Message
from teamsup.workers.monitor_bridge.demo.demo_team import DemoFailed, post_alert

pytestmark = [needs_claude, pytest.mark.slow]
BEGAN = datetime(2026, 1, 31, 2, 30, tzinfo=UTC)
_PATIENCE_SECONDS = 180.0
"""Two processes of Claude Code may have to start for one message, beside other tests."""


class StartedTeam:
    """A team whose agent ops is started by messages, and ann, who is at home."""

    def __init__(self, teamsup: TeamsupCommand, home: Path, ann: MessageHub) -> None:
        self.teamsup = teamsup
        self.ann = ann
        self._home = home
        self._workers: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, *names: str) -> None:
        for name in names:
            module = {
                "bridge": "teamsup.workers.monitor_bridge.bridge",
                "runner": "teamsup.workers.agent_runner.agent_runner",
                "user_comm": "teamsup.workers.user_comm.user_comm_daemon",
            }[name]
            self._workers[name] = subprocess.Popen(
                [sys.executable, "-m", module, "--team", self.teamsup.team.name],
                env={**clean_environment(), "TEAMSUP_HOME": str(self.teamsup.home), "HOME": str(self._home)},
            )

    def kill(self, *names: str) -> None:
        for name in names:
            self._workers[name].kill()
            self._workers.pop(name).wait(TIMEOUT_SECONDS)

    def stop(self) -> None:
        for worker in self._workers.values():
            worker.terminate()
        for worker in self._workers.values():
            worker.wait(TIMEOUT_SECONDS)

    def ask(self, text: str, conversation: str | None = None) -> Message:
        return self.ann.send("ops", text, conversation_id=conversation)

    def hear(self, kind: str = "message") -> Message:
        """The next message of that kind to ann."""
        while self.ann.wait(_PATIENCE_SECONDS):
            for delivery in self.ann.claim():
                self.ann.acknowledge(delivery)
                if delivery.message.message_type == kind:
                    return delivery.message
        raise AssertionError(f"no {kind} came; the run is {self.run()}")

    def run(self) -> dict[str, object]:
        rows = self.ann.query("SELECT * FROM runs ORDER BY id DESC LIMIT 1")
        return dict(rows[0]) if rows else {}

    def has_state(self, state: str) -> bool:
        return self.run().get("state") == state

    def answer(self, shown: Message, words: str) -> None:
        self.ann.send("user_comm", words, message_type="opinion_response", reply_to=shown.message_id)


StartTeam = Callable[..., StartedTeam]


@pytest.fixture
def start_team(tmp_path: Path, teamsup: TeamsupCommand) -> Iterator[Callable[[ScriptedModel, str], StartedTeam]]:
    prepare_home(tmp_path / "home", tmp_path / "project")
    started_teams: list[StartedTeam] = []
    teamsup.team.folder.mkdir(parents=True, exist_ok=True)

    def begin(model: ScriptedModel, keys: str = 'ask_people = ["Bash"]', more: str = "") -> StartedTeam:
        teamsup.team.configuration.write_text(
            f'[agent.ops]\nstart = ["message"]\ndirectory = "{tmp_path / "project"}"\n{keys}\n[agent.ops.environment]\n'
            f'PATH = "{os.environ["PATH"]}"\nANTHROPIC_BASE_URL = "{model.url}"\nANTHROPIC_API_KEY = "{KEY}"\n'
            f'CLAUDE_CODE_MAX_RETRIES = "1"\n{more}\n'
        )
        ann = MessageHub(teamsup.team, agent="console-ann")
        ann.register("console")
        ann.enroll("ops")
        started_teams.append(StartedTeam(teamsup, tmp_path / "home", ann))
        started_teams[-1].start("user_comm", "runner")
        return started_teams[-1]

    yield begin
    for started in started_teams:
        started.stop()
        started.ann.close()


@contextmanager
def scripted(*script: object) -> Iterator[ScriptedModel]:
    with ScriptedModel({"": script}) as model:  # type: ignore[dict-item]
        yield model


def touch(file: Path) -> ToolCall:
    return ToolCall("Bash", {"command": f"echo once >> {file}"})


def test_a_message_starts_the_agent_which_asks_the_team_and_answers(start_team: StartTeam) -> None:
    status = ToolCall(f"{TOOL_PREFIX}team_get_status")
    with scripted(status, "all calm") as model:
        started = start_team(model)
        question = started.ask("how is it? @/etc/passwd")
        answer = started.hear()
        assert (answer.sender, answer.content, answer.reply_to) == ("ops", "all calm", question.message_id)
        assert "ops (you): " in model.received
        assert "root:" not in model.received
        assert started.ann.queries.trace(question.message_id)[0].state == "done"
        eventually(lambda: started.has_state("done"), "the run is done")
        run = started.run()
        assert (run["turns"], run["tools"]) == (2, f'["{TOOL_PREFIX}team_get_status"]')
        assert isinstance(run["usd"], float)


def test_an_alert_starts_the_agent_whose_answer_is_its_act(start_team: StartTeam) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    bridge = (
        f'[monitor-bridge]\nlisten = "127.0.0.1:{port}"\nrecipient = "ops"\n[source.prometheus]\nkind = "alertmanager"'
    )
    with scripted("it was the log, and is mended") as model:
        started = start_team(model, "", bridge)
        started.start("bridge")

        def post() -> bool:
            try:
                post_alert(port, {"alertname": "DiskFull", "severity": "critical"}, "The disk is full", BEGAN, None)
            except (DemoFailed, OSError):
                return False
            return True

        eventually(post, "the alert is taken in")
        acted = "SELECT responded_by FROM incident_groups"
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while started.ann.query(acted)[0][0] is None and time.monotonic() < deadline:
            started.ann.wait(0.2)
        assert started.ann.query(acted)[0][0] == "ops", started.run()
        assert "The disk is full" in model.received
        assert [row[0] for row in started.ann.query("SELECT count(*) FROM runs")] == [1]


def test_a_message_during_its_work_is_announced_and_a_conversation_continues(start_team: StartTeam) -> None:
    started_teams: list[StartedTeam] = []

    def interrupt() -> ToolCall:
        started_teams[0].ask("and the disk?", "console-ann:2")
        return ToolCall(f"{TOOL_PREFIX}team_send_message", {"recipient": "console-ann", "content": "I look"})

    read = ToolCall(f"{TOOL_PREFIX}team_read_messages")
    with scripted(interrupt, read, "both are calm", "as I said") as model:
        started = start_team(model)
        started_teams.append(started)
        started.ask("how is the load?", "console-ann:1")
        assert started.hear().content == "I look"
        assert started.hear().content == "both are calm"
        assert "teamsup: 1 message waits for you." in model.received
        started.ask("sure?", "console-ann:1")
        assert started.hear().content == "as I said"
        assert model.last_request.count("how is the load?") == 1, "the session knows what was said"
        assert started.run()["is_resumed"] == 1
        assert started.run()["id"] == 2, "one run for each message that it was not already told of"


@pytest.mark.parametrize("words", ["allow", "deny"])
def test_a_call_becomes_a_decision_that_outlives_everybody(start_team: StartTeam, tmp_path: Path, words: str) -> None:
    with scripted(touch(tmp_path / "effect"), "finished") as model:
        started = start_team(model)
        started.ask("restart it")
        shown = started.hear("opinion_request")
        assert f"| command: echo once >> {tmp_path / 'effect'}" in shown.content
        assert "agent-runner asks" in shown.content
        eventually(lambda: started.has_state("parked"), "it waits")
        started.kill("runner", "user_comm")
        started.start("user_comm", "runner")
        started.answer(shown, words)
        assert started.hear().content == "finished"
        assert ("ann has denied this call" in model.received) is (words == "deny")
    effect = tmp_path / "effect"
    assert (effect.read_text() if effect.exists() else "") == ("once\n" if words == "allow" else "")


def test_a_run_that_is_stopped_takes_its_decision_with_it(start_team: StartTeam, tmp_path: Path) -> None:
    with scripted(touch(tmp_path / "effect"), "finished") as model:
        started = start_team(model)
        started.ask("restart it")
        shown = started.hear("opinion_request")
        started.ann.send("agent-runner", f"stop {started.run()['id']}")
        assert "no longer needs a decision" in started.hear("opinion_response").content
        started.answer(shown, "allow")
        assert "no longer needs" in started.hear("error").content
        assert started.has_state("stopped")
    assert not (tmp_path / "effect").exists()


def test_a_limit_pauses_the_login_and_the_sender_is_notified(start_team: StartTeam) -> None:
    with scripted(*[ApiFailure(429, "rate_limit_error")] * 9) as model:
        started = start_team(model)
        started.ask("how is it?")
        told = started.hear("status_report")
        assert told.sender == "ops"
        assert "429" in told.content
        assert started.has_state("planned")
        assert started.run()["starts"] == 1


def test_killed_in_an_allowed_call_it_is_unknown_and_people_decide(start_team: StartTeam, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    call = ToolCall("Bash", {"command": f"echo once >> {tmp_path / 'effect'}; cat {tmp_path / 'fifo'}"})
    with scripted(call, "finished") as model:
        started = start_team(model)
        started.ask("restart it")
        started.answer(started.hear("opinion_request"), "allow")
        eventually((tmp_path / "effect").exists, "the call has begun")
        pid = eventually(lambda: int(str(started.run()["pid"])), "its process is known")
        os.killpg(pid, signal.SIGKILL)
        asked = started.hear("opinion_request")
        assert "nobody knows whether it took effect" in asked.content
        eventually(lambda: started.has_state("unknown"), "nobody knows")
        started.answer(asked, "it is done")
        eventually(lambda: started.has_state("done"), "ann has said so")
    assert (tmp_path / "effect").read_text() == "once\n"
