"""Where a text in Markdown may be cut, and what a cut there closes and repeats: fences, quotes, tables. Pure.

Fences are read as CommonMark has them, because who writes an answer means them so, and also where only Discord sees
one: behind other words, and ended at the end of a line.
"""

import re
from collections.abc import Iterator, Sequence
from enum import IntEnum
from itertools import pairwise
from typing import Literal, NamedTuple

FENCE_MARK = r"(?P<mark>`{3,40}(?!`)|~{3,40}(?!~))"
_LINE = re.compile(r"[^\n]*+\n(?:[ \t\r]*+\n)*+|[^\n]++")  # with the empty ones behind it
_FENCE_OPENING = re.compile(
    rf"(?P<lead>[ \t]*+(?:(?:[-*+>]|\d{{1,9}}[.)])[ \t]++|>)*+){FENCE_MARK}[ \t]*+(?P<language>[\w+.#-]*)"
)
_FENCE_OPENING_AFTER_TEXT = re.compile(r"(?P<lead>[^`\n]+)(?P<mark>```)(?P<language>[\w+.#-]*)[ \t\r]*$", re.MULTILINE)
_PROSE = re.compile(r"[ \t]++\S++[ \t]++\S")  # no name of a language
_FENCE_CLOSING = re.compile(rf"(?P<indent>[ \t]*+){FENCE_MARK}[ \t\r]*$", re.MULTILINE)
_FENCE_CLOSING_AFTER_TEXT = re.compile(r"[ \t]*+[^`\s][^`\n]*```(?=[ \t\r]*$)", re.MULTILINE)
_FENCE_CLOSING_AHEAD = re.compile(r"[^`]*+(?:`{1,2}+(?!`)[^`]*+)*+```[ \t\r]*$", re.MULTILINE)
_QUOTE = re.compile(r"(?:(?:[ \t]{0,3}>){1,9}[ \t]?)?")
_BLOCK_QUOTE = re.compile(r" *>>> ")
_HEADING = re.compile(r"(?:#{1,6}|-#) ")
_LIST_ITEM = re.compile(r"[ \t]*+(?:[-*+]|\d{1,9}[.)])[ \t]")
_UNBREAKABLE = re.compile(
    r"(?<!`)(?P<ticks>`+)(?!`)[\s\S]{1,1900}?(?<!`)(?P=ticks)(?!`)"
    r"|!?\[(?:[^\[\]]|\[[^\[\]]*+\])*+\]\(<?(?:[^\s()]|\([^\s()]*+\))*+(?:\s\"[^\"\n]*+\")?\)"
    r"|<[@#:/a-zA-Z\d][^<>\n]{0,200}>|\b[a-zA-Z][a-zA-Z\d+.-]{1,15}://[^\s<>]+"
    r"|(?P<stress>\*\*|__|~~|\|\|)(?=\S)[\s\S]{1,400}?(?P=stress)|`{3,}|~{3,}|(?<![!-~])[!-~]{100,}"
)


class Boundary(IntEnum):
    """How good a place to cut is, the best first."""

    PARAGRAPH, LINE, NESTED, CODE_PARAGRAPH, CODE_LINE, SENTENCE, WORD, ANYWHERE, NEVER = range(9)


class Delimiters(NamedTuple):
    """What a piece that begins here repeats, and one that ends here closes."""

    opening: str = ""
    closing: str = ""


class Segment(NamedTuple):
    """A line, or a part of one where a fence begins or ends in it."""

    start: int
    end: int
    boundary: Boundary  # before it
    before: Delimiters
    within: Delimiters
    is_unbroken: bool = True  # cut only when it is too long for a piece


class _Fence(NamedTuple):
    """An open block of code: how it began, and in what quote."""

    mark: str
    indent: int
    quote: str
    delimiters: Delimiters


def parse_segments(text: str, repeated: int) -> list[Segment]:
    """All of the text, and an empty one behind it. Heads longer than that are not repeated."""
    reader = _SegmentParser(text, repeated)
    spans = [match.span() for match in _LINE.finditer(text)]
    found = [
        stretch
        for (start, end), (_, next_end) in pairwise([*spans, (0, 0)])
        for stretch in reader.parse_line(start, end, text[end:next_end])
        if stretch.start < stretch.end
    ]
    return [*found, Segment(len(text), len(text), Boundary.PARAGRAPH, reader.delimiters, reader.delimiters)]


def find_unbreakable(text: str, read: Sequence[Segment]) -> Iterator[tuple[int, int, Delimiters]]:
    """What no cut should part: code, links, addresses, mentions and emoji in <…>, what is bold or hidden."""
    begin = read[0]
    for stretch in read[1:]:
        if stretch.is_unbroken or stretch.boundary not in (Boundary.LINE, Boundary.NESTED):
            yield from (
                (*match.span(), begin.within) for match in _UNBREAKABLE.finditer(text, begin.start, stretch.start)
            )
            begin = stretch


