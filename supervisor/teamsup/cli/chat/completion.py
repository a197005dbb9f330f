"""Input history and completion for a person who types: earlier lines, and names of agents and commands."""

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory, History

from teamsup.config.components import people_commands
from teamsup.config.loader import Config
from teamsup.config.people_protocol import USER_COMM, CommandDefinition
from teamsup.config.startable_agents import list_agents
from teamsup.hub import MessageHub, Team, TeamsupError
from teamsup.terminal.formatting import describe_presence, sanitize

_MAX_HISTORY_BYTES = 512 * 1024


def open_history(team: Team) -> History:
    """Open the history of earlier input to this team: a file that only its owner may read."""
    path = team.logs / "chat.history"
    with contextlib.suppress(OSError):
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        path.chmod(0o600)
        _shorten(path)
    return _TolerantHistory(str(path))


class _TolerantHistory(FileHistory):
    """A history that ignores errors: a full disk or a foreign file must not end the chat."""

    def load_history_strings(self) -> Iterable[str]:
        try:
            return super().load_history_strings()
        except OSError:
            return []

    def store_string(self, string: str) -> None:
        with contextlib.suppress(OSError):
            super().store_string(string)


def _shorten(path: Path) -> None:
    """Keep only the newer half of a history that has become too long."""
    if path.stat().st_size > _MAX_HISTORY_BYTES:
        kept = path.read_bytes()[-_MAX_HISTORY_BYTES // 2 :]
        new = path.with_suffix(".new")
        new.write_bytes(kept[kept.find(b"\n\n#") + 1 :])
        new.replace(path)


def is_completing_name(document: Document) -> bool:
    """Return whether the text before the cursor ends in an unfinished name."""
    text = document.text_before_cursor
    return text.startswith("/") or _last_word(text).startswith("@")


class NameCompleter(Completer):
    """Complete agents after an @ and after /ask, and commands after a / at the beginning."""

    def __init__(self, hub: MessageHub) -> None:
        self._hub = hub
        self._aliases: Mapping[str, str] = {}
        with contextlib.suppress(TeamsupError, AttributeError):  # a file with a mistake has no aliases
            aliases = Config(hub.team).tables.get(USER_COMM, {}).get("aliases", {})
            self._aliases = {str(alias): str(name) for alias, name in aliases.items()}

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:  # noqa: ARG002
        text = document.text_before_cursor
        word = _last_word(text)
        if word.startswith("@"):
            yield from self._agents(word[1:])
        elif text.startswith("/ask ") and text == f"/ask {word}":
            yield from self._agents(word)
        elif text.startswith("/") and text == word:
            for command in people_commands():
                if command.name.startswith(word[1:].lower()):
                    yield _complete_command(command, word)

    def _agents(self, prefix: str) -> Iterator[Completion]:
        try:
            agents = list_agents(self._hub)
        except TeamsupError:
            return
        now = datetime.now(UTC)
        found = {agent.name: describe_presence(agent, now) for agent in agents if agent.kind != "console"}
        for name, meaning in {**self._aliases, **found}.items():
            if name.startswith(prefix.lower()):
                yield Completion(f"{name} ", -len(prefix), display=name, display_meta=sanitize(meaning))


def _complete_command(command: CommandDefinition, word: str) -> Completion:
    return Completion(command.name, 1 - len(word), display=command.usage, display_meta=command.help)


def _last_word(text: str) -> str:
    return text[max(text.rfind(" "), text.rfind("\n")) + 1 :]
