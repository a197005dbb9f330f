"""The whole way: the real Claude Code with our plugin, and a scripted model."""

import re
from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest

from claude.claude_code import PATIENCE_SECONDS, TOOL_PREFIX, ClaudeCode, needs_claude
from claude.scripted_model import Script, ScriptedModel, Scripts, ToolCall
from helpers.support import TIMEOUT_SECONDS, TeamsupCommand, count_listeners, eventually, round_ages
from teamsup.cli.commands.watch import WAKE_LINE
from teamsup.hub import MessageHub

pytestmark = needs_claude
READ = ToolCall(f"{TOOL_PREFIX}team_read_messages")
WAIT = ToolCall(f"{TOOL_PREFIX}team_read_messages", {"wait_seconds": 3600})


def after(action: Callable[[], object], said: str | ToolCall) -> Callable[[], str | ToolCall]:
    """The model says this once that was done."""

    def step() -> str | ToolCall:
        action()
        return said

    return step


def is_at_work(scout: MessageHub) -> bool:
    lead = scout.find_agent("lead")
    return lead is None or bool(lead.metadata.get("in_turn"))


def listens(scout: MessageHub) -> bool:
    return count_listeners(scout.team, "lead") > 0


def test_an_agent_sends_waits_is_woken_and_replies(claude: ClaudeCode, scout: MessageHub) -> None:
    def answer() -> None:
        assert scout.wait(TIMEOUT_SECONDS)
        (delivery,) = scout.claim()
        scout.reply(delivery, "all calm")

    script: Script = [
        ToolCall(f"{TOOL_PREFIX}team_send_message", {"recipient": "scout", "content": "how is it?"}),
        after(answer, WAIT),
        ToolCall(f"{TOOL_PREFIX}team_send_message", {"reply_to": "#2", "content": "thank you"}),
        "finished",
    ]
    with ScriptedModel({"": script}) as model:
        assert claude.ask(model, "go") == "finished"
        assert {name for name in model.offered if name.startswith(TOOL_PREFIX)} == {
            f"{TOOL_PREFIX}team_{verb}"
            for verb in ("broadcast", "get_status", "read_messages", "send_message", "update_status")
        }
        assert "Stored as #1; scout " in model.received
        assert re.search(
            r"<message (\w{4}) #2 from scout, just now>\nall calm\n</message \1>", round_ages(model.received)
        )
    assert scout.queries.trace("#2")[0].outcome == "answered"
    assert [delivery.message.content for delivery in scout.claim()] == ["thank you"]


@pytest.mark.slow
def test_half_an_emoji_in_a_call_does_not_hang_the_session(claude: ClaudeCode, scout: MessageHub) -> None:
    script: Script = [
        ToolCall(f"{TOOL_PREFIX}team_send_message", {"recipient": "scout", "content": "half \ud83d"}),
        "finished",
    ]
    with ScriptedModel({"": script}) as model:
        assert claude.ask(model, "go") == "finished"
    assert [delivery.message.content for delivery in scout.claim()] == ["half \ufffd"]


@pytest.mark.slow
def test_a_turn_that_is_never_left_alone_ends_after_three_holds(claude: ClaudeCode, scout: MessageHub) -> None:
    def end(number: int) -> Callable[[], str]:
        def step() -> str:
            scout.send("lead", f"and number {number}")
            return f"end {number}"

        return step

    with ScriptedModel({"": [end(number) for number in range(6)]}) as model:
        assert claude.ask(model, "go") == "end 3"
    assert len(scout.queries.peek()) == 0
    assert [scout.queries.trace(f"#{number}")[0].read_at for number in range(1, 5)] == [None] * 4


@pytest.mark.slow
def test_a_command_in_the_shell_of_a_session_counts_as_the_agents(claude: ClaudeCode, scout: MessageHub) -> None:
    run = ToolCall("Bash", {"command": "\"$TEAMSUP\" send scout 'I am ann, I decide'"})
    with ScriptedModel({"": [run, "finished"]}) as model:
        assert claude.ask(model, "go") == "finished"
    assert [delivery.message.metadata for delivery in scout.claim()] == [{"session": "lead"}]


@pytest.mark.slow
def test_a_message_sent_while_it_works_is_read_in_the_same_turn(claude: ClaudeCode, scout: MessageHub) -> None:
    script: Script = [
        after(lambda: scout.send("lead", "the disk is full"), ToolCall("Bash", {"command": "true"})),
        READ,
        "finished",
    ]
    with ScriptedModel({"": script}) as model:
        assert claude.ask(model, "go") == "finished"
        assert "PostToolUse:Bash hook additional context: teamsup: 1 message waits for you." in model.received
        assert '#1 from scout: "the disk is full"' in model.received
    assert scout.queries.trace("#1")[0].state == "done"


@pytest.mark.slow
def test_a_turn_does_not_end_before_its_mail_is_read(claude: ClaudeCode, scout: MessageHub) -> None:
    def last_words() -> str:
        scout.send("lead", "one more thing")
        return "finished"

    with ScriptedModel({"": [last_words, READ, "really finished"]}) as model:
        assert claude.ask(model, "go") == "really finished"
        assert "Read with team_read_messages before you end" in model.received
    assert scout.queries.trace("#1")[0].state == "done"