class _SegmentParser:
    """Goes through the lines and knows what is open."""

    def __init__(self, text: str, repeated: int) -> None:
        self._text, self._repeated = text, repeated
        self._outer = Delimiters()
        self._fence: _Fence | None = None
        self._row, self._header = 0, ""
        self._previous: Literal["nothing", "text", "quote", "gap", "heading", "opening"] = "nothing"

    @property
    def delimiters(self) -> Delimiters:
        return self._fence.delimiters if self._fence else self._outer

    def parse_line(self, start: int, end: int, follower: str) -> Iterator[Segment]:
        line = self._text[start:end]
        quote = _match_prefix(_QUOTE, line)
        if self._fence and self._fence.quote and not quote:
            self._fence = None
        self._track_table(line, follower)
        cut, fence, (head, tail) = self._boundary_before(line, quote), self._fence, self.delimiters
        before = Delimiters(head + self._header * (self._row > 2), tail)
        within = Delimiters(head + (fence.quote if fence else quote), tail)
        self._previous = "gap" if line.count("\n") > 1 else "quote" if quote else "text"
        if fence and (ended := _find_fence_end(line, fence)):
            yield Segment(start, start + ended, cut, before, within)
            self._fence, self._row = None, 0
            yield Segment(start + ended, end, Boundary.NEVER, self._outer, self._outer)
        elif not fence and (opening := _match_fence_opening(line, self._text, end)):
            at = opening.start("mark")
            self._fence = fence = self._open_fence(opening, quote)
            yield Segment(start, start + at, cut, before, within)
            inside = Delimiters(fence.delimiters.opening + quote, fence.delimiters.closing)
            yield Segment(start + at, end, Boundary.NEVER if at else cut, within, inside)
            self._previous, self._row = "opening", 0
        else:
            heading = not fence and _HEADING.match(line)
            if heading:
                self._previous = "heading"
            if not fence and _BLOCK_QUOTE.match(line):
                self._outer = within = Delimiters(">>> ")
            whole = bool(fence or quote or self._row or heading or _LIST_ITEM.match(line))
            yield Segment(start, end, cut, before, within, whole)

    def _boundary_before(self, line: str, quote: str) -> Boundary:
        """How good it is to cut before this line."""
        if self._previous in ("opening", "heading") or self._row in (2, 3):  # 2 is a table's rule, 3 its first row
            return Boundary.NEVER
        if self._fence:
            return Boundary.CODE_PARAGRAPH if self._previous == "gap" else Boundary.CODE_LINE
        indented = line[len(quote) :][:1].isspace()
        if _HEADING.match(line) or (self._previous == "gap" and not indented):
            return Boundary.PARAGRAPH
        return Boundary.NESTED if indented or self._row > 1 or (quote and self._previous == "quote") else Boundary.LINE

    def _track_table(self, line: str, follower: str) -> None:
        if self._row == 1 or (self._row and "|" in line and self._previous != "gap"):
            self._row += 1
            return
        self._row = int("|" in line and line.count("\n") == 1 and _is_table_rule(follower))
        if self._row:
            self._header = line + follower if len(line + follower) <= self._repeated else ""

    def _open_fence(self, opening: re.Match[str], quote: str) -> _Fence:
        lead, mark, language = opening.group("lead", "mark", "language")
        indent = len(lead) - len(quote)
        lead = re.sub(r"[^\s>]", " ", lead) if _FENCE_OPENING.match(opening.string) else quote
        if len(lead + language) > self._repeated // 2:
            lead = language = ""
        head = f"{self._outer.opening}{lead}{mark}{language}\n"
        return _Fence(mark, indent, quote, Delimiters(head, lead + mark))


def _match_prefix(pattern: re.Pattern[str], line: str) -> str:
    match = pattern.match(line)
    return match[0] if match else ""


def _match_fence_opening(line: str, text: str, end: int) -> re.Match[str] | None:
    if opening := _FENCE_OPENING.match(line):
        info = line[opening.end("mark") :]
        return None if opening["mark"][0] in info or _PROSE.match(info) else opening
    # Behind other words only if what comes next can be its end.
    opening = _FENCE_OPENING_AFTER_TEXT.match(line)
    return opening if opening and _FENCE_CLOSING_AHEAD.match(text, end) else None


def _find_fence_end(line: str, fence: _Fence) -> int:
    """Where in its last line a fence ends, or 0."""
    at = len(_match_prefix(_QUOTE, line)) if fence.quote else 0
    closing = _FENCE_CLOSING.match(line, at)
    if closing and closing["mark"].startswith(fence.mark) and len(closing["indent"]) <= fence.indent + 3:
        return closing.end("mark")
    behind_words = _FENCE_CLOSING_AFTER_TEXT.match(line, at) if fence.mark == "```" else None
    return behind_words.end() if behind_words else 0


def _is_table_rule(line: str) -> bool:
    """Whether this is the line below a table's header."""
    marks = set(line)
    return marks <= set(" \t\r\n>|+:-") and "-" in marks and bool(marks & set("|+"))
