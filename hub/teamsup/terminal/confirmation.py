"""Ask a person before an action that cannot be undone."""

import sys

from teamsup.hub.errors import CallerError


class NotConfirmed(CallerError):
    """A person must confirm the action, or has said no."""


def require_confirmation(what: str, *, is_given: bool) -> None:
    """Ask at a terminal whether to continue, unless --yes is given. Raise NotConfirmed after a no, or without a
    terminal.
    """
    if is_given:
        return
    if not sys.stdin.isatty():
        raise NotConfirmed(f"{what} Add --yes to do it.")
    # Ask on stderr, because stdout may be a file, and --quiet switches it off.
    print(f"{what} Continue? [y/N] ", end="", file=sys.stderr, flush=True)  # noqa: T201
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise NotConfirmed("Nothing was changed.")