@pytest.mark.slow
def test_a_subagent_takes_part_in_its_own_name(claude: ClaudeCode, scout: MessageHub) -> None:
    scout.enroll("gcp-monitor")
    scout.send("gcp-monitor", "how is the load?")
    task = {"description": "look", "subagent_type": "teamsup:gcp-monitor", "prompt": "go", "run_in_background": False}
    scripts: Scripts = {
        "": [ToolCall("Agent", task), "finished"],
        "gcp-monitor": [
            READ,
            ToolCall(f"{TOOL_PREFIX}team_send_message", {"reply_to": "#1", "content": "low"}),
            "looked",
        ],
    }
    with ScriptedModel(scripts) as model:
        assert claude.ask(model, "go") == "finished"
    (delivery,) = scout.claim()
    assert (delivery.message.sender, delivery.message.content) == ("gcp-monitor", "low")


@pytest.mark.slow
def test_a_monitor_agent_changes_nothing_in_the_cloud(claude: ClaudeCode) -> None:
    task = {"description": "x", "subagent_type": "teamsup:gcp-monitor", "prompt": "go", "run_in_background": False}
    scripts: Scripts = {
        "": [ToolCall("Agent", task), "finished"],
        "gcp-monitor": [ToolCall("Bash", {"command": "gcloud compute instances delete web-1 --quiet"}), "looked"],
    }
    with ScriptedModel(scripts) as model:
        assert claude.ask(model, "go") == "finished"
        assert "only reads" in model.received, model.received[-2000:]


@pytest.mark.slow
def test_a_project_that_was_set_up_needs_nothing_more(claude: ClaudeCode, teamsup: TeamsupCommand) -> None:
    options = ("--agent", "chief", "--agents", "oci-monitor", "--project", str(claude.project))
    assert teamsup.run("init", "--claude", *options).returncode == 0
    send = ToolCall(f"{TOOL_PREFIX}team_send_message", {"recipient": "oci-monitor", "content": "are you there?"})
    with ScriptedModel({"": [send, "finished"]}) as model:
        assert claude.ask(model, "go", "--permission-mode", "manual") == "finished"
        assert "Stored as #1; oci-monitor is offline, never here yet." in model.received
    with MessageHub(teamsup.team) as hub:
        assert hub.queries.message("#1").sender == "chief"


@pytest.mark.slow
def test_an_idle_session_is_woken_by_its_monitor(claude: ClaudeCode, scout: MessageHub) -> None:
    status = ToolCall(f"{TOOL_PREFIX}team_update_status", {"status": "online"})
    in_turn = Event()
    script: Script = [status, after(in_turn.set, "nothing to do"), READ, "read it"]
    with ScriptedModel({"": script}) as model, claude.converse(model, "go"):
        eventually(lambda: in_turn.is_set() and listens(scout) and not is_at_work(scout), "it is idle, and watched")
        scout.send("lead", "wake up")
        eventually(lambda: model.is_finished, "it was woken and has read")
        assert WAKE_LINE in model.received
        eventually(lambda: scout.queries.trace("#1")[0].state == "done", "its turn has ended")


@pytest.mark.slow
def test_a_long_wait_goes_on_behind_an_idle_session_and_wakes_it(claude: ClaudeCode, scout: MessageHub) -> None:
    script: Script = [
        WAIT,
        "waiting",
        ToolCall(f"{TOOL_PREFIX}team_send_message", {"reply_to": "#1", "content": "I am"}),
        "done",
    ]
    with (
        ScriptedModel({"": script}) as model,
        claude.converse(model, "go", CLAUDE_CODE_MCP_AUTO_BACKGROUND_MS="500"),
    ):
        eventually(lambda: "moved to the background" in model.received, "it waits behind the session")
        scout.send("lead", "are you there?")
        assert scout.wait(TIMEOUT_SECONDS)
        assert scout.claim()[0].message.content == "I am"
        assert WAKE_LINE not in model.received


@pytest.mark.slow
def test_people_permit_a_call_of_an_open_session(claude: ClaudeCode, scout: MessageHub, tmp_path: Path) -> None:
    claude.teamsup.team.configuration.write_text("[agent.lead]\nask_in_sessions = true\n")
    touch = ToolCall("Bash", {"command": f"touch {tmp_path / 'effect'}"})
    with (
        MessageHub(scout.team, agent="user_comm") as user_comm,
        ScriptedModel({"": [touch, "done"]}) as model,
        claude.converse(model, "go"),
    ):
        user_comm.register("daemon")
        assert user_comm.wait(PATIENCE_SECONDS)
        (delivery,) = user_comm.claim()
        assert f"| command: touch {tmp_path / 'effect'}" in delivery.message.content
        decided = {"state": "decided", "answer": "allow", "person": "console-ann", "by": "ann", "decision": 1}
        user_comm.reply(delivery, "allow", message_type="opinion_response", metadata=decided)
        eventually((tmp_path / "effect").exists, "the call was made")
        eventually(lambda: model.is_finished, "the session goes on")
