"""Turn voice messages into text with a command that the operator has chosen. The spoken words are untrusted, like any
text.
"""

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Sequence
from pathlib import Path

from teamsup.terminal.formatting import to_single_line

_TRANSCRIBE_SECONDS = 60.0  # other messages of the channel wait meanwhile
_MAX_BYTES = 64 * 1024
_FILE = "{file}"


class TranscriptionError(Exception):
    """The command has not produced a text. The error is the end of a sentence, after "because"."""


def command_for(command: Sequence[str], path: Path) -> list[str]:
    """Return the command for a file: ``{file}`` in the command stands for the file; without it the file comes last.
    Pure.
    """
    if any(_FILE in part for part in command):
        return [part.replace(_FILE, str(path)) for part in command]
    return [*command, str(path)]


async def transcribe(command: Sequence[str], path: Path, log: logging.Logger) -> str:
    """Return the text that the command prints for this file. Raise TranscriptionError."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command_for(command, path),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise TranscriptionError(f"{command[0]} cannot be started: {error}") from None
    try:
        async with asyncio.timeout(_TRANSCRIBE_SECONDS):
            output, errors = await process.communicate()
    except TimeoutError:
        raise TranscriptionError(f"{command[0]} has taken more than {_TRANSCRIBE_SECONDS:.0f} s") from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    text, name = output[:_MAX_BYTES].decode(errors="replace").strip(), to_single_line(command[0], 60)
    if process.returncode or not text:
        log.warning("%s has ended with %d: %s", name, process.returncode, errors[-2000:].decode(errors="replace"))
        raise TranscriptionError(f"{name} has ended with {process.returncode} and without a text")
    return text
