"""What Claude Code's output says of a run: every row of the shapes that were seen."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from teamsup.workers.agent_runner.programs.claude_output import OutputReader, api_ending, read_errors, read_lines
from teamsup.workers.agent_runner.programs.program import DeferredCall, RunOutput

INIT = {
    "type": "system",
    "subtype": "init",
    "session_id": "s1",
    "mcp_servers": [{"name": "plugin:teamsup:teamsup", "status": "connected", "source": "plugin"}],
}
USAGE = {
    "input_tokens": 10,
    "cache_creation_input_tokens": 200,
    "cache_read_input_tokens": 3000,
    "output_tokens": 7,
}
COMPLETED = {
    "type": "result",
    "subtype": "success",
    "is_error": False,
    "terminal_reason": "completed",
    "result": "all calm",
    "num_turns": 3,
    "total_cost_usd": 0.25,
    "usage": USAGE,
    "session_id": "s1",
}
DEFERRED = {
    **COMPLETED,
    "terminal_reason": "tool_deferred",
    "result": "",
    "deferred_tool_use": {"id": "toolu_2", "name": "Bash", "input": {"command": "reboot"}},
}


def answer(*blocks: Mapping[str, Any], identity: str = "msg_1", **more: object) -> dict[str, Any]:
    usage = {"input_tokens": 5, "output_tokens": 1}
    message = {"id": identity, "role": "assistant", "content": list(blocks), "usage": usage}
    return {"type": "assistant", "message": message, "parent_tool_use_id": None, "session_id": "s1", **more}


def use(tool: str, identity: str = "toolu_1") -> dict[str, Any]:
    return {"type": "tool_use", "id": identity, "name": tool, "input": {}}


def api_error(status: int | None, kind: str, text: str = "API Error") -> tuple[dict[str, Any], dict[str, Any]]:
    """The last two lines of a run whose request was refused for good."""
    said = answer({"type": "text", "text": text}, error=kind, is_api_error_message=True, api_error_status=status)
    result = {**COMPLETED, "is_error": True, "terminal_reason": "api_error", "result": text, "total_cost_usd": 0}
    return said, {**result, "api_error_status": status}


def read(*lines: Mapping[str, Any]) -> RunOutput:
    return read_lines(json.dumps(line).encode() for line in lines)


def test_nothing_written_says_nothing() -> None:
    assert read() == RunOutput()
    assert read(INIT).ending == "none"


def test_a_result_without_an_error_is_the_answer() -> None:
    output = read(INIT, answer({"type": "text", "text": "all calm"}), COMPLETED)
    assert (output.ending, output.text, output.session_id) == ("completed", "all calm", "s1")
    assert (output.turns, output.tokens_in, output.tokens_out, output.usd) == (1, 3210, 7, 0.25)


def test_a_deferred_call_counts_with_any_other_content_of_the_line() -> None:
    call = DeferredCall("toolu_2", "Bash", {"command": "reboot"})
    assert read(INIT, DEFERRED).deferred == call
    without = {key: value for key, value in DEFERRED.items() if key != "terminal_reason"}
    assert read(INIT, without) == read(INIT, DEFERRED)
    assert read(INIT, DEFERRED).ending == "deferred"


LIMIT = {"status": "rejected", "resetsAt": 1796033820, "rateLimitType": "five_hour", "isUsingOverage": False}
FAILURES = [
    (429, "rate_limit", "limit"),
    (529, "server_error", "retry_later"),
    (500, "server_error", "retry_later"),
    (None, "server_error", "retry_later"),
    (None, "unknown", "retry_later"),
    (401, "authentication_failed", "login"),
    (403, "authentication_failed", "login"),
    (None, "authentication_failed", "login"),
    (400, "billing_error", "billing"),
    (404, "model_not_found", "configuration"),
    (400, "unknown", "failed"),
    (400, "invalid_request", "failed"),
]


@pytest.mark.parametrize(("status", "kind", "ending"), FAILURES)
def test_a_failure_of_the_api_is_known_by_its_status_and_its_kind(status: int | None, kind: str, ending: str) -> None:
    output = read(INIT, *api_error(status, kind, "API Error: \x1b[31mno"))
    assert output.ending == ending
    assert output.detail == "API Error: \ufffd[31mno"
    assert output.text == ""
    assert api_ending(status, kind, is_limited=False) == ending


def test_a_limit_says_until_when() -> None:
    event = {"type": "rate_limit_event", "rate_limit_info": LIMIT}
    output = read(INIT, event, *api_error(429, "rate_limit", "You've hit your 5-hour limit · resets 10:17am (UTC)"))
    assert (output.ending, output.resets_at) == ("limit", 1796033820.0)
    assert output.detail == "You've hit your 5-hour limit · resets 10:17am (UTC)"


def test_a_limit_that_only_warns_ends_nothing() -> None:
    event = {"type": "rate_limit_event", "rate_limit_info": {**LIMIT, "status": "allowed_warning"}}
    assert read(INIT, event, COMPLETED).ending == "completed"
    assert read(INIT, event, *api_error(529, "server_error")).ending == "retry_later"


@pytest.mark.parametrize(
    ("line", "ending", "detail"),
    [
        ({"subtype": "error_max_turns", "terminal_reason": "max_turns", "errors": ["(40)"]}, "max_turns", "(40)"),
        ({"subtype": "error_max_budget_usd", "errors": ["$1"]}, "max_usd", "$1"),
        ({"terminal_reason": "prompt_too_long", "result": "Prompt is too long"}, "session_lost", "Prompt is too long"),
        ({"terminal_reason": "image_error", "result": ""}, "session_lost", "image_error"),
        ({"subtype": "error_during_execution", "errors": ["No conversation found with x"]}, "session_lost", None),
        ({"subtype": "error_during_execution", "errors": ["sandbox is unavailable"]}, "configuration", None),
        ({"subtype": "error_during_execution", "terminal_reason": "aborted_tools", "errors": []}, "none", None),
        ({"subtype": "error_during_execution", "terminal_reason": "aborted_streaming", "errors": []}, "none", None),
        ({"subtype": "error_of_tomorrow", "errors": ["new"]}, "failed", "new"),
        ({"terminal_reason": "reason_of_tomorrow", "is_error": False}, "failed", None),
        ({"is_error": "yes"}, "failed", None),
    ],
)
def test_a_cut_or_lost_output_is_not_a_success(line: dict[str, Any], ending: str, detail: str | None) -> None:
    output = read(INIT, {**COMPLETED, "is_error": True, "terminal_reason": None, "result": "", **line})
    assert output.ending == ending
    assert detail is None or output.detail == detail


@pytest.mark.parametrize(
    ("stderr", "ending"),
    [
        ("", "none"),
        ("No conversation found with session ID: 1", "session_lost"),
        ("Error: Session ID 1 is already in use.", "none"),
        ("No deferred tool marker found", "none"),
        ("error: unknown option '--nope'", "configuration"),
        ("warning\nerror: agent 'x' not found", "configuration"),
        ("a warning", "none"),
    ],
)
def test_a_program_that_never_began_says_why_on_stderr(stderr: str, ending: str) -> None:
    assert read_errors(RunOutput(), stderr).ending == ending
    assert read_errors(read(INIT, COMPLETED), stderr).ending == "completed"


def test_a_server_that_failed_is_an_error_although_the_agent_goes_on() -> None:
    servers = [{"name": "plugin:teamsup:teamsup", "status": "failed"}, {"name": "x", "status": "connected"}]
    output = read({**INIT, "mcp_servers": servers}, COMPLETED)
    assert (output.ending, output.detail) == ("configuration", "the MCP server teamsup has failed")
    assert output.lacks_tools
    assert not read({**INIT, "mcp_servers": servers}, INIT).lacks_tools, "the next process may have them"


@pytest.mark.parametrize("servers", [None, [], [{"name": "x", "status": "connected"}]])
def test_a_server_of_the_team_that_was_not_loaded_is_an_error_too(servers: object) -> None:
    output = read({**INIT, "mcp_servers": servers}, COMPLETED)
    assert output.ending == "configuration"
    assert output.detail == "Claude Code has not loaded the MCP server teamsup of the plugin"
    assert output.lacks_tools


def test_a_server_that_is_still_connecting_has_not_failed() -> None:
    servers = [{"name": "plugin:teamsup:teamsup", "status": "pending"}]
    assert read({**INIT, "mcp_servers": servers}, COMPLETED).ending == "completed"


@pytest.mark.parametrize(("key", "has_login"), [("none", True), ("ANTHROPIC_API_KEY", False), (None, False)])
def test_it_names_its_version_and_whether_it_has_a_login(key: object, has_login: bool) -> None:
    output = read({**INIT, "claude_code_version": "2.1.332", "apiKeySource": key}, COMPLETED)
    assert (output.version, output.has_login) == ("2.1.332", has_login)


def test_the_last_result_counts_and_a_new_turn_takes_the_one_before_back() -> None:
    assert read(INIT, DEFERRED, INIT).ending == "none"
    assert read(INIT, DEFERRED, INIT, COMPLETED).ending == "completed"
    assert read(INIT, COMPLETED, INIT, *api_error(529, "server_error")).ending == "retry_later"
    assert read(INIT, *api_error(529, "server_error"), INIT, COMPLETED).text == "all calm"


def test_it_reports_which_tools_are_in_use_and_what_happens_now() -> None:
    lines = [INIT, answer(use("mcp__plugin_teamsup_teamsup__team_send_message"))]
    assert read(*lines).progress == "team_send_message"
    lines += [answer(use("Bash", "toolu_2"), use("Bash", "toolu_3"), identity="msg_2")]
    assert read(*lines).progress == "Bash"
    assert read(*lines).tools == ("mcp__plugin_teamsup_teamsup__team_send_message", "Bash")
    retry = {"type": "system", "subtype": "api_retry", "attempt": 1, "max_retries": 3, "error": "overloaded"}
    assert read(*lines, {**retry, "error_status": 529}).progress == "waits for the API (529, overloaded; try 1 of 3)"
    assert read(*lines, {**retry, "error_status": None}).progress.startswith("waits for the API (no answer")


def test_a_subagents_turns_are_not_the_agents() -> None:
    lines = [INIT, answer(use("Agent")), answer(use("Bash"), identity="msg_2", parent_tool_use_id="toolu_1")]
    assert read(*lines).turns == 1
    assert read(*lines).tools == ("Agent", "Bash")


def test_without_a_result_the_tokens_of_the_answers_count_and_the_cost_is_unknown() -> None:
    output = read(INIT, answer(use("Bash")), answer(use("Bash"), identity="msg_2"))
    assert (output.tokens_in, output.tokens_out, output.usd) == (10, 2, None)


def test_processes_of_one_run_add_up_and_the_cost_is_that_of_the_session() -> None:
    reader = OutputReader()
    for cost in (0.25, 0.4):
        reader.begin_process()
        assert reader.output.ending == "none"
        for line in (INIT, {**COMPLETED, "total_cost_usd": cost}):
            reader.feed(json.dumps(line).encode())
    assert (reader.output.tokens_in, reader.output.tokens_out, reader.output.usd) == (6420, 14, 0.4)


def test_a_result_that_the_model_has_got_ends_its_call() -> None:
    reader = OutputReader()
    result = {"tool_use_id": "toolu_1", "type": "tool_result", "content": "ok"}
    reader.feed(json.dumps({"type": "user", "message": {"role": "user", "content": [result]}}).encode())
    assert reader.ended_calls == {"toolu_1"}


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"[1]",
        b"null",
        b'{"type": "result"}',
        b'{"type": "assistant"}',
        b'{"type": "assistant", "message": {"content": "x", "usage": {"input_tokens": "many"}}}',
        b'{"type": "result", "is_error": false, "total_cost_usd": "free", "terminal_reason": "x"}',
        b'{"type": "user", "message": "x"}',
        b'{"type": "rate_limit_event", "rate_limit_info": 1}',
        b"\xff\xfe",
    ],
)
def test_a_strange_line_is_neither_a_success_nor_a_trouble(line: bytes) -> None:
    assert read_lines([line]).ending in ("none", "failed")


def test_a_strange_list_of_servers_is_a_fault() -> None:
    assert read({**INIT, "mcp_servers": ["x"]}).ending == "configuration"
