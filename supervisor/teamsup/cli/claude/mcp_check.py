"""Check the MCP server in the way in which Claude Code uses it: start ``teamsup mcp``, list its tools, call a tool,
stop it.
"""

import logging
import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from teamsup.hub import Team
from teamsup.terminal.findings import CommandHint, Finding, Verdict

EXPECTED_TOOLS = frozenset(
    ("team_send_message", "team_read_messages", "team_broadcast", "team_get_status", "team_update_status")
)
_SLOW_SECONDS = 5.0
_NOT_JSON = "it printed something that is not JSON"


def check_mcp_server(command: Sequence[str], call: CommandHint, seconds: float = 20.0) -> Finding:
    """Return the finding within this many seconds. The check uses a temporary team."""
    import anyio

    # The finding already contains everything that the SDK logs.
    logging.getLogger("mcp").addHandler(logging.NullHandler())
    with (
        tempfile.TemporaryDirectory(prefix="teamsup-doctor-") as home,
        tempfile.TemporaryFile("w+", errors="replace") as errors,
    ):
        team = Team("trial", Path(home, "trial"))
        words = [*command, "mcp", "--team", team.name, "--agent", "doctor"]
        try:
            verdict, text = anyio.run(_try_session, words, {**os.environ, "TEAMSUP_HOME": home}, errors, seconds)
        finally:
            # The database need not be inside its folder.
            shutil.rmtree(team.run, ignore_errors=True)
    hint = "" if verdict is Verdict.OK else f"Try it in a terminal: {call('mcp', '--agent', 'NAME')}"
    return Finding("server", verdict, text, hint)


async def _try_session(
    words: Sequence[str], environment: dict[str, str], errors: TextIO, seconds: float
) -> tuple[Verdict, str]:
    # These imports take half a second.
    import anyio
    from mcp import Client
    from mcp.client.stdio import PROCESS_TERMINATION_TIMEOUT, StdioServerParameters, stdio_client

    is_strange = False

    async def on_message(message: object) -> None:
        nonlocal is_strange
        is_strange = is_strange or isinstance(message, Exception)

    parameters = StdioServerParameters(command=words[0], args=list(words[1:]), env=environment)
    step = "does not start"
    began = time.monotonic()
    try:
        with anyio.fail_after(seconds):
            async with Client(stdio_client(parameters, errlog=errors), message_handler=on_message) as client:
                ready = time.monotonic() - began
                step = "starts, but does not list its tools"
                missing = EXPECTED_TOOLS - {tool.name for tool in (await client.list_tools()).tools}
                step = "starts, but a call of team_get_status fails"
                began = time.monotonic()
                answer = await client.call_tool("team_get_status")
                called = time.monotonic() - began
                step = "answers, but does not exit cleanly"
                began = time.monotonic()
    except Exception as error:
        return (
            Verdict.FAILED,
            f"{step}: {_read_errors(errors) or (_NOT_JSON if is_strange else _describe_error(error, seconds))}",
        )
    ended = time.monotonic() - began
    if missing:
        return Verdict.FAILED, f"starts, but lacks {', '.join(sorted(missing))}"
    if answer.is_error:
        output = " ".join(getattr(part, "text", "") for part in answer.content)
        return Verdict.FAILED, f"starts, but a call of team_get_status fails: {output}"
    text = (
        f"starts in {ready:.2f} s, has its {len(EXPECTED_TOOLS)} tools, answers a call in {called * 1000:.0f} ms, "
        f"exits in {ended:.2f} s"
    )
    unusual = [
        *(["it does not exit cleanly: it had to be killed"] if ended >= PROCESS_TERMINATION_TIMEOUT else []),
        *([_NOT_JSON] if is_strange else []),
        *([f"it printed: {output}"] if (output := _read_errors(errors)) else []),
        *(["that is slow: Claude Code waits for 30 s"] if ready > _SLOW_SECONDS else []),
    ]
    return (Verdict.WARNING, f"{text}, but {unusual[0]}") if unusual else (Verdict.OK, text)


def _read_errors(errors: TextIO) -> str:
    errors.seek(0)
    return " ".join(errors.read().split())[-500:].removeprefix("teamsup: ")


def _describe_error(error: BaseException, seconds: float) -> str:
    """Return the first error inside the SDK's groups of exceptions."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, TimeoutError):
        return f"no answer within {seconds:.0f} s"
    return str(getattr(error, "strerror", None) or error or type(error).__name__)
