"""Draws a prompt again after its terminal was made narrower.

patch_stdout() does not help: it leaves raw mode for each line, so keys that are typed meanwhile are echoed. It also
ignores terminals that wrap lines.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from prompt_toolkit.application import Application
from prompt_toolkit.data_structures import Point
from prompt_toolkit.layout import Layout
from prompt_toolkit.layout.screen import Screen
from prompt_toolkit.renderer import Renderer

_TRUNCATING_TERMINALS = ("linux", "rxvt", "vt", "screen")


def truncates_lines(environment: Mapping[str, str]) -> bool:
    """Return whether the terminal cuts long lines when it becomes narrower. Most terminals wrap them."""
    if "TMUX" in environment:
        return False
    return "XTERM_VERSION" in environment or environment.get("TERM", "").startswith(_TRUNCATING_TERMINALS)


def rows_above(used: Sequence[int], column: int, columns: int) -> int:
    """Return the number of rows above the cursor after the terminal has wrapped all rows at ``columns``.

    ``used`` has the number of used columns for each row above the cursor's row.
    """
    return sum(max(1, -(-each // columns)) for each in used) + column // columns


class ReflowingRenderer(Renderer):
    """Erases all drawn rows, even after the terminal has wrapped them. It first moves up by the rows that wrapping has
    added.
    """

    _columns = 0
    """The number of the terminal's columns at the last drawing."""
    _cursor = Point(0, 0)

    def render(self, app: Application[Any], layout: Layout, is_done: bool = False) -> None:
        columns = self.output.get_size().columns
        if columns < self._columns:
            # The terminal is narrower, and a typed key may cause this drawing before the signal reports the new width.
            self.erase(leave_alternate_screen=False)
        # Set the width before drawing, because a person may make the terminal narrower at once.
        self._columns = columns
        super().render(app, layout, is_done)
        if self.last_rendered_screen is not None:
            self._cursor = self.last_rendered_screen.get_cursor_position(layout.current_window)

    def erase(self, leave_alternate_screen: bool = True) -> None:
        columns, screen, cursor = self.output.get_size().columns, self.last_rendered_screen, self._cursor
        if screen is not None and columns < self._columns and not truncates_lines(os.environ):
            used = [_used_columns(screen, y) for y in range(cursor.y)]
            self.output.cursor_up(rows_above(used, cursor.x, columns) - cursor.y)
        super().erase(leave_alternate_screen)


def _used_columns(screen: Screen, y: int) -> int:
    return max((x + cell.width for x, cell in screen.data_buffer[y].items() if cell.char != " "), default=0)
