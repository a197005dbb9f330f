"""Find entry points of installed distributions without importing them.

``importlib.metadata`` of the standard library does the same, but costs each process 25 ms and 1 MiB for parsers of mail
headers and archives.
"""

import os
import sys
from collections.abc import Iterator
from importlib.machinery import PathFinder
from pathlib import Path
from typing import NamedTuple

_METADATA_SUFFIXES = (".dist-info", ".egg-info")


class EntryPoint(NamedTuple):
    """An object that a distribution offers under a name."""

    value: str
    """``module:attribute`` or ``module``."""
    package: str
    """The name of the distribution for pip."""


def find_entry_points(group: str) -> dict[str, tuple[EntryPoint, ...]]:
    """Return the entry points of a group by name.

    A name has several entry points if several distributions use it, because it is unknown which one is meant. If a
    distribution is installed twice, the first on ``sys.path`` counts, as for an import.
    """
    found: dict[str, dict[str, EntryPoint]] = {}
    homes: dict[str, str] = {}
    for folder in sys.path:
        for file in _find_files(folder or "."):
            distribution = file.parent.stem.partition("-")[0]
            if homes.setdefault(distribution.lower(), folder) == folder:
                for name, value in _read_group(file, group):
                    found.setdefault(name, {}).setdefault(value, EntryPoint(value, distribution))
    return {name: tuple(points.values()) for name, points in found.items()}


def describe_collision(what: str, name: str, points: tuple[EntryPoint, ...]) -> str:
    """Return the error for an entry point that several packages define."""
    brought = " and ".join(f"{point.package} ({point.value})" for point in points)
    return f"Several packages bring a {what} {name}: {brought}. Uninstall all but one."


def removal_hint(points: tuple[EntryPoint, ...]) -> str:
    """Return the command lines that remove the packages; a person chooses one."""
    return ", or ".join(f"pip uninstall {point.package}" for point in points)


def read_summary(module: str) -> str:
    """Return the text after the colon in the first line of a module's docstring; empty if there is none. The module is
    read as text. It is not imported, nor is its package.
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
