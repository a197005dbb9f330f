"""The ``teamsup`` program: let the team's fork server run ``teamsup mcp``, or run the command in this process.

Imports no slow modules, because a session of Claude Code waits for ``teamsup mcp``.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: "Sequence[str] | None" = None) -> int:
    """Run one command, by default that of this process. Return its exit code."""
    if argv is None and sys.argv[1:2] == ["mcp"] and (code := _run_by_fork_server()) is not None:
        return code
    from . import command_line

    return command_line.main(argv)


def _run_by_fork_server() -> int | None:
    """Return the exit code of the process that has served the session; None if none took it over."""
    from importlib.machinery import SourceFileLoader

    launcher = type(sys)("launcher")
    here = os.path.dirname(os.path.abspath(__file__))
    # The same path as of resources.resource_path(), without its imports.
    for folder in (os.path.dirname(here), os.path.dirname(os.path.dirname(os.path.dirname(here)))):
        file = os.path.join(folder, "deploy", "claude", "launcher.py")
        if os.path.isfile(file):
            SourceFileLoader("launcher", file).exec_module(launcher)
            connection = launcher.hand_over(sys.argv, os.path.dirname(os.path.abspath(sys.executable)))
            return None if connection is None else launcher.wait_for_end(connection)
    return None
