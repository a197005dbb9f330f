"""The folder of a team, and the rules for names."""

import os
import re
import stat
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from .errors import InvalidName, InvalidValue, StoreError, StoreUnavailable, UnknownTeam, UnsafeFile
from .models import HUB_SENDER
from .validation import check_text, describe_similar, quote

CONFIGURATION_VARIABLE = "TEAMSUP_CONFIGURATION"
"""The environment variable with the path of the accepted configuration. The supervisor sets it."""
DEFAULT_TEAM, DEFAULT_HOME = "default", "~/.claude/teams"
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_SOCKET_PATH_MAX = 100  # bytes; the kernel's limit is 107 on Linux and 103 on macOS
_DOORBELL_NAME_MAX = 24
LAST_TEMPORARY_FOLDER = "/tmp"  # noqa: S108 - short and everywhere; its folders are checked before they are used


def fold_case(name: str) -> str:
    """Return the canonical spelling of any name; deploy/claude/guard.py folds in the same way."""
    return name.strip().lower()


def normalize_name(name: str, what: str = "agent") -> str:
    """Return the canonical spelling of a name: trimmed, in lower case.

    Raise InvalidName unless it matches ``[a-z0-9][a-z0-9_.-]{0,63}``. Names become file names, so this also keeps paths
    out.
    """
    folded = fold_case(check_text(f"The {what}'s name", name))
    if not _NAME.fullmatch(folded):
        raise InvalidName(
            f"{quote(name)} is not a name for {'an' if what[0] in 'aeiou' else 'a'} {what}: use 1 to 64 letters, "
            "digits, '.', '_' or '-', beginning with a letter or digit."
        )
    return folded


def normalize_agent_name(name: str) -> str:
    """Return the folded name of an agent. Raise InvalidName, also for the hub's own name."""
    folded = normalize_name(name)
    if folded == HUB_SENDER:
        raise InvalidName(f"{HUB_SENDER!r} is the sender of the hub's own messages; choose another name.")
    return folded


@dataclass(frozen=True)
class Team:
    """The folder of one team, and the paths in it."""

    name: str
    folder: Path

    @classmethod
    def named(cls, name: str | None = None, home: str | Path | None = None) -> "Team":
        """Return the team of this name, by default $TEAMSUP_TEAM or "default". ``home`` is the folder of all teams, by
        default $TEAMSUP_HOME or ~/.claude/teams.
        """
        folded = normalize_name(name if name is not None else os.environ.get("TEAMSUP_TEAM") or DEFAULT_TEAM, "team")
        home = home or os.environ.get("TEAMSUP_HOME") or DEFAULT_HOME
        try:
            return cls(folded, Path(home).expanduser().absolute() / folded)
        except (TypeError, ValueError):
            raise InvalidValue(f"home must be a path, not {quote(home)}.") from None
        except RuntimeError:
            raise StoreError("There is no home folder. Name the folder of the teams with TEAMSUP_HOME.") from None

    @cached_property
    def database(self) -> Path:
        return self.folder / "messages.db"

    @property
    def configuration(self) -> Path:
        return self.folder / "teamsup.toml"

    @property
    def accepted_configuration(self) -> Path:
        """The configuration that the supervisor has accepted last, for its workers."""
        return self.run / "configuration.json"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @cached_property
    def run(self) -> Path:
        """The folder for sockets and locks. It is in another place if the team's path is too long for a socket's
        address.
        """
        inside = self.folder / "run"
        if _has_room_for_sockets(inside):
            return inside
        import tempfile  # few teams have such a path

        name = f"teamsup-{os.getuid()}-{_digest(os.fsencode(self.folder))}"
        outside = Path(tempfile.gettempdir(), name)
        return outside if _has_room_for_sockets(outside) else Path(LAST_TEMPORARY_FOLDER, name)

    def require(self, *, create: bool = False) -> "Team":
        """Return this team if it was ever started, written to or configured. Otherwise raise UnknownTeam, unless
        ``create`` permits a new team.
        """
        if not create and not self.folder.is_dir():
            names = [path.name for path in self.folder.parent.glob("*") if (path / "messages.db").exists()]
            raise UnknownTeam(
                f"There is no team {self.name!r} in {self.folder.parent} yet.{describe_similar(self.name, names)} "
                "Start it, or open it with create=True."
            )
        return self

    def create(self) -> None:
        """Make the team's folders, which only their owner may open. Raise StoreError if that is impossible. Raise
        UnsafeFile when another user owns or may write the team's folder or its database. Raise StoreUnavailable in a
        worker whose team's folder is missing: that folder existed at the worker's start, so a new folder would be
        wrong.
        """
        if os.environ.get(CONFIGURATION_VARIABLE) == str(self.accepted_configuration) and not self.folder.is_dir():
            raise StoreUnavailable(
                f"{self.folder} is not there at present. Move or mount it back; nothing was changed."
            )
        try:
            for folder in (self.folder, self.logs, self.run):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                if folder == self.folder:
                    check_owner(folder)
                found = folder.lstat()
                # In the system's temporary folder another user may have made this folder first.
                if folder == self.run and (found.st_uid != os.getuid() or not stat.S_ISDIR(found.st_mode)):
                    raise StoreError(f"{folder} is not a folder of yours; remove it or set TMPDIR.")
                if found.st_mode & 0o077 and found.st_uid == os.getuid():
                    folder.chmod(0o700)
        except OSError as error:
            raise StoreError(f"Cannot make the folder of team {self.name!r}: {error}.") from error
        check_owner(self.database)


def check_owner(path: Path) -> None:
    """Check a file as ssh does, if there is one. Raise UnsafeFile when a user other than root owns it or may write it.

    Such a user could write in the name of the team, or choose the commands that it runs.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreError(f"{path} cannot be looked up: {error.strerror}.") from error
    us = os.geteuid()
    if found.st_uid not in (us, 0):
        import shlex  # only a refusal needs it

        raise UnsafeFile(
            f"{path} belongs to {_user_name(found.st_uid)}, but {_user_name(us)} runs this program. "
            f"Run it as {_user_name(found.st_uid)}, or "
            f"change the owner: chown {us} {shlex.quote(str(path))}"
        )
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        import shlex

        raise UnsafeFile(
            f"{path} may be written by other users. Allow only its owner: chmod go-w {shlex.quote(str(path))}"
        )


def _user_name(number: int) -> str:
    import pwd  # only a refusal needs it

    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"uid {number}"


def doorbell_name(agent: str) -> str:
    """Return the agent's part of a doorbell's file name: its name, or a digest if that is too long for a socket's
    path.
    """
    if len(agent) <= _DOORBELL_NAME_MAX:
        return agent
    return agent[:7] + "~" + _digest(agent.encode())


def _has_room_for_sockets(folder: Path) -> bool:
    return len(os.fsencode(folder)) + 1 + _DOORBELL_NAME_MAX + len("@4194304.65535") <= _SOCKET_PATH_MAX


def _digest(data: bytes) -> str:
    import hashlib  # few agents have such a name

    return hashlib.sha256(data).hexdigest()[:16]
