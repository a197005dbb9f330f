"""Draws a prompt anew after its terminal was made narrower."""

import os
from collections.abc import Mapping, Sequence

from prompt_toolkit.data_structures import Point
from prompt_toolkit.layout.screen import Screen
from prompt_toolkit.renderer import Renderer

_TRUNCATING_TERMINALS = ("linux", "rxvt", "vt", "screen")


def truncates_lines(environment: Mapping[str, str]) -> bool:
    """Whether the terminal cuts lines that are too long when it is made narrower. Most fold them."""
    if "TMUX" in environment:
        return False
    return "XTERM_VERSION" in environment or environment.get("TERM", "").startswith(_TRUNCATING_TERMINALS)


def rows_above(used: Sequence[int], column: int, columns: int) -> int:
    """How many rows the cursor is below the first one once rows that use so many columns, before that of the cursor,
    were folded at ``columns``."""
    return sum(max(1, -(-each // columns)) for each in used) + column // columns


class ReflowingRenderer(Renderer):
    """Knows how far up its first row is after a terminal has folded what was drawn."""

    def erase(self, leave_alternate_screen: bool = True) -> None:
        columns, before = self.output.get_size().columns, self._last_size
        screen = self.last_rendered_screen
        if before is not None and screen is not None and columns < before.columns and not truncates_lines(os.environ):
            cursor = self._cursor_pos
            used = [_used_columns(screen, y) for y in range(cursor.y)]
            self._cursor_pos = Point(cursor.x, rows_above(used, cursor.x, columns))
        super().erase(leave_alternate_screen)


def _used_columns(screen: Screen, y: int) -> int:
    return max((x + cell.width for x, cell in screen.data_buffer[y].items() if cell.char != " "), default=0)
