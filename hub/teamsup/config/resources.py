"""Files that teamsup brings: the folders deploy/ and docs/, in the installed package or in the checkout."""

from pathlib import Path


def resource_path(name: str) -> Path:
    """Return the file or folder of this name in deploy/."""
    return _find_folder("deploy") / name


def documentation_folder() -> Path:
    """Return docs/. README.md and the other pages of the root are beside it."""
    return _find_folder("docs")


def _find_folder(name: str) -> Path:
    installed, checkout = (Path(__file__).parents[height] / name for height in (1, 3))
    return installed if installed.is_dir() else checkout
