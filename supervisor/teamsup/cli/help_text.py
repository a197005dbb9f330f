"""The texts of ``--help``."""

import argparse
import os
import sys
from collections.abc import Mapping

GROUPS = {
    "Run the team": (
        "init",
        "start",
        "stop",
        "restart",
        "reload",
        "signal",
        "config",
        "service",
        "teams",
        "docs",
        "completion",
    ),
    "See the state": ("ps", "logs", "doctor", "open"),
    "Talk and decide": ("chat", "send", "read", "trace", "decisions", "pair", "forget"),
    "Alerts": ("alerts", "demo"),
    "Agents and the hub": ("agents", "runs", "hub", "mcp", "watch"),
}
_OTHERS = "Of other packages"
EXAMPLES = {
    "teamsup": "show what needs you",
    "teamsup start --detach": "run the team in the background",
    "teamsup ps gateway": "show one worker, with its last crashes",
    'teamsup send lead "v2 is out"': "write to an agent",
    "teamsup logs -f gateway": "follow the output of a worker",
    "teamsup --team night ps": "show the state of another team",
}
_END = "teamsup COMMAND --help shows more. A team's folder is in $TEAMSUP_HOME, else in ~/.claude/teams."
_MOST_COLUMNS, _LEAST_COLUMNS = 110, 60


def terminal_columns() -> int:
    """Return the width of the terminal, or 80. shutil has the same function, but its import takes 3 ms."""
    try:
        return int(os.environ.get("COLUMNS") or 0) or os.get_terminal_size(sys.stdout.fileno()).columns or 80
    except (OSError, ValueError, AttributeError):
        return 80


def _help_columns() -> int:
    return max(_LEAST_COLUMNS, min(_MOST_COLUMNS, terminal_columns()))


class HelpFormatter(argparse.HelpFormatter):
    """The usual help, in the width of the terminal."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=28, width=_help_columns() - 2)


def render_help(own: Mapping[str, str], of_components: Mapping[str, str]) -> str:
    """Return the help of ``teamsup`` itself: all commands in groups, and examples."""
    import textwrap

    known = {**own, **of_components}
    grouped = [name for names in GROUPS.values() for name in names]
    groups = {**GROUPS, _OTHERS: tuple(name for name in known if name not in grouped)}
    lines = ["usage: teamsup [--team NAME] [COMMAND …]", ""]
    lines += textwrap.wrap("A message hub, a supervisor and bridges for a team of agents.", _help_columns())
    for title, names in groups.items():
        if shown := [name for name in names if name in known]:
            lines += ["", f"{title}:", *(line for name in shown for line in _entry(name, known[name], 14))]
    width = max(map(len, EXAMPLES))
    lines += ["", "Examples:", *(line for text, why in EXAMPLES.items() for line in _entry(text, why, width + 2))]
    lines += ["", "Options:"]
    lines += _entry("--team NAME", "the team; also allowed after the command (default: $TEAMSUP_TEAM or 'default')", 14)
    lines += _entry("--json", "print JSON, for commands that show something", 14)
    lines += _entry("-q, --quiet", "print only errors; the exit code shows the result", 14)
    lines += _entry("-v, --verbose", "after an error, also print the traceback", 14)
    lines += _entry("--version", "show the version and exit", 14)
    lines += ["", *textwrap.wrap(_END, _help_columns())]
    return "\n".join(lines) + "\n"


def _entry(name: str, text: str, width: int) -> list[str]:
    import textwrap

    wrapped = textwrap.wrap(text, max(20, _help_columns() - width - 2)) or [""]
    return [f"  {name:{width}}{wrapped[0]}", *(" " * (width + 2) + line for line in wrapped[1:])]
