"""The log page: levels, words, lines that belong together, and the end of a long file."""

from pathlib import Path

from teamsup.workers.web.pages.log_page import choose_lines, parse_lines, read_tail

LINES = [
    "2026-03-04 12:00:00.100 INFO ready",
    "2026-03-04 12:00:00.200 ERROR cannot read",
    "2026-03-04 12:00:00.200 Traceback (most recent call last):",
    "2026-03-04 12:00:00.300 WARNING again",
    "what a person has written into it",
]


def test_a_line_has_a_time_a_level_and_an_address_of_its_own() -> None:
    lines = list(parse_lines("web", LINES))
    assert [(line.at[11:], line.level, line.text) for line in lines[:2]] == [
        ("12:00:00.100", "INFO", "ready"),
        ("12:00:00.200", "ERROR", "cannot read"),
    ]
    assert len({line.id for line in lines}) == len(lines) == 4


def test_the_lines_of_a_traceback_belong_to_their_error() -> None:
    lines = list(parse_lines("web", LINES))
    assert [line.text for line in choose_lines(lines, "errors", "")] == [
        "cannot read",
        "Traceback (most recent call last):",
    ]
    assert [line.text for line in choose_lines(lines, "warnings", "AGAIN")] == ["again"]


def test_only_the_end_of_a_long_log_is_read(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    log.write_text("".join(f"line {number}\n" for number in range(1000)), "utf-8")
    assert read_tail(log, most=30) == ["line 997", "line 998", "line 999"]
    assert len(read_tail(log)) == 1000
