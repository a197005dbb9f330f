"""Decide which files of this machine agents may send to Discord. Each file is opened once, and the gateway sends
exactly the content that it has checked.

This protects against mistakes, and against texts that persuade a model. A program of the same user can copy any file
into an allowed folder, and change or encrypt it beyond recognition.
"""

import contextlib
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from teamsup.config.components import installed_components
from teamsup.config.loader import Config
from teamsup.config.sections import WorkerSection
from teamsup.hub import Team

from ....protocol import GATEWAY
from ...component import GatewaySection
from ...connection.token import BotToken
from .known_contents import KnownContents, beginnings, secrets

_VIRTUAL_FOLDERS = ("/proc", "/sys", "/dev", "/run")
_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class FileNotSendable(Exception):
    """A file may not be sent or cannot be read. The text is the end of a sentence, after "because"."""


class SendableFiles:
    """The folders that files may come from, and the secrets that must never leave."""

    def __init__(
        self,
        team: Team,
        folders: Sequence[Path] = (),
        secrets: Sequence[Path] = (),
        variables: Sequence[tuple[str, str]] = (),
        token: BotToken | None = None,
    ) -> None:
        self._team = team
        self._folders = folders
        self._secrets = secrets
        self._variables = variables
        self._token = token

    @classmethod
    def from_config(cls, team: Team, settings: Config, token: BotToken) -> "SendableFiles":
        """Return the files that this configuration lets agents send. Raise NotConfigured for a wrong section."""
        section = settings.section(GATEWAY, GatewaySection)
        workers = settings.sections_of("worker", WorkerSection).values()
        named = [worker.env_file for worker in workers]
        secrets: list[str] = []
        for component in installed_components().values():
            named += component.read_keys(settings.tables, component.file_keys)
            secrets += component.secret_variables
            secrets += component.read_keys(settings.tables, component.secret_keys)
        variables = [each for worker in workers for each in worker.environment.items()]
        variables += [("SECRET", os.environ.get(secret, "")) for secret in secrets]
        secret_files = [_resolve_path(each, team) for each in named if each]
        return cls(team, [_resolve_path(each, team) for each in section.files_from], secret_files, variables, token)

    def read(self, name: str, limit: int) -> bytes:
        """Return the content of a file; relative names are in the team's folder. Raise FileNotSendable."""
        try:
            # Most teams send no files, and zipfile and tarfile take memory.
            from .archives import UnreadableArchive, contents

            with self._open(self._team.folder / name) as file:
                content = _read_limited(file, limit)
        except (OSError, ValueError, RuntimeError):
            raise FileNotSendable("there is no such readable file") from None
        known = KnownContents(beginnings(self._team), secrets(self._secrets, self._variables))
        try:
            for each in contents(content):
                if why := known.refusal(each):
                    raise FileNotSendable(why)
                if self._token is not None and self._token.is_contained_in(each):
                    raise FileNotSendable("it contains a secret")
        except UnreadableArchive as error:
            raise FileNotSendable(str(error)) from None
        return content

    @contextlib.contextmanager
    def _open(self, named: Path) -> Iterator[int]:
        """Return the file's descriptor. Raise FileNotSendable, and OSError when it is missing."""
        found = Path(os.path.realpath(named, strict=True))
        root = self._allowed_root(found)
        folder = os.open(root, _FOLDER_FLAGS)
        try:
            # The resolved path has no links. A link that appears in between is not followed.
            for part in found.parts[len(root.parts) : -1]:
                inner = os.open(part, _FOLDER_FLAGS, dir_fd=folder)
                os.close(folder)
                folder = inner
            before = os.stat(found.name, dir_fd=folder, follow_symlinks=False)
            self._check_file(before)
            file = os.open(found.name, _FILE_FLAGS, dir_fd=folder)
        finally:
            os.close(folder)
        try:
            after = os.fstat(file)
            if (after.st_dev, after.st_ino) != (before.st_dev, before.st_ino):
                raise FileNotSendable("it has changed meanwhile")
            yield file
        finally:
            os.close(file)

    def _allowed_root(self, found: Path) -> Path:
        """Return the allowed folder that contains the file. Raise FileNotSendable."""
        own = self._team.folder.resolve()
        if found.is_relative_to(own / "files"):
            root = own
        else:
            allowed = [folder.resolve() for folder in self._folders]
            roots = [folder for folder in allowed if found.is_relative_to(folder) and found != folder]
            if not roots or any(found.is_relative_to(folder) for folder in _VIRTUAL_FOLDERS):
                raise FileNotSendable("only files below files/ in the team's folder, or below files_from, are sent")
            root = max(roots, key=lambda folder: len(folder.parts))
            inside = (each for each in found.parents if each.is_relative_to(root))
            if found.is_relative_to(self._team.run.resolve()) or any(_is_team_folder(each) for each in inside):
                raise FileNotSendable("it is one of a team's own files")
        hidden = any(part.startswith(".") for part in found.parts[len(root.parts) :])
        if hidden or found.suffix == ".env":
            raise FileNotSendable("hidden files and those with variables are not sent")
        return root

    def _check_file(self, state: os.stat_result) -> None:
        """Check a file before it is opened: opening the database as a file would drop SQLite's locks. Raise
        FileNotSendable.
        """
        if not stat.S_ISREG(state.st_mode):
            raise FileNotSendable("it is not a regular file")
        if state.st_nlink > 1:
            raise FileNotSendable("it has a second name elsewhere (a hard link); send a copy")
        database = [Path(f"{self._team.database}{suffix}") for suffix in ("", "-wal", "-shm")]
        for secret in (*database, self._team.configuration, *self._secrets):
            with contextlib.suppress(OSError):
                other = secret.stat()
                if (other.st_dev, other.st_ino) == (state.st_dev, state.st_ino):
                    raise FileNotSendable("it contains a secret")


def _read_limited(file: int, limit: int) -> bytes:
    """Return the file's content. Raise FileNotSendable when it is longer than the limit."""
    size = os.fstat(file).st_size
    if size <= limit:
        with open(file, "rb", closefd=False) as stream:
            content = stream.read(limit + 1)
        if len(content) <= limit:
            return content
        size = len(content)
    raise FileNotSendable(
        f"it has {size / (1 << 20):.1f} MiB, and at most {limit / (1 << 20):.0f} MiB may be sent here"
    )


def _is_team_folder(folder: Path) -> bool:
    return (folder / "messages.db").exists()


def _resolve_path(named: str, team: Team) -> Path:
    return team.folder / Path(os.path.expandvars(named)).expanduser()
