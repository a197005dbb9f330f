"""Recognise contents that must not leave this machine: databases, keys, a team's own files and its secrets."""

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from teamsup.hub import Team

_DATABASES = (b"SQLite format 3\0", b"U1FMaXRlIGZvcm1hdCAzA")
"""The beginning of an SQLite database, plain and in base64."""
_BEGIN_DATABASES = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83", b"PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;")
"""The beginnings of its write-ahead log and its dump."""
_KEY = b"PRIVATE KEY-----"
_HEAD = 4096
_OWN_BEGINNING, _OWN_TEXT, _OWN_WHOLE = 256, 64, 16
_LONGEST_SECRET_FILE = 1 << 16
_SHORTEST_SECRET = 8
_VARIABLE = re.compile(r"^\s*(?:export\s+)?(\w+)\s*=\s*(.*?)\s*$", re.MULTILINE)
_IS_SECRET = re.compile(r"TOKEN|SECRET|PASS|KEY|CREDENTIAL|DSN", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class KnownContents:
    """The beginnings of the team's own files, and secret values."""

    beginnings: tuple[bytes, ...]
    secrets: tuple[bytes, ...]

    def refusal(self, content: bytes) -> str:
        """Return why this content must not leave, as a phrase after "because". Return an empty text if it may leave."""
        if any(each in content for each in _DATABASES) or content.startswith(_BEGIN_DATABASES):
            return "it is a database"
        if _KEY in content[:_HEAD] or any(each in content for each in self.secrets):
            return "it contains a secret"
        if any(content == each or (len(each) >= _OWN_TEXT and each in content) for each in self.beginnings):
            return "it is a copy of one of the team's own files"
        return ""


def beginnings(team: Team) -> tuple[bytes, ...]:
    """Return the beginnings of the configuration, the logs and the state in run/. These files grow or are replaced, so
    a copy begins like its original. Leave out files of a few bytes, because many files begin like them.
    """
    # Do not open other files in run/, because closing a file drops this process's locks on it.
    own = (team.configuration, *_files(team.logs, "*"), *_files(team.run, "*.json"), *_files(team.run, "*.toml"))
    return tuple({found for each in own if len(found := _beginning(each)) >= _OWN_WHOLE})


def secrets(files: Iterable[Path], variables: Iterable[tuple[str, str]] = ()) -> tuple[bytes, ...]:
    """Return the secrets in these files: the whole text of a file with one line, and variables named like a secret."""
    found = list(variables)
    for file in files:
        with suppress(OSError, ValueError):
            if file.is_file() and file.stat().st_size <= _LONGEST_SECRET_FILE:
                text = file.read_text("utf-8").strip()
                found += _VARIABLE.findall(text)
                found += [] if "\n" in text else [("SECRET", text)]
    values = (value.strip("\"'") for name, value in found if _IS_SECRET.search(name))
    return tuple({value.encode() for value in values if len(value) >= _SHORTEST_SECRET})


def _files(folder: Path, named: str) -> Sequence[Path]:
    with suppress(OSError):
        return [each for each in folder.glob(named) if each.is_file()]
    return ()


def _beginning(file: Path) -> bytes:
    with suppress(OSError), file.open("rb") as stream:
        return stream.read(_OWN_BEGINNING)
    return b""
