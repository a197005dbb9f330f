"""What counts as a line of a program's output."""

import pytest

from teamsup.supervisor.processes.output_lines import OutputLines


@pytest.mark.parametrize(
    ("chunks", "lines", "rest"),
    [
        ([b"one\ntwo\n"], ["one", "two"], []),
        ([b"on", b"e\r", b"\ntwo"], ["one"], ["two"]),
        ([b"\n\n"], ["", ""], []),
        ([b"10 %\r50 %\r", b"100 %\r\ndone\n"], ["100 %", "done"], []),
        ([b"10 %\r", b"20 %"], [], ["20 %"]),
        ([b"\r", b"\r"], [], []),
        ([b"x" * 70_000], ["x" * 70_000], []),
        ([b"\xff\n"], ["\ufffd"], []),
    ],
)
def test_a_line_ends_at_its_end_and_a_bar_is_its_last_state(
    chunks: list[bytes], lines: list[str], rest: list[str]
) -> None:
    output = OutputLines()

    assert [line for chunk in chunks for line in output.add(chunk)] == lines
    assert output.has_unfinished is bool(rest)
    assert output.flush() == rest


@pytest.mark.parametrize(
    ("later", "lines"),
    [(b"\nnext\n", ["next"]), (b"\r\n\n", [""]), (b" yes\n", [" yes"]), (b"\r60 %\r100 %\n", ["100 %"]), (b"", [])],
)
def test_a_line_that_was_shown_before_its_end_is_not_shown_again(later: bytes, lines: list[str]) -> None:
    output = OutputLines()
    assert output.add(b"go on?") == []
    assert output.flush() == ["go on?"]
    assert output.flush() == []

    assert output.add(later) == lines


def test_a_bar_without_an_end_takes_little_memory() -> None:
    output = OutputLines()
    for number in range(1000):
        assert output.add(b"%d %%\r" % number * 100) == []

    assert output.flush() == ["999 %"]
