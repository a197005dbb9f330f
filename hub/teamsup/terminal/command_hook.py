"""The command for mail, SMS or a siren. It runs when people do not acknowledge, or cannot be notified.

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


class _CommandProtocol(asyncio.SubprocessProtocol):
    """Keeps the last part of the error output, and notices the end of the command and its pipes."""

    def __init__(self) -> None:
        self.errors = bytearray()
        self.exited = asyncio.Event()
        self.closed = asyncio.Event()

    def pipe_data_received(self, _fd: int, data: bytes) -> None:
        self.errors += data
        del self.errors[:-_MAX_ERROR_BYTES]

    def process_exited(self) -> None:
        self.exited.set()

    def connection_lost(self, _error: Exception | None) -> None:
        self.closed.set()


async def run_command(command: Sequence[str], text: str, variables: Mapping[str, str], seconds: float) -> str:
    """Run the command without a shell. Return why it failed, or an empty text."""
    try:
        transport, protocol = await asyncio.get_running_loop().subprocess_exec(
            _CommandProtocol,
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, **variables},
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        return f"it could not be started: {getattr(error, 'strerror', None) or error}"
    stdin = transport.get_pipe_transport(0)
    assert isinstance(stdin, asyncio.WriteTransport)  # noqa: S101 - a pipe
    stdin.write(text.encode("utf-8", "replace"))
    stdin.write_eof()
    try:
        async with asyncio.timeout(seconds):
            await protocol.closed.wait()
    except TimeoutError:
        # A process that the command has left in the background may keep stderr open.
        if transport.get_returncode() is None:
            return f"it did not end within {seconds:g} s"
    finally:
        if transport.get_returncode() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(transport.get_pid(), signal.SIGKILL)
            await protocol.exited.wait()
        if stdin.get_write_buffer_size():
            stdin.abort()
        transport.close()
        await protocol.closed.wait()
    if (code := transport.get_returncode()) == 0:
        return ""
    last = protocol.errors.decode(errors="replace").strip().splitlines()[-1:]
    return f"exit code {code}" + "".join(f": {to_bounded_line(each)}" for each in last)


def to_bounded_line(text: str) -> str:
    """Return the text as one line of at most 500 characters."""
    return to_single_line(text, 500)


if __name__ == "__main__":
    sys.stdout.write(asyncio.run(run_command(sys.argv[2:], sys.stdin.read(), {}, float(sys.argv[1]))))
