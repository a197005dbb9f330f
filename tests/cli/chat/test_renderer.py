"""How far up a prompt begins after its terminal was made narrower."""

import pytest

from teamsup.cli.chat.renderer import rows_above, truncates_lines


@pytest.mark.parametrize(
    ("used", "column", "columns", "rows"),
    [
        ([], 39, 40, 0),
        ([], 40, 40, 1),
        ([80], 32, 40, 2),
        ([81, 0], 41, 40, 5),
        ([80], 32, 20, 5),
    ],
)
def test_rows_are_folded(used: list[int], column: int, columns: int, rows: int) -> None:
    assert rows_above(used, column, columns) == rows


@pytest.mark.parametrize(
    ("environment", "cuts"),
    [
        ({"TERM": "xterm-256color"}, False),
        ({"TERM": "xterm-256color", "XTERM_VERSION": "XTerm(390)"}, True),
        ({"TERM": "screen-256color", "XTERM_VERSION": "XTerm(390)", "TMUX": "socket,1,0"}, False),
        ({"TERM": "screen"}, True),
        ({"TERM": "linux"}, True),
    ],
)
def test_few_terminals_cut_lines_instead(environment: dict[str, str], cuts: bool) -> None:
    assert truncates_lines(environment) == cuts
