"""One JSON file of another program's: read, and replaced whole in the style that it had."""

import json
import math
import os
import re
import stat
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from teamsup.hub import CallerError

_KINDS: dict[type, str] = {dict: "an object", list: "a list", str: "a string"}
_INDENTATION = re.compile(r'\n([ \t]*)"')
_SPACE_AFTER_COLON = re.compile(r'\{\s*"(?:[^"\\]|\\.)*"\s*:\s')


class UnusableFile(CallerError):
    """A file of somebody's that is not JSON, has something else where we look for ours, or may not be changed."""

    exit_code = os.EX_DATAERR


@dataclass(frozen=True, slots=True)
class JsonFile:
    """A file that is not there is an object without text."""

    path: Path
    text: str
    value: Any

    def require(self, kind: type, *keys: str) -> None:
        """Raises UnfitFile when something of another kind stands there."""
        found = self.value
        for key in keys:
            if key not in found:
                return
            found = found[key]
        if not isinstance(found, kind):
            raise UnusableFile(f"{self.path}: {'.'.join(keys) or 'the whole file'} is not {_KINDS[kind]}.")

    def render(self, value: Any) -> str:  # noqa: ANN401 - JSON
        """The text of another value, with the same indentation, line ends, and blanks before and after."""
        body = self.text.strip("\ufeff \t\r\n")
        before, _, after = self.text.partition(body) if body else ("", "", "\n")
        if '"' in body and "\n" not in body:
            separators = (", ", ": ") if _SPACE_AFTER_COLON.match(body) else (",", ":")
            return before + json.dumps(value, separators=separators, ensure_ascii=False) + after
        found = _INDENTATION.search(body)
        text = json.dumps(value, indent=found[1] if found else 2, ensure_ascii=False)
        return before + (text.replace("\n", "\r\n") if "\r\n" in self.text else text) + after


def read_json(path: Path, *, to_edit: bool = False) -> JsonFile:
    """What stands there as JavaScript reads it; ``to_edit`` refuses also what would not be written again as it was.

    Raises UnfitFile.
    """
    try:
        # As bytes, because line ends have to stay what they are.
        data = path.read_bytes()
    except FileNotFoundError:
        return JsonFile(path, "", {})
    except OSError as error:
        raise UnusableFile(f"{path} is not readable: {error.strerror}.") from None
    return parse_json(path, data, to_edit=to_edit)


def parse_json(path: Path, data: bytes, *, to_edit: bool = False) -> JsonFile:
    """What would stand there with these bytes."""
    try:
        text = data.decode("utf-8", "strict" if to_edit else "replace")
        value = json.loads(text.removeprefix("\ufeff"), **(_STRICT if to_edit else _LIKE_JAVASCRIPT))
        if to_edit:
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UnusableFile(f"{path}, line {line}: this is not valid UTF-8.") from None
    except UnicodeEncodeError as error:
        half = f"\\u{ord(error.object[error.start]):04x}"
        raise UnusableFile(f"{path}: {half} is half of a surrogate pair, which no file can hold.") from None
    except json.JSONDecodeError as error:
        why = "JSON has no comments" if error.doc.startswith(("//", "/*"), error.pos) else error.msg
        raise UnusableFile(f"{path}, line {error.lineno}, column {error.colno}: {why}.") from None
    except (ValueError, RecursionError) as error:
        raise UnusableFile(f"{path}: {error}.") from None
    return JsonFile(path, text, value)


def replace_file(path: Path, text: str) -> None:
    """Put the text in place of the whole file at once, so that nobody ever reads half of it. A symlink stays one.

    Raises UnfitFile.
    """
    target = Path(os.path.realpath(path))
    if not target.parent.parent.is_dir():
        raise UnusableFile(f"{path} is not writable: it leads to {target.parent}, through a dangling symlink.")
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
        raise UnusableFile(f"{path} cannot name a folder whose name is not valid UTF-8.") from None
    except OSError as error:
        raise UnusableFile(f"{path} is not writable: {error.strerror}.") from None


def remove_file(path: Path) -> None:
    """Take the file away, and its folder when that is empty then."""
    path.unlink()
    with suppress(OSError):
        path.parent.rmdir()


def _copy_permissions(target: Path, file: int) -> None:
    """A new file is like any other text of the project."""
    try:
        old = target.stat()
    except FileNotFoundError:
        os.fchmod(file, 0o644)
        return
    with suppress(PermissionError):
        os.fchown(file, old.st_uid, old.st_gid)
    os.fchmod(file, stat.S_IMODE(old.st_mode))


def _reject_duplicate_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key, value in pairs:
        if key in made:
            raise ValueError(f"the key {key!r} is there twice in one object")
        made[key] = value
    return made


def _parse_finite(text: str) -> float:
    """Python would write 1e999 again as Infinity."""
    if not math.isfinite(number := float(text)):
        raise ValueError(f"{text} is not a finite number")
    return number


_LIKE_JAVASCRIPT: dict[str, Any] = {"parse_int": float, "parse_constant": _parse_finite}
_STRICT: dict[str, Any] = {
    "parse_constant": _parse_finite,
    "parse_float": _parse_finite,
    "object_pairs_hook": _reject_duplicate_keys,
}
