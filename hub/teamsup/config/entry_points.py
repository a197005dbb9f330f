"""Find entry points of installed distributions without importing them.

``importlib.metadata`` of the standard library does the same. It costs each process 25 ms and 1 MiB for parsers of mail
headers and archives.
"""

import os
import sys
from collections.abc import Iterator
from importlib.machinery import PathFinder
from pathlib import Path

_METADATA_SUFFIXES = (".dist-info", ".egg-info")


def find_entry_points(group: str) -> dict[str, tuple[str, ...]]:
    """Return the entry points of a group by name, each as ``module:attribute`` or ``module``.

    A name has several values if several distributions use it, because we cannot guess which one is meant. If a
    distribution is installed twice, the first on ``sys.path`` counts, as for an import.
    """
    found: dict[str, tuple[str, ...]] = {}
    homes: dict[str, str] = {}
    for folder in sys.path:
        for file in _find_files(folder or "."):
            distribution = file.parent.stem.partition("-")[0].lower()
            if homes.setdefault(distribution, folder) == folder:
                for name, value in _read_group(file, group):
                    found[name] = tuple(dict.fromkeys((*found.get(name, ()), value)))
    return found


def describe_collision(what: str, name: str, values: tuple[str, ...]) -> str:
    """Return the error for an entry point that several packages bring."""
    return f"Several packages bring a {what} {name}: {' and '.join(values)}. Uninstall all but one."


def read_summary(module: str) -> str:
    """Return the text behind the colon in the first line of a module's docstring; empty if there is none. The module is
    read as text: neither it nor its package is imported.
    """
    path: list[str] | None = None
    spec = None
    name = ""
    for part in module.split("."):
        name = f"{name}.{part}" if name else part
        spec = PathFinder.find_spec(name, path)
        if spec is None:
            return ""
        path = list(spec.submodule_search_locations or ())
    try:
        with open(spec.origin if spec and spec.origin else "", encoding="utf-8") as file:
            first = file.readline()
    except (OSError, ValueError):
        return ""
    _, _, summary = first.strip().removesuffix('"""').partition(": ")
    return summary.rstrip(".")


def _find_files(folder: str) -> Iterator[Path]:
    try:
        names = sorted(entry.name for entry in os.scandir(folder) if entry.name.endswith(_METADATA_SUFFIXES))
    except OSError:
        # An archive, or a folder that is gone.
        return
    yield from (Path(folder, name, "entry_points.txt") for name in names)


def _read_group(file: Path, group: str) -> Iterator[tuple[str, str]]:
    try:
        lines = file.read_text("utf-8").splitlines()
    except (OSError, ValueError):
        return
    is_ours = False
    for line in map(str.strip, lines):
        if line.startswith("["):
            is_ours = line == f"[{group}]"
        elif is_ours and "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            yield name.strip(), value.partition("[")[0].strip()
