"""The ``teamsup`` program: let the team's fork server run ``teamsup mcp``, or run the command in this process.

This module does not import slow modules, because a session of Claude Code waits for ``teamsup mcp``.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: "Sequence[str] | None" = None) -> int:
    """Run one command, by default that of this process. Return its exit code."""
    try:
        if argv is None and sys.argv[1:2] == ["mcp"] and (code := _run_by_fork_server()) is not None:
            return code
        _import_when_needed("inspect")
        from . import command_line

        return command_line.main(argv)
    except KeyboardInterrupt:
        return 130  # of ExitCode, whose module may not be imported yet


def _import_when_needed(name: str) -> None:
    """Delay the import of a slow module until the program uses one of its names.

    ``dataclasses`` imports ``inspect``, and 3.11 needs it only for a class without a docstring. That import takes
    a sixth of the time of ``teamsup ps``. importlib's LazyLoader would already import it at the next ``import``.
    """
    if name in sys.modules:
        return
    later = type(sys)(name)

    def find(attribute: str) -> object:
        if sys.modules.get(name) is later:
            del sys.modules[name]
        return getattr(__import__(name), attribute)

    later.__dict__["__getattr__"] = find
    sys.modules[name] = later


def _run_by_fork_server() -> int | None:
    """Return the exit code of the process that has served the session, or None if the fork server did not
    take it over.
    """
    from importlib.machinery import SourceFileLoader

    launcher = type(sys)("launcher")
    here = os.path.dirname(os.path.abspath(__file__))
    # This finds the same path as resources.resource_path(), without its imports.
    for folder in (os.path.dirname(here), os.path.dirname(os.path.dirname(os.path.dirname(here)))):
        file = os.path.join(folder, "deploy", "claude", "launcher.py")
        if os.path.isfile(file):
            SourceFileLoader("launcher", file).exec_module(launcher)
            connection = launcher.hand_over(sys.argv, os.path.dirname(os.path.abspath(sys.executable)))
            return None if connection is None else launcher.wait_for_end(connection)
    return None
