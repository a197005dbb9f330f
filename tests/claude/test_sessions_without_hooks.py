"""Sessions of the real Claude Code whose hooks do not run: the server alone, or hooks that are switched off."""

import json
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from claude.claude_code import TOOL_PREFIX, ClaudeCode, needs_claude
from claude.scripted_model import ScriptedModel, ToolCall
from helpers.mcp_session import TEAMSUP
from teamsup.hub import MessageHub
from teamsup.hub.models import MAX_ATTEMPTS

pytestmark = [needs_claude, pytest.mark.slow]
COMES_BACK = "Answer them, or read once more before you end. Otherwise they come back."


@dataclass(frozen=True)
class Setup:
    """How a session without hooks is started."""

    options: Callable[[ClaudeCode], tuple[str, ...]]
    prefix: str
    refused_reads: int = 0
    """With the plugin the first call waits for a hook, which does not come."""

    def read(self, times: int = 1) -> list[ToolCall]:
        return [ToolCall(f"{self.prefix}team_read_messages")] * (self.refused_reads + times)


def server_alone(claude: ClaudeCode) -> tuple[str, ...]:
    servers = claude.home / "servers.json"
    servers.write_text(json.dumps({"mcpServers": {"teamsup": {"command": TEAMSUP, "args": ["mcp"]}}}))
    return ("--mcp-config", str(servers), "--strict-mcp-config", "--allowedTools", "mcp__teamsup__*")


def hooks_off(claude: ClaudeCode) -> tuple[str, ...]:
    settings = '{"disableAllHooks": true}'
    return ("--plugin-dir", str(claude.home / "plugin"), "--settings", settings, "--allowedTools", f"{TOOL_PREFIX}*")


SETUPS = {
    "server alone": Setup(server_alone, "mcp__teamsup__"),
    "hooks off": Setup(hooks_off, TOOL_PREFIX, refused_reads=1),
}
either_setup = pytest.mark.parametrize("setup", SETUPS.values(), ids=SETUPS.keys())


@either_setup
def test_a_message_that_no_run_ends_is_given_up_and_its_sender_told(
    claude: ClaudeCode, scout: MessageHub, setup: Setup
) -> None:
    scout.send("lead", "how is the load?")

    for number in range(1, MAX_ATTEMPTS + 1):
        with ScriptedModel({"": [*setup.read(), "low"]}) as model:
            assert claude.ask(model, "go", *setup.options(claude)) == "low"
            assert "how is the load?" in model.received
            assert COMES_BACK in model.received
        assert scout.queries.trace("#1")[0].attempts == number

    assert scout.queries.trace("#1")[0].state == "dead"
    (told,) = scout.claim()
    assert "its session ended before it answered or read on" in told.message.content


@either_setup
def test_a_read_at_the_end_of_a_run_ends_its_messages(claude: ClaudeCode, scout: MessageHub, setup: Setup) -> None:
    scout.send("lead", "how is the load?")

    with ScriptedModel({"": [*setup.read(times=2), "low"]}) as model:
        assert claude.ask(model, "go", *setup.options(claude)) == "low"
    assert scout.queries.trace("#1")[0].state == "done"
