"""Tries the MCP server as Claude Code uses it: starts ``teamsup mcp``, lists its tools, calls one, ends it."""

import json
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import IO, Any

from teamsup.hub import MessageHub, Team, TeamsupError

from .diagnosis import ServerFacts

_PROTOCOL = "2025-06-18"


class _Trouble(Exception):
    """A step did not come about; the words say how."""


def try_server(command: Sequence[str], team: Team, seconds: float, *, in_own_team: bool) -> ServerFacts:
    """What came of it within so many seconds. The team sees a stranger come and go, and keeps nothing of it."""
    name = f"doctor-{os.getpid()}"
    environment = {**os.environ, "TEAMSUP_HOME": str(team.folder.parent)}
    words = [*command, "mcp", "--team", team.name, "--agent", name]
    facts = ServerFacts(in_own_team=in_own_team)
    began = time.monotonic()
    with tempfile.TemporaryFile("w+", errors="replace") as errors:
        try:
            process = subprocess.Popen(
                words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment
            )
        except OSError as error:
            return replace(facts, trouble=f"{command[0]}: {error.strerror}")
        clock = threading.Timer(seconds, process.kill)
        clock.start()
        try:
            facts = _converse(process, facts, began)
        except (_Trouble, OSError) as trouble:
            process.kill()
            process.wait()
            errors.seek(0)
            said = " ".join(errors.read().split())[-500:]
            late = f"not within {seconds:.0f} s" if time.monotonic() - began >= seconds else str(trouble)
            facts = replace(facts, trouble=said.removeprefix("teamsup: ") or late)
        finally:
            clock.cancel()
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                with suppress(OSError):
                    pipe.close()  # type: ignore[union-attr]
            with suppress(TeamsupError):
                _forget(team, name)
    return facts


def _converse(process: subprocess.Popen[str], facts: ServerFacts, began: float) -> ServerFacts:
    assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018 - pipes, as asked for
    to, back = process.stdin, process.stdout
    hello = {"protocolVersion": _PROTOCOL, "capabilities": {}, "clientInfo": {"name": "teamsup doctor", "version": "1"}}
    _ask(to, back, 1, "initialize", hello)
    _say(to, {"method": "notifications/initialized"})
    facts = replace(facts, ready_seconds=time.monotonic() - began)
    tools = _ask(to, back, 2, "tools/list", {})["tools"]
    facts = replace(facts, tools=frozenset(str(tool["name"]) for tool in tools))
    try:
        began = time.monotonic()
        answer = _ask(to, back, 3, "tools/call", {"name": "team_get_status", "arguments": {}})
        if answer.get("isError"):
            raise _Trouble(" ".join(str(part.get("text", "")) for part in answer["content"]))
        facts = replace(facts, call_seconds=time.monotonic() - began)
        began = time.monotonic()
        to.close()
        if process.wait() != 0:
            raise _Trouble(f"it ended with exit code {process.returncode}")
        return replace(facts, end_seconds=time.monotonic() - began)
    except _Trouble as trouble:
        return replace(facts, trouble=str(trouble))


def _ask(to: IO[str], back: IO[str], number: int, method: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """The result that belongs to the question. Raises _Trouble."""
    _say(to, {"id": number, "method": method, "params": parameters})
    for line in back:
        try:
            answer = json.loads(line)
        except ValueError:
            raise _Trouble(f"it says what is no JSON: {line[:80]!r}") from None
        if isinstance(answer, dict) and answer.get("id") == number:
            if not isinstance(answer.get("result"), dict):
                raise _Trouble(f"{method} is answered with {json.dumps(answer.get('error'))[:200]}")
            return dict(answer["result"])
    raise _Trouble(f"it ended before it answered {method}")


def _say(to: IO[str], message: dict[str, Any]) -> None:
    to.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    to.flush()


def _forget(team: Team, name: str) -> None:
    """Whoever wrote to everybody meanwhile wrote to our stranger too."""
    if not team.database.exists():
        return
    with MessageHub(team, agent=name, durability="normal") as hub, hub.transaction():
        while claimed := hub.claim(100):
            for delivery in claimed:
                hub.acknowledge(delivery)
        hub.retire(name)
