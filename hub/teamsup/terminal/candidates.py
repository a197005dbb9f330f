"""What a shell can complete in the place of an argument, beside its choices."""

import argparse
from enum import StrEnum


class Kind(StrEnum):
    """What the values of an argument are."""

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
    """Return what the values of an argument are; None: they cannot be known."""
    found = vars(action).get("kind")
    return found if isinstance(found, Kind) else None
