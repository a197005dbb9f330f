"""The style sheet and the scripts, which are read once."""

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).with_name("static")
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".png": "image/png"}


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file for browsers. ``version`` changes with its content, so that browsers may keep the file without asking
    again.
    """

    content: bytes
    content_type: str
    version: str


@functools.cache
def read_static_files() -> Mapping[str, StaticFile]:
    """Return the files by name."""
    return {path.name: _read(path) for path in sorted(FOLDER.iterdir()) if path.suffix in _TYPES}


def asset(name: str) -> str:
    """Return the address of a file in a page."""
    return f"/static/{name}?v={read_static_files()[name].version}"


def _read(path: Path) -> StaticFile:
    content = path.read_bytes()
    return StaticFile(content, _TYPES[path.suffix], hashlib.sha256(content).hexdigest()[:12])
