"""A JSON file of another program: read it, and replace it as a whole with the same indentation."""

import json
import os
import re
import stat
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from teamsup.hub import CallerError
from teamsup.hub.errors import ExitCode

_KINDS: dict[type, str] = {dict: "an object", list: "a list", str: "a string"}
_INDENTATION = re.compile(r'\n([ \t]*)"')


class UnusableFile(CallerError):
    """The file is not JSON, has an unexpected shape, or may not be changed."""

    exit_code = ExitCode.BAD_DATA


@dataclass(frozen=True, slots=True)
class JsonFile:
    """The content of a file. A missing file is an empty object without text."""

    path: Path
    text: str
    value: Any

    def require(self, kind: type, *keys: str) -> None:
        """Raise UnusableFile if the path is not a file. A missing file is accepted."""
        found = self.value
        for key in keys:
            if key not in found:
                return
            found = found[key]
        if not isinstance(found, kind):
            raise UnusableFile(f"{self.path}: {'.'.join(keys) or 'the whole file'} is not {_KINDS[kind]}.")

    def render(self, value: Any) -> str:  # noqa: ANN401 - JSON
        """Return the text of another value, with the indentation and the line ends of this file.

        Raise UnusableFile for a number that Python reads as infinite.
        """
        found = _INDENTATION.search(self.text)
        try:
            text = json.dumps(value, indent=found[1] if found else 2, ensure_ascii=False, allow_nan=False) + "\n"
        except ValueError as error:
            raise UnusableFile(f"{self.path}: {error}.") from None
        return text.replace("\n", "\r\n") if "\r\n" in self.text else text


def read_json(path: Path) -> JsonFile:
    """Return the content of the file. Raise UnusableFile."""
    try:
        # Read bytes, so that line ends do not change.
        data = path.read_bytes()
    except FileNotFoundError:
        return JsonFile(path, "", {})
    except OSError as error:
        raise UnusableFile(f"{path} is not readable: {error.strerror}.") from None
    return parse_json(path, data)


def parse_json(path: Path, data: bytes) -> JsonFile:
    """Return the content for these bytes. Raise UnusableFile."""
    try:
        text = data.decode("utf-8-sig")
        return JsonFile(path, text, json.loads(text))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UnusableFile(f"{path}, line {line}: this is not valid UTF-8.") from None
    except json.JSONDecodeError as error:
        why = "JSON does not allow comments" if error.doc.startswith(("//", "/*"), error.pos) else error.msg
        raise UnusableFile(f"{path}, line {error.lineno}, column {error.colno}: {why}.") from None
    except (ValueError, RecursionError) as error:
        raise UnusableFile(f"{path}: {error}.") from None


def replace_file(path: Path, text: str) -> None:
    """Replace the whole file atomically, so that a reader never sees half of it. Keep a symlink, and replace its
    target.

    Raise UnusableFile.
    """
    target = Path(os.path.realpath(path))
    if not target.parent.parent.is_dir():
        raise UnusableFile(f"{path} is not writable: it is a dangling symlink to {target.parent}.")
    if target.exists() and not os.access(target, os.W_OK):
        raise UnusableFile(f"{path} is not writable.")
    try:
        if not target.parent.exists():
            target.parent.mkdir()
            target.parent.chmod(0o755)
        with (
            tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as folder,
            Path(folder, target.name).open("xb") as new,
        ):
            new.write(text.encode())
            new.flush()
            _copy_permissions(target, new.fileno())
            os.fsync(new.fileno())
            os.replace(new.name, target)
    except UnicodeEncodeError:
        raise UnusableFile(f"{path} cannot hold a text or the name of a folder that is not valid UTF-8.") from None
    except OSError as error:
        raise UnusableFile(f"{path} is not writable: {error.strerror}.") from None


def remove_file(path: Path) -> None:
    """Remove the file. If its folder is then empty, remove the folder too."""
    path.unlink()
    with suppress(OSError):
        path.parent.rmdir()


def _copy_permissions(target: Path, file: int) -> None:
    """Give the new file the owner and the mode of the old file, or the usual mode if there was no old file."""
    try:
        old = target.stat()
    except FileNotFoundError:
        os.fchmod(file, 0o644)
        return
    with suppress(PermissionError):
        os.fchown(file, old.st_uid, old.st_gid)
    os.fchmod(file, stat.S_IMODE(old.st_mode))
