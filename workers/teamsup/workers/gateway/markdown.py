"""Where a text in Markdown may be cut, and what a cut there closes and repeats: fences, quotes, tables. Pure.

Fences are read as CommonMark has them, because who writes an answer means them so, and also where only Discord sees
one: behind other words, and ended at the end of a line.
"""

import re
from collections.abc import Iterator, Sequence
from enum import IntEnum
from itertools import pairwise
from typing import Literal, NamedTuple

MARK = r"(?P<mark>`{3,40}(?!`)|~{3,40}(?!~))"
_LINE = re.compile(r"[^\n]*+\n(?:[ \t\r]*+\n)*+|[^\n]++")  # with the empty ones behind it
_OPENING = re.compile(rf"(?P<lead>[ \t]*+(?:(?:[-*+>]|\d{{1,9}}[.)])[ \t]++|>)*+){MARK}[ \t]*+(?P<language>[\w+.#-]*)")
_OPENING_BEHIND_WORDS = re.compile(r"(?P<lead>[^`\n]+)(?P<mark>```)(?P<language>[\w+.#-]*)[ \t\r]*$", re.MULTILINE)
_SENTENCE = re.compile(r"[ \t]++\S++[ \t]++\S")  # no name of a language
_CLOSING = re.compile(rf"(?P<indent>[ \t]*+){MARK}[ \t\r]*$", re.MULTILINE)
_CLOSING_BEHIND_WORDS = re.compile(r"[ \t]*+[^`\s][^`\n]*```(?=[ \t\r]*$)", re.MULTILINE)
_CLOSING_NEXT = re.compile(r"[^`]*+(?:`{1,2}+(?!`)[^`]*+)*+```[ \t\r]*$", re.MULTILINE)
_QUOTE = re.compile(r"(?:(?:[ \t]{0,3}>){1,9}[ \t]?)?")
_QUOTED_TO_THE_END = re.compile(r" *>>> ")
_HEADING = re.compile(r"(?:#{1,6}|-#) ")
_ITEM = re.compile(r"[ \t]*+(?:[-*+]|\d{1,9}[.)])[ \t]")
_ATOM = re.compile(
    r"(?<!`)(?P<ticks>`+)(?!`)[\s\S]{1,1900}?(?<!`)(?P=ticks)(?!`)"
    r"|!?\[(?:[^\[\]]|\[[^\[\]]*+\])*+\]\(<?(?:[^\s()]|\([^\s()]*+\))*+(?:\s\"[^\"\n]*+\")?\)"
    r"|<[@#:/a-zA-Z\d][^<>\n]{0,200}>|\b[a-zA-Z][a-zA-Z\d+.-]{1,15}://[^\s<>]+"
    r"|(?P<stress>\*\*|__|~~|\|\|)(?=\S)[\s\S]{1,400}?(?P=stress)|`{3,}|~{3,}|(?<![!-~])[!-~]{100,}"
)


class Cut(IntEnum):
    """How good a place to cut is, the best first."""

    PARAGRAPH, LINE, NESTED, CODE_PARAGRAPH, CODE_LINE, SENTENCE, WORD, ANYWHERE, NEVER = range(9)


class Frame(NamedTuple):
    """What a piece that begins here repeats, and one that ends here closes."""

    head: str = ""
    tail: str = ""


class Stretch(NamedTuple):
    """A line, or a part of one where a fence begins or ends in it."""

    start: int
    end: int
    cut: Cut  # before it
    before: Frame
    within: Frame
    whole: bool = True  # cut only when it is too long for a piece


class _Fence(NamedTuple):
    """An open block of code: how it began, and in what quote."""

    mark: str
    indent: int
    quote: str
    frame: Frame


def stretches(text: str, repeated: int) -> list[Stretch]:
    """All of the text, and an empty one behind it. Heads longer than that are not repeated."""
    reader = _Reader(text, repeated)
    spans = [match.span() for match in _LINE.finditer(text)]
    found = [
        stretch
        for (start, end), (_, next_end) in pairwise([*spans, (0, 0)])
        for stretch in reader.read(start, end, text[end:next_end])
        if stretch.start < stretch.end
    ]
    return [*found, Stretch(len(text), len(text), Cut.PARAGRAPH, reader.frame, reader.frame)]


def atoms(text: str, read: Sequence[Stretch]) -> Iterator[tuple[int, int, Frame]]:
    """What no cut should part: code, links, addresses, mentions and emoji in <…>, what is bold or hidden."""
    begin = read[0]
    for stretch in read[1:]:
        if stretch.whole or stretch.cut not in (Cut.LINE, Cut.NESTED):
            yield from ((*match.span(), begin.within) for match in _ATOM.finditer(text, begin.start, stretch.start))
            begin = stretch


