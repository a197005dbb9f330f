"""How a text becomes what Discord takes."""

import re
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from teamsup.workers.gateway.outbound.chunking import ChunkText, first_chunk, iterate_chunks, split, to_file

LINK = "[the docs](https://example.org/wiki/Queue_(data)?page=2)"
TOKENS = [
    LINK,
    "<https://example.org/" + "long/" * 12 + ">",
    "https://example.org/?q=" + "y" * 50,
    "`git log --oneline -- a b c`",
    "<@123456789012345678>",
    "<@&123456789012345678>",
    "<a:party_parrot:123456789012345678>",
    "</ask for me:123456789012345678>",
    "👩‍👩‍👧‍👦",
    "🇩🇪",
    "👍🏽",
    "🏴󠁧󠁢󠁳󠁣󠁴󠁿",
    "1️⃣",
    "e\u0301\u0323",
    "한",
]


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def assert_discord_takes(found: list[str], limit: int = 1999) -> None:
    assert [piece for piece in found if not piece.strip() or units(piece) > limit or len(piece) > limit] == []


def assert_nothing_is_lost(text: str, found: list[ChunkText]) -> None:
    """All of the text, in order, without the white space between chunks."""
    position = 0
    for piece in found:
        begin = text.index(piece.body, position)
        assert text[position:begin].strip() == ""
        position = begin + len(piece.body)
    assert text[position:].strip() == ""


def open_fence(text: str) -> str | None:
    """The fence that a reader of CommonMark finds open at the end."""
    mark = None
    for line in text.splitlines():
        fence = re.fullmatch(r"(?:[ \t]|> ?|[-*] |\d+\. )*(`{3,}|~{3,})(.*)", line)
        if fence and mark is None and not (fence[1][0] == "`" and "`" in fence[2]):
            mark = fence[1]
        elif fence and mark is not None and fence[1].startswith(mark) and not fence[2].strip():
            mark = None
    return mark


def code(lines: int, prefix: str = "") -> str:
    return "".join(f"{prefix}value_{number} = {number}\n" for number in range(lines))


@pytest.mark.parametrize(
    "text",
    ["short", "  indented\n", "```py\nx = 1\n```", "| a | b |\n|---|---|\n| 1 | 2 |", "> quoted\n\n- item\r\n", LINK],
)
def test_a_text_that_fits_does_not_change(text: str) -> None:
    assert split(text) == [text]


@pytest.mark.parametrize("text", ["", " ", "\n" * 5000, "\r\n\t "])
def test_an_empty_text_sends_nothing(text: str) -> None:
    assert split(text) == []


def test_progress_is_the_first_chunk() -> None:
    text = "word " * 1000
    assert first_chunk(text) == split(text)[0]
    assert first_chunk("all of it") == "all of it"
    assert first_chunk(" \n") == ""


@pytest.mark.parametrize("character", ["x", "é", "語", "👋"])
def test_a_chunk_is_below_2000_however_discord_counts(character: str) -> None:
    found = split(character * 5000)

    assert_discord_takes(found)
    assert "".join(found) == character * 5000
    assert min(units(piece) for piece in found[:-1]) >= 1998


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("a line. And more\n" * 50 + "\n" + "b " * 900, ["and more\n\n", "b "]),
        ("some words. And more\n" * 150, ["and more\n"] * 2),
        ("A sentence of some words. " * 200, ["of some words. "] * 3),
        ("words " * 600, ["words "] * 2),
        ("語と文。" * 800, ["文。"] * 2),
        ("# Title\n\n" + "words and words. " * 200, ["and words. "] * 2),
        ("text\n" * 390 + "## Heading\n" + "text\n" * 100, ["text\n"] * 2),
    ],
)
def test_it_is_cut_at_paragraphs_then_lines_then_sentences_then_words(text: str, ends: list[str]) -> None:
    found = split(text)

    assert_discord_takes(found)
    assert "".join(found) == text
    assert [piece.lower().endswith(end) for piece, end in zip(found, ends, strict=True)] == [True] * len(ends)


