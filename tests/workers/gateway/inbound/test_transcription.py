"""Voice messages become text by a command of the operator's own."""

import logging
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.gateway_process import ALLOW_ANN, gateway_with_hub, read_messages
from teamsup.hub import MessageHub, Team
from teamsup.workers.gateway.inbound import transcription
from teamsup.workers.gateway.inbound.transcription import TranscriptionError, command_for, transcribe

LOG = logging.getLogger("none")


def test_the_file_stands_at_the_end_or_where_the_command_wants_it() -> None:
    path = Path("/f/a.ogg")
    assert command_for(["whisper", "-f"], path) == ["whisper", "-f", "/f/a.ogg"]
    assert command_for(["sh", "-c", "x", "in={file}"], path) == ["sh", "-c", "x", "in=/f/a.ogg"]


async def test_the_output_of_the_command_is_the_text(tmp_path: Path) -> None:
    path = tmp_path / "a b;c.ogg"
    path.write_text("how is the load?")
    assert await transcribe(["cat"], path, LOG) == "how is the load?"


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (["no-such-program"], "no-such-program cannot be started: "),
        (["false"], "false has ended with 1 and without a text"),
        (["true"], "true has ended with 0 and without a text"),
        (["sleep", "60", "{file}"], "sleep has ended with 1"),
        (["sh", "-c", "sleep 60", "{file}"], "sh has taken more than 0 s"),
    ],
)
async def test_a_command_that_fails_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str], why: str
) -> None:
    monkeypatch.setattr(transcription, "_TRANSCRIBE_SECONDS", 0.2 if command[0] == "sh" else 60.0)
    with pytest.raises(TranscriptionError) as found:
        await transcribe(command, tmp_path / "not a number", LOG)
    assert str(found.value).startswith(why)


@pytest.mark.slow
async def test_a_voice_message_reaches_the_team_as_text(team: Team, join: Callable[..., MessageHub]) -> None:
    command = [sys.executable, "-c", "import sys; print(open(sys.argv[1]).read().upper())"]
    toml = f"{ALLOW_ANN}transcribe = {command!r}\n"
    async with gateway_with_hub(team, join, toml=toml) as (discord, user_comm):
        await discord.speak(b"how is the load?")
        (message,) = await read_messages(user_comm, 1)
    text, note, attachment = message.content.split("\n")
    assert (text, note) == ("HOW IS THE LOAD?", "(spoken; transcribed by a program)")
    assert attachment.startswith("(attachment: voice-message.ogg, 16 bytes")
    assert message.metadata["body_length"] == len(text)
