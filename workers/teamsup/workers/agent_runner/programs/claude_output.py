"""Read the output of Claude Code in a run: lines of stream-json, and the reason of the end.

The formats are those of ``claude_code.SEEN_VERSION``. A missing or odd field never makes a run look better than it was.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from teamsup.terminal.formatting import to_single_line

from .program import DeferredCall, Ending, RunOutput

_DETAIL_CHARACTERS = 300
_SERVER_OF_THE_TEAM = "plugin:teamsup:teamsup"
_NO_KEY = "none"
"""The source of the API key when Claude Code uses a login."""
_LIMIT, _LOGIN, _BILLING, _MODEL = "rate_limit", "authentication_failed", "billing_error", "model_not_found"
_SESSION_ENDS = ("prompt_too_long", "image_error")
_INTERRUPTED = ("aborted_tools", "aborted_streaming")
_LOST = "No conversation found"
_NOTHING_DEFERRED = "No deferred tool marker"
_IN_USE = "already in use"
_CUTS: Mapping[str, Ending] = {"error_max_turns": "max_turns", "error_max_budget_usd": "max_usd"}


class OutputReader:
    """The output of one run, line by line. A run may have had several processes, each with its own file."""

    def __init__(self) -> None:
        self.ended_calls: set[str] = set()
        """The calls whose results the model has received."""
        self.is_fruitless = True
        """Whether the latest process has reported no turn, for example because it found no deferred call."""
        self._output = RunOutput()
        self._turns: set[str] = set()
        self._tokens: dict[str, tuple[int, int]] = {}
        self._kept_tokens = (0, 0)
        self._error = ""
        self._limit: Mapping[str, Any] | None = None

    @property
    def output(self) -> RunOutput:
        """Return the result of the lines so far."""
        tokens_in, tokens_out = (
            kept + sum(each[at] for each in self._tokens.values()) for at, kept in enumerate(self._kept_tokens)
        )
        return replace(self._output, turns=len(self._turns), tokens_in=tokens_in, tokens_out=tokens_out)

    def begin_process(self) -> None:
        """Note that another process continues the run."""
        self._begin_turn()
        self.is_fruitless = True
        self._keep_tokens()

    def feed(self, line: bytes) -> None:
        """Read a line. Ignore an unreadable line."""
        try:
            said = json.loads(line)
        except ValueError:
            return
        if not isinstance(said, dict):
            return
        if isinstance(session := said.get("session_id"), str):
            self._output = replace(self._output, session_id=session)
        match said.get("type"):
            case "system" if said.get("subtype") == "init":
                self._begin_turn()
                self._read_init(said)
            case "system" if said.get("subtype") == "api_retry":
                self._read_retry(said)
            case "rate_limit_event":
                self._limit = _mapping(said.get("rate_limit_info"))
            case "assistant":
                self._read_answer(said)
            case "user":
                self.is_fruitless = False
                blocks = _blocks(said)
                self.ended_calls.update(str(block.get("tool_use_id")) for block in blocks if "tool_use_id" in block)
            case "result":
                self._read_result(said)

    def _begin_turn(self) -> None:
        """Begin a turn, and forget the end of the earlier turn."""
        self._output = replace(
            self._output, ending="none", text="", detail="", resets_at=None, deferred=None, lacks_tools=False
        )
        self._error, self._limit = "", None

    def _read_init(self, said: Mapping[str, Any]) -> None:
        self.is_fruitless = False
        version, key = said.get("claude_code_version"), said.get("apiKeySource")
        self._output = replace(
            self._output, version=_line(version) if isinstance(version, str) else "", has_login=key == _NO_KEY
        )
        if fault := _find_server_fault(said.get("mcp_servers")):
            # Without the server's tools the run would continue, and report a success.
            self._end("configuration", fault)
            self._output = replace(self._output, lacks_tools=True)

    def _read_retry(self, said: Mapping[str, Any]) -> None:
        self.is_fruitless = False
        why = f"{said.get('error_status') or 'no answer'}, {said.get('error')}"
        tries = f"try {said.get('attempt')} of {said.get('max_retries')}"
        self._output = replace(self._output, progress=_line(f"waits for the API ({why}; {tries})"))

    def _read_answer(self, said: Mapping[str, Any]) -> None:
        self.is_fruitless = False
        message = _mapping(said.get("message"))
        if isinstance(error := said.get("error"), str):
            self._error = error
            return
        number = str(message.get("id") or len(self._turns))
        if said.get("parent_tool_use_id") is None:
            self._turns.add(number)
        self._tokens[number] = _tokens(_mapping(message.get("usage")))
        for block in _blocks(said):
            if block.get("type") == "tool_use" and isinstance(tool := block.get("name"), str):
                tools = self._output.tools
                progress = _line(_short_name(tool))
                self._output = replace(
                    self._output, progress=progress, tools=tools if tool in tools else (*tools, tool)
                )

    def _read_result(self, said: Mapping[str, Any]) -> None:
        self.is_fruitless = False
        usd = said.get("total_cost_usd")
        if isinstance(usd, int | float) and not isinstance(usd, bool) and usd >= 0:
            self._output = replace(self._output, usd=float(usd))
        self._count_result(_mapping(said.get("usage")))
        if self._output.ending == "configuration":
            return
        text = said.get("result")
        words = text if isinstance(text, str) else ""
        deferred = said.get("deferred_tool_use")
        if isinstance(deferred, dict):
            call = DeferredCall(str(deferred.get("id")), str(deferred.get("name")), _mapping(deferred.get("input")))
            self._output = replace(self._output, ending="deferred", deferred=call)
        elif said.get("is_error") is False and said.get("terminal_reason", "completed") == "completed":
            self._output = replace(self._output, ending="completed", text=words)
        else:
            self._read_error(said, words)

    def _read_error(self, said: Mapping[str, Any], words: str) -> None:
        why, kind = str(said.get("terminal_reason")), str(said.get("subtype"))
        errors = " ".join(map(str, said.get("errors") or ())) or words
        if kind in _CUTS:
            self._end(_CUTS[kind], errors)
        elif why in _SESSION_ENDS:
            self._end("session_lost", errors or why)
        elif why in _INTERRUPTED:
            # The ledger of calls shows what was interrupted.
            self._output = replace(self._output, ending="none", detail=f"interrupted ({why})")
        elif why == "api_error":
            ending = api_ending(said.get("api_error_status"), self._error, is_limited=self._is_limited)
            resets_at = self._limit.get("resetsAt") if self._limit and ending == "limit" else None
            self._end(ending, errors, float(resets_at) if isinstance(resets_at, int | float) else None)
        elif _LOST in errors:
            self._end("session_lost", errors)
        elif "sandbox" in errors.casefold():
            self._end("configuration", errors)
        else:
            self._end("failed", errors or f"{kind}, {why}")

    @property
    def _is_limited(self) -> bool:
        return self._limit is not None and self._limit.get("status") == "rejected"

    def _end(self, ending: Ending, detail: str, resets_at: float | None = None) -> None:
        self._output = replace(self._output, ending=ending, detail=_line(detail), resets_at=resets_at)

    def _count_result(self, usage: Mapping[str, Any]) -> None:
        """Take the tokens from the result line, which counts the tokens of its process better than the lines of
        answers.
        """
        if usage:
            counted, lines = _tokens(usage), self._tokens.values()
            self._tokens = {"result": (max(counted[0], sum(n for n, _ in lines)), max(counted[1], 0))}

    def _keep_tokens(self) -> None:
        kept_in, kept_out = self._kept_tokens
        for tokens_in, tokens_out in self._tokens.values():
            kept_in, kept_out = kept_in + tokens_in, kept_out + tokens_out
        self._kept_tokens, self._tokens = (kept_in, kept_out), {}


def read_errors(output: RunOutput, stderr: str) -> RunOutput:
    """Return the output, with the stderr of a process that failed at its start."""
    if output.ending != "none" or output.detail or not stderr.strip():
        return output
    last = _line(stderr.strip().splitlines()[-1])
    if _LOST in stderr:
        return replace(output, ending="session_lost", detail=last)
    if _IN_USE in stderr or _NOTHING_DEFERRED in stderr:
        return replace(output, detail=last)
    if "error: " in stderr or "not found" in stderr:
        return replace(output, ending="configuration", detail=last)
    return replace(output, detail=last)


def is_nothing_deferred(stderr: str) -> bool:
    """Return whether Claude Code has reported that no call waits in the session."""
    return _NOTHING_DEFERRED in stderr


def api_ending(status: object, error: str, *, is_limited: bool) -> Ending:
    """Return the effect of an API failure on the run."""
    if is_limited or status == 429 or error == _LIMIT:
        return "limit"
    if status in (401, 403) or error == _LOGIN:
        return "login"
    if error == _BILLING:
        return "billing"
    if status == 404 or error == _MODEL:
        return "configuration"
    # No status means: no network, a timeout, or an unreadable answer.
    return "retry_later" if not isinstance(status, int) or status >= 500 else "failed"


def read_lines(lines: Iterable[bytes]) -> RunOutput:
    """Return the result of a process that has printed these lines."""
    reader = OutputReader()
    for line in lines:
        reader.feed(line)
    return reader.output


def _find_server_fault(listed: object) -> str:
    """Return the fault of the MCP servers in the ``init`` line, or an empty text if the team's server is there and none
    has failed.

    A server may still be connecting.
    """
    servers = [server for server in listed if isinstance(server, dict)] if isinstance(listed, list) else []
    names = [str(server.get("name")) for server in servers]
    failed = [name for name, server in zip(names, servers, strict=True) if server.get("status") == "failed"]
    if failed:
        shown = ", ".join("teamsup" if name == _SERVER_OF_THE_TEAM else name for name in failed)
        return f"the MCP server {shown} has failed"
    if _SERVER_OF_THE_TEAM not in names:
        return "Claude Code has not loaded the MCP server teamsup of the plugin"
    return ""


def _tokens(usage: Mapping[str, Any]) -> tuple[int, int]:
    given = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")
    *inputs, output = (value if isinstance(value := usage.get(name), int) else 0 for name in given)
    return sum(inputs), output


def _short_name(tool: str) -> str:
    return tool.rpartition("__")[2]


def _blocks(said: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    content = _mapping(said.get("message")).get("content")
    return [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _line(text: str) -> str:
    return to_single_line(text, _DETAIL_CHARACTERS)
