"""Formatted text that is cut stays formatted, and a spoiler never shows."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from teamsup.workers.gateway.outbound.chunking import first_chunk, iterate_chunks, split, to_file
from teamsup.workers.gateway.outbound.formatting import FormattedSpans

PARTS = ["||", "**", "*", "~~", "_", "\n", "word ", "word ", "words. ", "||", "x" * 30]
WORDS = "many words and more of them. "


def spans(text: str) -> list[str]:
    found = FormattedSpans(text, [])
    return [text[span.begin : span.end + len(span.mark)] for span in found.between(0, len(text))][::-1]


@pytest.mark.parametrize(
    ("text", "formatted"),
    [
        ("a **b c** d", ["**b c**"]),
        ("||a **b** c||", ["||a **b** c||", "**b**"]),
        ("***a*** ~~b~~ __c__ _d_ *e*", ["***a***", "~~b~~", "__c__", "_d_", "*e*"]),
        ("**bold *both***", ["**bold *both***", "*both*"]),
        ("two * three * four, snake_case_name, 2 ** 3", []),
        (r"\*\*a\*\* `**` [**](https://a.b/**) **", []),
        ("* item\n* item", []),
        ("**a ||b** c||", ["**a ||b**"]),
        ("a || b", []),
        ("||a\n\nb||", ["||a\n\nb||"]),
        ("||https://a.example/x||", ["||https://a.example/x||"]),
    ],
)
def test_a_span_that_discord_formats_is_found(text: str, formatted: list[str]) -> None:
    assert spans(text) == formatted


@pytest.mark.parametrize("mark", ["||", "**", "~~", "__", "*", "_", "***"])
def test_a_span_that_is_cut_is_closed_and_opened_again(mark: str) -> None:
    found = split(f"Look: {mark}" + WORDS * 150 + f"the end{mark} of it")

    assert len(found) == 3
    assert found[0].startswith(f"Look: {mark}many")
    assert [piece.startswith(f"{mark}many") for piece in found[1:]] == [True, True]
    assert [piece.endswith(f"them.{mark}") for piece in found[:-1]] == [True, True]
    assert found[-1].endswith(f"the end{mark} of it")


def test_nested_spans_are_closed_from_the_inside() -> None:
    first, second = split("||**" + WORDS * 100 + "**||")

    assert first.endswith("them.**||")
    assert second.startswith("||**many")


def test_a_block_of_code_inside_of_a_spoiler_stays_hidden() -> None:
    first, second = split("||\n```py\n" + "value = 1\n" * 300 + "```\n||")

    assert (first[:9], first[-7:]) == ("||\n```py\n", "\n```\n||")
    assert (second[:9], second[-7:]) == ("||\n```py\n", "\n```\n||")


def test_a_spoiler_stays_hidden_between_lines_of_tildes_which_discord_shows() -> None:
    text = "~~~~\n" + "||SECRET word SECRET word ||" * 40 + "\n~~~~\n"
    pieces = list(iterate_chunks(text, 100))

    assert len(pieces) > 10
    for piece in pieces:
        assert "SECRET" not in re.sub(r"\|\|[\s\S]+?\|\|", "", piece.text)


@settings(deadline=None, max_examples=60)
@given(some.lists(some.sampled_from(PARTS), min_size=20, max_size=150), some.integers(60, 120))
def test_a_spoiler_never_shows(parts: list[str], limit: int) -> None:
    # Each spoiler has text that is found again in the chunks.
    text = "".join(parts).replace("||", "\0")
    text = "||SECRET word SECRET word ||".join(re.split("\0", text))

    for piece in iterate_chunks(text, limit):
        outside = re.sub(r"\|\|[\s\S]+?\|\|", "", piece.text)
        assert "SECRET" not in outside


def test_the_beginning_of_a_long_answer_does_not_show_a_spoiler() -> None:
    text = "Who did it? ||" + WORDS * 500 + "||"
    file = to_file(text)
    assert file is not None
    assert file.summary.partition("\n\nThis is")[0].endswith("them.||")
    assert first_chunk(text).endswith("them.||")
