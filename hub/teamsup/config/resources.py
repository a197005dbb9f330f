"""Files of teamsup for other programs: the folder deploy/, in the installed package or in the checkout."""

from pathlib import Path


def resource_path(name: str) -> Path:
    """Return the file or folder of this name in deploy/."""
    installed, checkout = (Path(__file__).parents[height] / "deploy" for height in (1, 3))
    return (installed if installed.is_dir() else checkout) / name
