"""Ask a program once whether it works: over HTTP, by a connection, or with a command."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from teamsup.config.sections import CheckSection, split_port
from teamsup.terminal.formatting import sanitize

_HTTP_PORT = 80
_MAX_REASON_CHARACTERS = 200
_MAX_OUTPUT_BYTES = 4096
_SCRIPT = '"$@" 2>&1 </dev/null; code=$?; echo; echo $code'
"""The shell script that prints the exit code of a command. The supervisor reaps all processes itself, so it cannot read
the code otherwise.
"""


async def probe(check: CheckSection, directory: Path, environment: Mapping[str, str]) -> str:
    """Return why the program does not work, or an empty text."""
    try:
        async with asyncio.timeout(check.timeout_seconds):
            if check.http:
                return await _get(check.http)
            if check.tcp:
                await _connect(*split_port(check.tcp))
                return ""
            if check.exec:
                return await _execute((*check.exec,), directory, environment)
    except TimeoutError:
        return f"no answer within {check.timeout_seconds:g} s"
    except (OSError, ValueError) as error:
        number = getattr(error, "errno", None)
        return _shorten(os.strerror(number) if number else str(error))
    return f"no line with {check.log!r} yet"


async def _connect(host: str, port: int) -> None:
    _, writer = await asyncio.open_connection(host, port)
    writer.close()


async def _get(address: str) -> str:
    """Return why this answer counts as a failure. Read only its first line."""
    parts = urlsplit(address)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port or _HTTP_PORT)
    try:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        lines = (f"GET {path} HTTP/1.1", f"Host: {parts.netloc}", "User-Agent: teamsup", "Connection: close", "", "")
        writer.write("\r\n".join(lines).encode())
        words = (await reader.readline()).decode("latin-1").split(maxsplit=2)
    except ValueError:
        return "its first line is too long for HTTP"
    finally:
        writer.close()
    if len(words) < 2 or not words[0].startswith("HTTP/") or not words[1].isdigit():
        return "its answer is not HTTP"
    return "" if 200 <= int(words[1]) < 400 else _shorten(f"HTTP status {' '.join(words[1:])}")


async def _execute(command: tuple[str, ...], directory: Path, environment: Mapping[str, str]) -> str:
    """Return why the command failed: its last line, or its exit code. Kill it if the caller is cancelled."""
    loop = asyncio.get_running_loop()
    process = _start(command, directory, environment)
    assert process.stdout is not None  # noqa: S101 - asked for above
    with process.stdout as stdout:
        os.set_blocking(stdout.fileno(), False)
        ended: asyncio.Future[None] = loop.create_future()
        output = bytearray()

        def read() -> None:
            with suppress(BlockingIOError):
                chunk = os.read(stdout.fileno(), _MAX_OUTPUT_BYTES)
                output.extend(chunk)
                del output[:-_MAX_OUTPUT_BYTES]
                if not chunk and not ended.done():
                    ended.set_result(None)

        loop.add_reader(stdout.fileno(), read)
        try:
            await ended
        finally:
            loop.remove_reader(stdout.fileno())
            if not ended.done() or ended.cancelled():
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
    return describe_output(output.decode(errors="replace"))


def _start(command: tuple[str, ...], directory: Path, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        ["/bin/sh", "-c", _SCRIPT, "sh", *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd=directory,
        env=environment,
    )
    process.returncode = 0  # another part of the supervisor reaps it
    return process


def describe_output(output: str) -> str:
    """Return why a command has failed, or an empty text. The last line of ``output`` is the exit code. Pure."""
    *lines, code = [line.strip() for line in output.splitlines() if line.strip()] or ["no exit code"]
    if code == "0":
        return ""
    return _shorten(f"exit code {code}{f': {lines[-1]}' if lines else ''}")


def _shorten(reason: str) -> str:
    return sanitize(" ".join(reason.split()))[:_MAX_REASON_CHARACTERS]