def test_a_heading_stays_with_what_it_is_over() -> None:
    (first, second) = split("text text\n" * 150 + "\n# Heading\n\n" + "text text\n" * 100)

    assert first.endswith("text\n\n")
    assert second.startswith("# Heading\n\ntext")
    first, *_ = split("text text\n" * 80 + "\n# Heading\n\n" + "text text " * 300)
    assert first.endswith("text\n\n")


def test_a_short_line_does_not_stand_alone() -> None:
    first, second = split("Look:\n\n" + "many words and more. " * 150)

    assert first.startswith("Look:\n\nmany words")
    assert len(first) > 1900
    assert len(second) > 1000


@pytest.mark.parametrize("token", TOKENS)
def test_tokens_are_not_parted(token: str) -> None:
    for before in range(1990, 2000):
        text = "x" * (before - 5) + " say " + token + " so"

        found = split(text)

        assert "".join(found) == text
        assert [token in piece for piece in found].count(True) == 1


@pytest.mark.parametrize("token", [token for token in TOKENS if len(token) < 12])
def test_characters_of_several_code_points_are_not_parted(token: str) -> None:
    found = split(token * 1500)

    assert_discord_takes(found)
    assert [piece for piece in found if piece.replace(token, "")] == []


@pytest.mark.parametrize(
    "text", ["x" + "\u0301" * 5000, "\u200d" * 4500, "🇩" * 3000, "[" + "y" * 3000 + "](https://z)"]
)
def test_a_text_that_no_chunk_can_hold_is_cut(text: str) -> None:
    found = split(text)

    assert_discord_takes(found)
    assert "".join(found) == text


@pytest.mark.parametrize(
    ("opening", "prefix", "closing", "again"),
    [
        ("```py", "", "```", "```py"),
        ("```", "", "```", "```"),
        ("~~~python", "", "~~~", "~~~python"),
        ("````md", "", "````", "````md"),
        ("```c++ title=x", "", "```", "```c++"),
        ("    ```sh", "    ", "    ```", "    ```sh"),
        ("- ```sh", "  ", "  ```", "  ```sh"),
        ("> ```js", "> ", "> ```", "> ```js"),
        ("```" + "a" * 600, "", "```", "```"),
    ],
)
def test_a_fence_is_closed_at_a_cut_and_opened_again(opening: str, prefix: str, closing: str, again: str) -> None:
    text = f"{opening}\n{code(200, prefix)}{closing}\n"

    first, *middle, last = list(iterate_chunks(text))

    assert_nothing_is_lost(text, [first, *middle, last])
    assert_discord_takes(split(text))
    assert first.text.startswith(opening + "\n")
    assert (first.opening, last.closing) == ("", "")
    assert {piece.opening for piece in [*middle, last]} == {again + "\n"}
    assert {piece.closing for piece in [first, *middle]} == {re.sub("[a-z+]+$", "", again)}
    assert all(piece.body.endswith("\n") for piece in [first, *middle])


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_shorter_fence_in_a_fence_belongs_to_it(newline: str) -> None:
    text = ("````md\n" + "# How\n```py\nx = 1\n```\n~~~\n" * 200 + "````\nafter").replace("\n", newline)

    found = list(iterate_chunks(text))

    assert {(piece.opening, piece.closing) for piece in found[1:-1]} == {("````md\n", "````")}
    assert found[-1].text.endswith("after")
    assert [open_fence(piece.text) for piece in found] == [None] * len(found)


def test_a_fence_that_nobody_closed_is_closed() -> None:
    assert split("```py\nx = 1") == ["```py\nx = 1\n```"]
    assert split("```py\n" + code(150))[-1].endswith("value_149 = 149\n```")


