"""What strangers wrote, made fit for terminals and models."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teamsup.terminal.formatting import sanitize, strip_tag, to_single_line


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
