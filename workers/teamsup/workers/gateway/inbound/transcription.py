"""Turn voice messages into text with a command that the operator has chosen. The spoken words are untrusted, like any
text.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

from teamsup.terminal.bounded_command import run_bounded
from teamsup.terminal.formatting import to_single_line

_TRANSCRIBE_SECONDS = 60.0  # other messages of the channel wait meanwhile
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
        end = await run_bounded(command_for(command, path), b"", _TRANSCRIBE_SECONDS)
    except (OSError, ValueError) as error:
        raise TranscriptionError(f"{command[0]} cannot be started: {error}") from None
    if end.code is None:
        raise TranscriptionError(f"{command[0]} has taken more than {_TRANSCRIBE_SECONDS:.0f} s")
    text, name = end.output.decode(errors="replace").strip(), to_single_line(command[0], 60)
    if end.code or not text:
        log.warning("%s has ended with %d: %s", name, end.code, end.errors[-2000:].decode(errors="replace"))
        raise TranscriptionError(f"{name} has ended with {end.code} and without a text")
    return text