class _Reader:
    """Goes through the lines and knows what is open."""

    def __init__(self, text: str, repeated: int) -> None:
        self._text, self._repeated = text, repeated
        self._base = Frame()
        self._fence: _Fence | None = None
        self._row, self._header = 0, ""
        self._above: Literal["nothing", "text", "quote", "gap", "heading", "opening"] = "nothing"

    @property
    def frame(self) -> Frame:
        return self._fence.frame if self._fence else self._base

    def read(self, start: int, end: int, follower: str) -> Iterator[Stretch]:
        line = self._text[start:end]
        quote = _start(_QUOTE, line)
        if self._fence and self._fence.quote and not quote:
            self._fence = None
        self._count_rows(line, follower)
        cut, fence, (head, tail) = self._rank(line, quote), self._fence, self.frame
        before = Frame(head + self._header * (self._row > 2), tail)
        within = Frame(head + (fence.quote if fence else quote), tail)
        self._above = "gap" if line.count("\n") > 1 else "quote" if quote else "text"
        if fence and (ended := _ended(line, fence)):
            yield Stretch(start, start + ended, cut, before, within)
            self._fence, self._row = None, 0
            yield Stretch(start + ended, end, Cut.NEVER, self._base, self._base)
        elif not fence and (opening := _opening(line, self._text, end)):
            at = opening.start("mark")
            self._fence = fence = self._opened(opening, quote)
            yield Stretch(start, start + at, cut, before, within)
            inside = Frame(fence.frame.head + quote, fence.frame.tail)
            yield Stretch(start + at, end, Cut.NEVER if at else cut, within, inside)
            self._above, self._row = "opening", 0
        else:
            heading = not fence and _HEADING.match(line)
            if heading:
                self._above = "heading"
            if not fence and _QUOTED_TO_THE_END.match(line):
                self._base = within = Frame(">>> ")
            whole = bool(fence or quote or self._row or heading or _ITEM.match(line))
            yield Stretch(start, end, cut, before, within, whole)

    def _rank(self, line: str, quote: str) -> Cut:
        """How good it is to cut before this line."""
        if self._above in ("opening", "heading") or self._row in (2, 3):  # 2 is a table's rule, 3 its first row
            return Cut.NEVER
        if self._fence:
            return Cut.CODE_PARAGRAPH if self._above == "gap" else Cut.CODE_LINE
        indented = line[len(quote) :][:1].isspace()
        if _HEADING.match(line) or (self._above == "gap" and not indented):
            return Cut.PARAGRAPH
        return Cut.NESTED if indented or self._row > 1 or (quote and self._above == "quote") else Cut.LINE

    def _count_rows(self, line: str, follower: str) -> None:
        if self._row == 1 or (self._row and "|" in line and self._above != "gap"):
            self._row += 1
            return
        self._row = int("|" in line and line.count("\n") == 1 and _is_rule(follower))
        if self._row:
            self._header = line + follower if len(line + follower) <= self._repeated else ""

    def _opened(self, opening: re.Match[str], quote: str) -> _Fence:
        lead, mark, language = opening.group("lead", "mark", "language")
        indent = len(lead) - len(quote)
        lead = re.sub(r"[^\s>]", " ", lead) if _OPENING.match(opening.string) else quote
        if len(lead + language) > self._repeated // 2:
            lead = language = ""
        head = f"{self._base.head}{lead}{mark}{language}\n"
        return _Fence(mark, indent, quote, Frame(head, lead + mark))


def _start(pattern: re.Pattern[str], line: str) -> str:
    match = pattern.match(line)
    return match[0] if match else ""


def _opening(line: str, text: str, end: int) -> re.Match[str] | None:
    if opening := _OPENING.match(line):
        info = line[opening.end("mark") :]
        return None if opening["mark"][0] in info or _SENTENCE.match(info) else opening
    # Behind other words only if what comes next can be its end.
    opening = _OPENING_BEHIND_WORDS.match(line)
    return opening if opening and _CLOSING_NEXT.match(text, end) else None


def _ended(line: str, fence: _Fence) -> int:
    """Where in its last line a fence ends, or 0."""
    at = len(_start(_QUOTE, line)) if fence.quote else 0
    closing = _CLOSING.match(line, at)
    if closing and closing["mark"].startswith(fence.mark) and len(closing["indent"]) <= fence.indent + 3:
        return closing.end("mark")
    behind_words = _CLOSING_BEHIND_WORDS.match(line, at) if fence.mark == "```" else None
    return behind_words.end() if behind_words else 0


def _is_rule(line: str) -> bool:
    """Whether this is the line below a table's header."""
    marks = set(line)
    return marks <= set(" \t\r\n>|+:-") and "-" in marks and bool(marks & set("|+"))
