"""The output of a demo: its own text, foreign text, and prompts at which a person presses Enter."""

import select
import shutil
import sys
import textwrap

from teamsup.terminal.formatting import sanitize

_PROMPT_SECONDS = 10.0
_INDENT = "    "


def prompt(words: str, pause: float) -> None:
    """Wait until the person presses Enter; without a terminal continue at once."""
    if pause and sys.stdin.isatty() and sys.stdout.isatty():
        print(f"{_INDENT}you> {words}    (press Enter)", end="", flush=True)
        if select.select([sys.stdin], [], [], _PROMPT_SECONDS)[0]:
            sys.stdin.readline()
        else:
            print()
    else:
        print_quoted(f"you> {words}")


def narrate(text: str) -> None:
    """Print what happens next."""
    print(f"\n{textwrap.fill(text, _width())}", flush=True)


def print_quoted(text: str) -> None:
    """Print foreign text, indented and wrapped."""
    for line in sanitize(text).split("\n"):
        print(textwrap.fill(line, _width(), initial_indent=_INDENT, subsequent_indent=_INDENT, tabsize=4), flush=True)


def _width() -> int:
    return max(40, min(100, shutil.get_terminal_size().columns - 1))