@pytest.mark.parametrize(
    "line",
    [
        "Write ``` to begin code, or ```x``` in a line\n```x``` is\n",
        "``` is what begins code\n",
        "~~~gone~~~ is gone\n",
    ],
)
def test_marks_in_a_sentence_open_nothing(line: str) -> None:
    assert "".join(split(line * 150)) == line * 150


@pytest.mark.parametrize("line", ["x" * 5000, "word " * 1000, "👋" * 2500])
def test_a_long_line_of_code_goes_on_in_the_next_fence(line: str) -> None:
    for quote in ("", "> "):
        text = f"{quote}```py\n{quote}{line}\n{quote}end()\n{quote}```"

        first, *middle, last = list(iterate_chunks(text))

        assert_discord_takes(split(text))
        assert "".join(piece.body for piece in [first, *middle, last]) == text
        assert len(first.body) > 990
        assert {piece.opening for piece in [*middle, last]} == {f"{quote}```py\n{quote}"}
        assert {piece.closing for piece in [first, *middle]} == {f"\n{quote}```"}


def test_code_that_looks_like_a_quote_is_none() -> None:
    assert {piece.opening for piece in iterate_chunks("```\n> " + "x" * 5000)} == {"", "```\n"}


@pytest.mark.parametrize("span", ["[a\nlink](https://example.org)"])
def test_a_line_end_can_be_in_the_middle_of_something(span: str) -> None:
    (first, second) = split("words\n" * 330 + span + "\nwords" * 30)

    assert span in first + second
    assert (span in first) != (span in second)


def test_a_fence_that_fits_into_a_chunk_is_kept_in_one() -> None:
    block = f"```py\n{code(90)}```"

    assert split("Words of one line.\n" * 60 + f"\n{block}")[1] == block


@pytest.mark.parametrize("length", range(1, 20))
def test_a_repeated_opening_is_followed_by_no_empty_line(length: int) -> None:
    row = f"| {'x' * length} | y |\n"
    text = "```\n" + row * 400 + "```"
    assert [piece for piece in iterate_chunks(text) if piece.opening and piece.body.startswith("\n")] == []


def test_a_quote_goes_on_as_a_quote() -> None:
    for line in ("> " + "word " * 700, "> > " + "word " * 700):
        mark = line.partition("w")[0]
        assert [piece.startswith(mark) for piece in split(line)] == [True] * len(split(line))
    quote = "> a line\n" * 300
    assert "".join(split(quote)) == quote


def test_windows_line_ends_are_not_parted() -> None:
    text = "a line\r\n\r\n```py\r\n" + code(300).replace("\n", "\r\n") + "```\r\nafter\r\n"

    found = list(iterate_chunks(text))

    assert "".join(piece.body for piece in found) == text
    assert [piece for piece in found if piece.body.startswith("\n")] == []
    assert [open_fence(piece.text) for piece in found] == [None] * len(found)


def test_a_lot_of_white_space_is_left_out() -> None:
    found = split("a" + " " * 5000 + "b" + "\n" * 5000 + "c")

    assert_discord_takes(found)
    assert [piece.strip() for piece in found] == ["a", "b", "c"]


prose = some.lists(
    some.sampled_from(["word", "and", "so.", "What?", "plan-b", "Käse", "日本語。", *TOKENS]), min_size=1
).map(" ".join)
rows = some.lists(some.sampled_from(["| 1 | 2 |", "| long cell here | x |"]), min_size=1, max_size=30)
table = rows.map(lambda found: "\n".join(["| a | b |", "|---|---|", *found]))
code_line = some.sampled_from(
    ["x = 1", "", "    if x:  # `y`", "| a | b |", "> z", "- [ ] ", "z" * 400, "f(" + "a, " * 150]
)


@some.composite
def fence(draw: some.DrawFn) -> str:
    mark = draw(some.sampled_from(["```", "~~~", "````", "~~~~~"]))
    nested = some.sampled_from(["```py" if mark == "````" else "", "~~~" if mark == "~~~~~" else ""])
    lines = draw(some.lists(some.one_of(code_line, nested), max_size=40))
    return "\n".join([mark + draw(some.sampled_from(["", "py", "c++", "js title=1"])), *lines, mark])


