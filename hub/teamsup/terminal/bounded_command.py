"""Run a command of the operator for a bounded time, and leave none of its processes."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

_MAX_OUTPUT_BYTES = 64 * 1024
_MAX_ERROR_BYTES = 4096


@dataclass(frozen=True)
class BoundedRun:
    """The end of a command, with the beginning of its output and the end of its error output."""

    code: int | None
    """The exit code, or None if the command did not end in time and was killed."""
    output: bytes
    errors: bytes


async def run_bounded(
    command: Sequence[str],
    text: bytes,
    seconds: float,
    *,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> BoundedRun:
    """Run the command without a shell, with the text as its input. Kill it with its process group when the time is
    over, or when the caller is cancelled. Raise OSError or ValueError if it cannot be started.
    """
    # With files instead of pipes, a process that the command leaves in the background delays nothing. asyncio would
    # also hang if the caller were cancelled while it connects pipes.
    with TemporaryFile() as given, TemporaryFile() as output, TemporaryFile() as errors:
        given.write(text)
        given.seek(0)
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=given,
            stdout=output,
            stderr=errors,
            env=environment,
            cwd=folder,
            start_new_session=True,
        )
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await process.wait()
            code = process.returncode
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        return BoundedRun(code, _read_from(output, 0, _MAX_OUTPUT_BYTES), _read_end(errors))


def _read_from(file: IO[bytes], position: int, size: int) -> bytes:
    file.seek(position)
    return file.read(size)


def _read_end(file: IO[bytes]) -> bytes:
    return _read_from(file, max(0, file.seek(0, os.SEEK_END) - _MAX_ERROR_BYTES), _MAX_ERROR_BYTES)
