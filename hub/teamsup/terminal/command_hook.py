"""The command that runs when no agent or person acknowledges, or can be notified: for mail, SMS or a siren.

monitor-bridge runs it for an incident. The supervisor runs it in a separate process when the hub or monitor-bridge
fails. ``python -m teamsup.terminal.command_hook SECONDS COMMAND …`` reads the text and writes why the command failed.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping, Sequence

from .formatting import to_single_line

_MAX_ERROR_BYTES = 4096


def team_variables(title: str) -> dict[str, str]:
    """Return the command's environment variables for a trouble of the team itself. Pure."""
    known = {"TEAMSUP_SOURCE": "team", "TEAMSUP_SEVERITY": "critical", "TEAMSUP_TITLE": to_bounded_line(title)}
    return {"TEAMSUP_INCIDENT": "", "TEAMSUP_COUNT": "0", "TEAMSUP_LINK": ""} | known


async def run_command(command: Sequence[str], text: str, variables: Mapping[str, str], seconds: float) -> str:
    """Run the command without a shell. Return why it failed; empty: it did not."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, **variables},
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        return f"it could not be started: {getattr(error, 'strerror', None) or error}"
    errors = bytearray()
    try:
        async with asyncio.timeout(seconds):
            await asyncio.gather(_write_input(process, text), _read_errors(process, errors))
            await process.wait()
    except TimeoutError:
        # A process that it has left in the background may keep its stderr open.
        if process.returncode is None:
            return f"it did not end within {seconds:g} s"
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    if process.returncode == 0:
        return ""
    last = errors.decode(errors="replace").strip().splitlines()[-1:]
    return f"exit code {process.returncode}" + "".join(f": {to_bounded_line(each)}" for each in last)


async def _write_input(process: asyncio.subprocess.Process, text: str) -> None:
    assert process.stdin is not None  # noqa: S101 - a pipe
    with contextlib.suppress(ConnectionError):
        process.stdin.write(text.encode("utf-8", "replace"))
        await process.stdin.drain()
    process.stdin.close()


async def _read_errors(process: asyncio.subprocess.Process, errors: bytearray) -> None:
    """Return the end of the command's error output."""
    assert process.stderr is not None  # noqa: S101 - a pipe
    while piece := await process.stderr.read(_MAX_ERROR_BYTES):
        errors += piece
        del errors[:-_MAX_ERROR_BYTES]


def to_bounded_line(text: str) -> str:
    """Return the text as one line of at most 500 characters."""
    return to_single_line(text, 500)


if __name__ == "__main__":
    sys.stdout.write(asyncio.run(run_command(sys.argv[2:], sys.stdin.read(), {}, float(sys.argv[1]))))
