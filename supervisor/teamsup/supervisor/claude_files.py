"""Claude Code's files on disk: read as JSON, and replaced whole."""

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from teamsup.hub import CallerError

from . import claude_project
from .deploy import shipped
from .json_text import Document, InvalidJson


class NoProject(CallerError):
    """There is no such folder, or it is none that can be a project."""

    exit_code = os.EX_NOINPUT


class NotWritable(CallerError):
    """A file or folder of somebody's that we may not change."""

    exit_code = os.EX_CANTCREAT


def user_folder() -> Path:
    """Where Claude Code keeps the user's own settings."""
    return Path(os.environ.get("CLAUDE_CONFIG_DIR") or Path.home() / ".claude")


def user_state() -> Path:
    """Where it keeps which folders it trusts, and the servers that 'claude mcp add' was told of."""
    folder = os.environ.get("CLAUDE_CONFIG_DIR")
    return (Path(folder) if folder else Path.home()) / ".claude.json"


def plugin_folder() -> Path:
    """The plugin that came with this teamsup."""
    return shipped("claude")


def read(path: Path) -> Document | None:
    """None where there is no such file. Raises InvalidJson, and OSError where it cannot be read."""
    try:
        # As bytes, because line ends have to stay what they are.
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        return Document(str(path), data.decode("utf-8"))
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line, column = before.count(b"\n") + 1, error.start - (before.rfind(b"\n") + 1) + 1
        raise InvalidJson(f"{path}, line {line}, column {column}: this is no UTF-8.") from None


def read_leniently(path: Path) -> tuple[Any, str]:
    """What stands in the file, None where nothing can be read, and then why, unless there is no such file."""
    try:
        document = read(path)
    except InvalidJson as error:
        return None, str(error)
    except OSError as error:
        return None, f"{path} cannot be read: {error.strerror}."
    return None if document is None else document.value, ""


def project_at(folder: Path | None) -> Path:
    """The project in that folder, by default in this one. Raises NoProject."""
    project = (folder or Path.cwd()).absolute()
    if not project.is_dir():
        raise NoProject(f"There is no folder {project}.")
    return project


def settings_path(project: Path) -> Path:
    return project / ".claude" / "settings.json"


def settings_paths(project: Path) -> list[Path]:
    """All that tell Claude Code its settings there, those that win last."""
    own = settings_path(project)
    return [user_folder() / "settings.json", own, own.with_name("settings.local.json")]


def seen_in(project: Path) -> claude_project.Seen:
    """What Claude Code finds of teamsup when it starts in that project."""
    settings = [read_leniently(path)[0] for path in settings_paths(project)]
    servers, user = (read_leniently(path)[0] for path in (project / ".mcp.json", user_state()))
    return claude_project.seen(settings, servers, user, str(project.resolve()))


def require_writable(path: Path) -> None:
    """Raises NotWritable unless the file can be replaced or made as replace() does it."""
    target = _target(path)
    if target.exists() and not (target.is_file() and os.access(target, os.W_OK)):
        raise NotWritable(f"{target} is no file that may be written.")
    folder = target.parent if target.parent.exists() else target.parent.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise NotWritable(f"{folder} is no folder that may be written, so {path} cannot be.")


def replace(path: Path, text: str) -> None:
    """Put the text in place of the whole file at once, so that nobody ever reads half of it. A link stays a link."""
    target = _target(path)
    try:
        data = text.encode("utf-8")
    except UnicodeEncodeError:
        raise NotWritable(f"{path} can name no folder, and hold no text, that is no UTF-8.") from None
    if not target.parent.exists():
        target.parent.mkdir()
        target.parent.chmod(0o755)
    file, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(file, "wb") as new:
            new.write(data)
            new.flush()
            _take_over_rights(target, new.fileno())
            os.fsync(new.fileno())
        os.replace(name, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise


def remove(path: Path) -> None:
    """Take the file away, and its folder when that is empty then."""
    path.unlink()
    with suppress(OSError):
        path.parent.rmdir()


def _take_over_rights(target: Path, file: int) -> None:
    """A new file is like any other text of the project."""
    try:
        old = target.stat()
    except FileNotFoundError:
        os.fchmod(file, 0o644)
        return
    with suppress(PermissionError):
        os.fchown(file, old.st_uid, old.st_gid)
    os.fchmod(file, stat.S_IMODE(old.st_mode))


def _target(path: Path) -> Path:
    """What the links lead to, though it need not exist."""
    try:
        return path.resolve()
    except (OSError, RuntimeError):
        raise NotWritable(f"{path} is a link that leads nowhere.") from None
