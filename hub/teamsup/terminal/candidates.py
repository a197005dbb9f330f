"""The kinds of names that a shell can complete as the value of an argument."""

import argparse
from collections.abc import Iterable
from enum import StrEnum


class Kind(StrEnum):
    """The kind of an argument's values."""

    WORKER = "worker"
    MEMBER = "member"
    """A worker, or an agent that the team knows."""
    TEAM = "team"
    FILE = "file"
    FOLDER = "folder"


def complete_as(kind: Kind, *actions: argparse.Action) -> None:
    """Let a shell complete the values of these arguments."""
    for action in actions:
        vars(action)["kind"] = kind


def kind_of(action: argparse.Action) -> Kind | None:
    """Return the kind of an argument's values, or None if it is unknown."""
    found = vars(action).get("kind")
    return found if isinstance(found, Kind) else None


def match_names(wanted: str, names: Iterable[str]) -> list[str]:
    """Return the name that a person wants, or all names that their pattern matches, such as ``web-*``. Pure."""
    wanted = wanted.strip().lower()
    if not any(character in wanted for character in "*?["):
        return [name for name in names if name == wanted]
    import fnmatch  # `ps` starts faster without it

    return fnmatch.filter(names, wanted)
