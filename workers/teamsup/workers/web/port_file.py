"""The free port that was chosen once, so that bookmarks and open pages work after a restart."""

from contextlib import suppress
from pathlib import Path


def read_port(file: Path) -> int:
    """Return the port of an earlier run; 0: there is none."""
    try:
        port = int(file.read_text("ascii"))
    except (OSError, ValueError):
        return 0
    return port if 0 < port <= 65535 else 0


def write_port(file: Path, port: int) -> None:
    """Keep the port. Without a disk that takes it, the next run may have another one."""
    with suppress(OSError):
        new = file.with_suffix(".new")
        new.write_text(f"{port}\n", "ascii")
        new.replace(file)
