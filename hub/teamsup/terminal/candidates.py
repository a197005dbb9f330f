"""The kinds of names that a shell can complete as the value of an argument."""

import argparse
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
