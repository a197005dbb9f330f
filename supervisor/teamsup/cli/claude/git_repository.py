"""Ask git about a project. Without git, a project counts as outside of a repository."""

import subprocess
from pathlib import Path

_SECONDS = 5.0


def is_in_repository(project: Path) -> bool:
    """Return whether the project is in a repository of git."""
    return _succeeds(project, "rev-parse", "--is-inside-work-tree")


def is_committed(file: Path) -> bool:
    """Return whether git tracks the file, which may be missing."""
    return file.parent.is_dir() and _succeeds(file.parent, "ls-files", "--error-unmatch", file.name)


def is_ignored(file: Path) -> bool:
    """Return whether git ignores the file."""
    return file.parent.is_dir() and _succeeds(file.parent, "check-ignore", "--quiet", file.name)


def _succeeds(folder: Path, *words: str) -> bool:
    try:
        ran = subprocess.run(
            ["git", "-C", str(folder), *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return ran.returncode == 0
