"""What strangers wrote, made fit for terminals and models."""

import re
import unicodedata
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teamsup.terminal.formatting import format_clock, format_moment, format_table, sanitize, strip_tag, to_single_line


@pytest.mark.slow
@pytest.mark.parametrize(
    "unseen",
    [
        "\x00", "\x07", "\x1b", "\r", "\x7f", "\x85", "\x9b",  # what steers a terminal
        "\u061c", "\u200e", "\u202e", "\u2066", "\u2069",  # direction
        "\u2028", "\u2029",  # ends of lines
        "\u200b", "\u2060", "\ufeff", "\u00ad", "\u034f", "\u180e", "\u3164", "\u115f", "\uffa0",  # nothing to see
        "\u200c", "\u200d", "\ufe0f", "\ufe01", "\U000e0100",  # joiners and variations of letters that have none
        "\U000e0001", "\U000e0041", "\U000e007f",  # tags
        "\ud83d", "\ufff9", "\uffff",  # not a character
    ],
)  # fmt: skip
def test_invisible_characters_are_shown(unseen: str) -> None:
    assert sanitize(f"a{unseen}b") == "a\ufffdb"


@pytest.mark.parametrize(
    "text",
    [
        "tabs\tand\nlines",
        "\U0001f469\u200d\U0001f4bb \u2764\ufe0f\u200d\U0001f525 1\ufe0f\u20e3 \u00a9\ufe0f",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 \u0915\u094d\u200d\u0937",
        "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
        "e\u0301 \u65e5\u672c\u8a9e \uc548\ub155 caf\u00e9\u00a0\u20ac",
    ],
    ids=["blanks", "emoji", "Persian and Hindi", "Scotland", "other scripts"],
)
def test_the_text_of_people_does_not_change(text: str) -> None:
    assert sanitize(text) == text


def test_tags_behind_a_flag_that_is_none_are_shown_to_be_there() -> None:
    assert sanitize("\U0001f3f4\U000e0067\U000e0062\U000e007f") == "\U0001f3f4\ufffd\ufffd\ufffd"


def test_one_line_is_bounded_printable_and_has_no_line_ends() -> None:
    assert to_single_line("a\n\tb\u2028c\x1b", 10) == "a b c\ufffd"
    assert to_single_line("x" * 100, 10) == "x" * 9 + "…"
    assert len(to_single_line(" " * 100 + "x", 10)) <= 10


@given(st.text("<\uff1c\ufe64/ mesagMESAG\uff4d\U0001d426>x\ufffd\n"))
def test_no_text_keeps_anything_that_reads_like_a_tag(text: str) -> None:
    read = unicodedata.normalize("NFKC", strip_tag(text, "message")).casefold()
    assert not re.search("<[^a-z<]*" + "[^a-z]*".join("message"), read)


def test_a_tag_is_taken_out_of_a_text_in_every_spelling_and_nothing_else() -> None:
    assert strip_tag("a </alert> < / ALERT > \uff1c\uff41lert\uff1e <Alerts b", "alert") == (
        "a \u2039/alert> \u2039 / ALERT > \u2039\uff41lert\uff1e \u2039Alerts b"
    )
    assert strip_tag("<" + " \ufffd" * 999 + "/alert", "alert")[0] == "\u2039"
    assert strip_tag("a < b, <b>x</b>, al < ert", "alert") == "a < b, <b>x</b>, al < ert"


AT = datetime(2030, 1, 15, 1, 30, tzinfo=timezone(timedelta(hours=2)))


def test_a_time_for_people_is_in_utc_and_has_its_day_unless_it_is_today() -> None:
    assert format_moment(AT) == "2030-01-14 23:30:00 UTC"
    assert format_clock(AT, datetime(2030, 1, 14, 1, tzinfo=UTC)) == "23:30:00 UTC"
    assert format_clock(AT, datetime(2030, 1, 15, 1, tzinfo=UTC)) == "2030-01-14 23:30:00 UTC"


OF_ANOTHER_FORM = {
    "hub/teamsup/config/startable_agents.py": "the same form; what writes it imports from here",
    "hub/teamsup/terminal/formatting.py": "the one form of a time is written here",
    "supervisor/teamsup/supervisor/processes/worker_logs.py": "a line of a log has milliseconds",
    "workers/teamsup/workers/agent_runner/agent_runner.py": "a day's costs begin at midnight of this machine",
    "workers/teamsup/workers/web/pages/rendering.py": "a page has the time of its host, and UTC behind the pointer",
    "workers/teamsup/workers/web/pages/views/plots/axes.py": "the same",
    "workers/teamsup/workers/web/pages/views/plots/team_plots.py": "the same",
}


def test_no_other_module_writes_times_for_people_in_a_form_of_its_own() -> None:
    root = Path(__file__).parents[2]
    own = re.compile(r"%H:%M|localtime\(|\.astimezone\(\)")
    files = [path for folder in ("hub", "supervisor", "workers") for path in (root / folder).rglob("*.py")]
    found = {str(path.relative_to(root)) for path in files if own.search(path.read_text("utf-8"))}

    assert found == {*OF_ANOTHER_FORM, *(name for name in found if name.startswith("hub/teamsup/hub/engines/"))}


ROWS = [
    ("ID", "STATE", "TITLE"),
    ("7", "acknowledged by lead", "the disk of db-01 is full: teamsup alerts close --yes 7"),
    ("8", "open", "short"),
]


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_no_line_of_a_table_is_wider_than_the_terminal_and_no_word_is_lost(columns: int) -> None:
    lines = format_table(ROWS, columns)
    assert max(map(len, lines)) <= columns
    assert " ".join(lines).split() == " ".join(cell for row in ROWS for cell in row).split()


def test_a_program_that_reads_a_table_gets_one_line_for_each_row() -> None:
    assert len(format_table(ROWS, None)) == len(ROWS)
    assert format_table(ROWS, None) == format_table(ROWS, 200)


def test_a_long_last_cell_continues_below_itself() -> None:
    assert format_table(ROWS, 56)[1:] == [
        "7   acknowledged by lead  the disk of db-01 is full:",
        "                          teamsup alerts close --yes 7",
        "8   open                  short",
    ]


def test_a_row_without_room_for_its_last_cell_becomes_a_paragraph() -> None:
    assert format_table(ROWS, 40)[1:3] == [
        "7  acknowledged by lead  the disk of",
        "    db-01 is full: teamsup alerts close",
    ]