@some.composite
def markdown(draw: some.DrawFn) -> str:
    around = some.sampled_from(["", "> ", "  "])
    block = some.one_of(prose, prose.map("- {}".format), prose.map("# {}".format), table, fence())
    blocks = draw(some.lists(some.tuples(block, around, some.sampled_from(["\n", "\n\n", "\n\n\n"])), max_size=8))
    text = "".join(re.sub("^", start, words, flags=re.MULTILINE) + gap for words, start, gap in blocks)
    return text.replace("\n", draw(some.sampled_from(["\n", "\r\n"])))


@settings(deadline=None)
@given(markdown())
def test_markdown_comes_in_chunks_that_are_whole_in_themselves(text: str) -> None:
    found = list(iterate_chunks(text, 300))

    assert_discord_takes([piece.text for piece in found], 300)
    assert_nothing_is_lost(text, found)
    assert [piece.text for piece in found if open_fence(piece.text)] == []
    for token in TOKENS:
        assert sum(piece.body.count(token) for piece in found) == text.count(token)
    for line in "\n".join(piece.opening + piece.closing.strip() for piece in found).splitlines():
        assert re.fullmatch(r"[> ]*(?:(?:```|~~~)[`~]*[\w+]*)?", line)


parts = some.one_of(
    some.text(some.sampled_from("`~|-> \n\r#*_[]()<>@:/.ab1👋🇩\u200d\u0301\u3000語"), max_size=20),
    some.sampled_from(
        ["```", "````", "~~~", "\n```py\n", "x ```\n", "x```\n", "\n> ```\n", ">>> ", "\n|-|\n", "\n|a|", " - "]
    ),
)


@settings(deadline=None)
@given(some.lists(some.builds(str.__mul__, parts, some.sampled_from([1, 1, 1, 2, 40])), max_size=40).map("".join))
def test_any_text_comes_whole(text: str) -> None:
    found = list(iterate_chunks(text, 250))

    assert_discord_takes([piece.text for piece in found], 250)
    assert_nothing_is_lost(text, found)


def test_up_to_five_chunks_do_not_make_a_file() -> None:
    assert to_file("word " * 1900) is None
    assert to_file("word " * 1900, most=4) is not None


def test_a_longer_text_goes_as_a_file_with_its_beginning() -> None:
    text = "# Report\n\n" + "Some words of it. " * 900

    found = to_file(text)

    assert found is not None
    assert (found.name, found.content.decode()) == ("answer.md", text)
    beginning, _, note = found.summary.rpartition("\n\n")
    assert re.fullmatch(r"# Report\n\n(Some words of it\. ?){50,}", beginning)
    assert note == "This is the beginning. The whole answer, 16,210 characters, is in answer.md."
    assert_discord_takes([found.summary])


@pytest.mark.parametrize(
    ("language", "name"),
    [("", "txt"), ("python", "py"), ("JSON", "json"), ("c++", "cpp"), ("exe", "txt"), ("../x", "txt"), ("text", "txt")],
)
@pytest.mark.parametrize("mark", ["```", "~~~~"])
def test_a_text_that_is_all_code_goes_as_that_code(language: str, name: str, mark: str) -> None:
    found = to_file(f"{mark}{language}\n{code(900)}{mark}\n")

    assert found is not None
    assert (found.name, found.content.decode()) == (f"answer.{name}", code(900))
    assert open_fence(found.summary) is None


def test_two_fences_are_not_one_file_of_code() -> None:
    found = to_file(f"```py\n{code(500)}```\nand\n```py\n{code(500)}```")

    assert found is not None
    assert found.name == "answer.md"


def test_a_short_answer_does_not_load_regex() -> None:
    program = "import sys; from teamsup.workers.gateway.outbound.chunking import split; split('Hello');"
    program += "sys.exit('regex' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode == 0
