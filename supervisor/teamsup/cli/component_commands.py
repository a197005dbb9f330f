"""Find the commands of components without importing them, and the faults of their names."""

from collections.abc import Collection
from dataclasses import dataclass

from teamsup.config.entry_points import (
    EntryPoint,
    describe_collision,
    find_entry_points,
    read_summary,
    removal_hint,
)

COMMAND_GROUP = "teamsup.commands"
"""The entry points for commands of components. Each names a module like those in commands/.

``teamsup --help`` shows the text after the colon in the first line of its docstring, without importing it.
"""


def find_commands(own: Collection[str]) -> dict[str, tuple[EntryPoint, ...]]:
    """Return the commands of components by name, except those that have the same name as one of ``own``."""
    return {name: points for name, points in find_entry_points(COMMAND_GROUP).items() if name not in own}


def summarize(points: tuple[EntryPoint, ...]) -> str:
    """Return the line of ``teamsup --help`` for a command."""
    if len(points) > 1:
        return f"cannot run: {' and '.join(point.package for point in points)} bring it"
    return read_summary(points[0].value)


@dataclass(frozen=True, slots=True)
class CommandFault:
    """The reason why a command of a component cannot be run, and the remedy."""

    name: str
    text: str
    remedy: str


def find_faults(own: Collection[str]) -> list[CommandFault]:
    """Return the commands that cannot be run, because several packages define them, or teamsup has a command of the
    same name.
    """
    found = []
    for name, points in find_entry_points(COMMAND_GROUP).items():
        if name in own:
            text = f"{points[0].package} brings a command {name}, but teamsup runs its own of that name."
            found.append(CommandFault(name, text, f"Update the package, or remove it: {removal_hint(points)}"))
        elif len(points) > 1:
            found.append(
                CommandFault(name, describe_collision("command", name, points), f"Run: {removal_hint(points)}")
            )
    return found
