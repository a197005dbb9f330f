"""A file that a person at a terminal attaches."""

from pathlib import Path

import pytest

from teamsup.hub import InvalidMessage
from teamsup.terminal.attachment import attach_file


def test_any_other_line_does_not_change() -> None:
    for line in ("Hello", "/attachment x", "see /attach a.txt", "@lead hi"):
        assert attach_file(line) == (line, {})


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("/attach {plain} @lead look at this", "@lead look at this"),
        ("/ATTACH {plain}", ""),
        ('/attach "{spaced}" @lead two\nlines', "@lead two\nlines"),
        ("/attach {escaped} here", "here"),
    ],
)
def test_the_text_comes_first_and_the_file_after_it(tmp_path: Path, written: str, text: str) -> None:
    plain, spaced = tmp_path / "report.txt", tmp_path / "my report.txt"
    for path in (plain, spaced):
        path.write_text("content")
    line = written.format(plain=plain, spaced=spaced, escaped=str(spaced).replace(" ", "\\ "))

    content, metadata = attach_file(line)

    path = plain if "{plain}" in written else spaced
    about = f"(attachment: {path.name}, 7 bytes; saved as {path})"
    assert content == (f"{text}\n{about}" if text else about)
    assert metadata == {"body_length": len(text)}


@pytest.mark.parametrize("line", ["/attach", "/attach ", "/attach {folder}", "/attach {folder}/none.txt look"])
def test_without_a_readable_file_nothing_is_sent(tmp_path: Path, line: str) -> None:
    with pytest.raises(InvalidMessage, match=r"^(Name a file|There is no readable file)"):
        attach_file(line.format(folder=tmp_path))
