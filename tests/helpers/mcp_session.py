"""One session's MCP server as Claude Code runs it, and what the model and the hooks of that session do."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import IO, Any

import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp.types import CallToolResult

from helpers.support import clean_environment, eventually
from teamsup.cli.claude.fork_server import SOCKET_NAME
from teamsup.hub import Team

PLUGIN = Path(__file__).parents[2] / "deploy" / "claude"
HOOK = PLUGIN / "hook.py"
TEAMSUP = str(Path(sys.executable).with_name("teamsup"))


def launch_command(*options: str) -> list[str]:
    """The command with which the plugin starts the server of a session."""
    return ["sh", str(PLUGIN / "python.sh"), str(PLUGIN / "launcher.py"), TEAMSUP, "mcp", *options]


@contextmanager
def run_fork_server(team: Team, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """A fork server of that team, which listens."""
    team.create()
    with subprocess.Popen(
        [sys.executable, "-m", "teamsup.cli.claude.fork_server", "--team", team.name],
        env={**clean_environment(), "TEAMSUP_HOME": str(team.folder.parent), **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as server:
        # It must not wait for a reader while it prints how long its imports take, for instance.
        threading.Thread(target=_drain, args=(server.stdout,), daemon=True).start()
        try:
            eventually((team.run / SOCKET_NAME).exists, "the fork server listens")
            yield server
        finally:
            server.kill()


def _drain(stream: IO[str]) -> None:
    for _ in stream:
        pass


FORKED, ALONE = "forked", "alone"
either_start = pytest.mark.parametrize("start", [FORKED, ALONE], indirect=True)
"""For tests of what must be so however the server of a session starts: forked, or as a program."""


class SessionModel:
    """The model of one session."""

    def __init__(self, client: Client, environment: dict[str, str]) -> None:
        self.client = client
        self.environment = environment

    async def call(self, tool: str, **arguments: object) -> str:
        return self._text(await self.client.call_tool(tool, arguments), is_error=False)

    async def refused(self, tool: str, **arguments: object) -> str:
        return self._text(await self.client.call_tool(tool, arguments), is_error=True)

    async def call_as(self, tool_use_id: str, tool: str, **arguments: object) -> str:
        """A call as Claude Code marks it."""
        meta: Any = {"claudecode/toolUseId": tool_use_id}
        return self._text(await self.client.call_tool(tool, arguments, meta=meta), is_error=False)

    async def refused_as(self, tool_use_id: str, tool: str, **arguments: object) -> str:
        meta: Any = {"claudecode/toolUseId": tool_use_id}
        return self._text(await self.client.call_tool(tool, arguments, meta=meta), is_error=True)

    def _text(self, result: CallToolResult, *, is_error: bool) -> str:
        (content,) = result.content
        assert content.type == "text"
        assert bool(result.is_error) is is_error, content.text
        return content.text

    def hook(self, event: str, patience: str | None = None, **given: object) -> dict[str, Any]:
        """What a hook of this session prints."""
        process = self.start_hook(event, patience, **given)
        printed, complained = process.communicate(timeout=60)
        assert (process.returncode, complained) == (0, "")
        answer: dict[str, Any] = json.loads(printed) if printed else {}
        return answer

    def start_hook(self, event: str, patience: str | None = None, **given: object) -> "subprocess.Popen[str]":
        """A hook of this session that has got its input; ``patience`` is how long it waits for the server."""
        process = subprocess.Popen(
            ["sh", HOOK.with_name("python.sh"), HOOK, *([patience] if patience else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**self.environment, "TEAMSUP": sys.executable, "CLAUDE_PID": str(os.getpid())},
        )
        assert process.stdin is not None
        process.stdin.write(json.dumps({"hook_event_name": event, "session_id": "s", **given}))
        process.stdin.close()
        process.stdin = None
        return process

    def subagent_calls(self, tool_use_id: str, agent_id: str, agent_type: str) -> None:
        """The hook that Claude Code runs before a subagent's call."""
        given = {"agent_id": agent_id, "agent_type": agent_type, "tool_use_id": tool_use_id}
        assert self.hook("PreToolUse", **given) == {}


@asynccontextmanager
async def open_session(
    team: Team, agent: str = "lead", mode: str = "auto", claude: str | None = None, **more: str
) -> AsyncIterator[SessionModel]:
    """The server and the client of one session; ``claude`` is whose Claude Code it is, by default the agent's own."""
    command = launch_command("--team", team.name, "--agent", agent)
    # Hooks find their server by the pid of its parent, which for all sessions of a test is the test.
    own = team.folder.parent / (claude or agent)
    own.mkdir(exist_ok=True)
    environment = {
        **clean_environment(),
        "TEAMSUP_HOME": str(team.folder.parent),
        "XDG_RUNTIME_DIR": str(own),
        "TEAMSUP": TEAMSUP,
        **more,
    }
    server = StdioServerParameters(command=command[0], args=command[1:], env=environment)
    async with Client(server, mode=mode, read_timeout_seconds=30) as client:
        yield SessionModel(client, environment)
