"""Show a tool call of an agent to the people who are asked to permit it: its exact input, as data. Pure."""

import json
from collections.abc import Mapping
from typing import Any

from .formatting import sanitize, to_single_line

MAX_SHOWN_CHARACTERS = 20_000
"""The most characters that a person can judge. A longer input is not shown at all, because people must see everything
that they permit.
"""

_MARGIN = "| "
_NAME_CHARACTERS = 100


def show_input(given: Mapping[str, Any]) -> str:
    """Return the input of a call, each line after a bar, so that it cannot look like a line of teamsup.

    Characters that a screen would hide, or show as something else, are spelled out.
    """
    lines = [f"{to_single_line(str(name), _NAME_CHARACTERS)}: {_show_value(value)}" for name, value in given.items()]
    shown = "\n".join(lines) or "(without an input)"
    return "\n".join(f"{_MARGIN}{line}" for line in shown.split("\n"))


def _show_value(value: object) -> str:
    if isinstance(value, str) and sanitize(value) == value and "\r" not in value:
        # Further lines are indented, so none of them can look like another key.
        return value if "\n" not in value else "\n".join(["", *(f"    {line}" for line in value.split("\n"))])
    return json.dumps(value, ensure_ascii=True)
