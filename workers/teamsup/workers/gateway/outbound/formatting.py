"""Formatted spans within lines, as Discord sees them: spoilers, bold, strike, underline and italics. Pure."""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

WHOLE = re.compile(
    r"!?\[[^\[\]]{0,300}+\]\((?:[^\s()]|\([^\s()]*+\))*+\)|<[@#:/a-zA-Z\d][^<>\n]{0,200}+>|https?://[^\s<>|*]++|`[^`\n]++`"
)
"""A link, an address, a mention, a server's emoji, or code within a line."""
MARK = re.compile(r"\\[\s\S]|(?P<whole>" + WHOLE.pattern + r")|(?P<mark>\|\||~~|\*{1,3}|_{1,3})")
"""A delimiter, or a text that cannot contain one."""


@dataclass(frozen=True, slots=True)
class FormattedSpan:
    """The positions of a span's delimiters in the text."""

    mark: str
    begin: int
    """The position of its first delimiter."""
    end: int
    """The position of its last delimiter."""

    def contains(self, position: int) -> bool:
        """Return whether the position is inside the span. A cut at such a position would show the delimiters."""
        return self.begin < position <= self.end

    @property
    def unbreakable(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """The two ranges without a cut: each delimiter, and the character next to it inside the span."""
        width = len(self.mark)
        return (self.begin, self.begin + width + 1), (self.end - 1, self.end + width)


class FormattedSpans:
    """The spans of a text. ``code`` contains the blocks of code, which are not formatted."""

    def __init__(self, text: str, code: Sequence[tuple[int, int]]) -> None:
        self._spans = sorted(_find_spans(text, code), key=lambda span: span.begin)
        self._begins = [span.begin for span in self._spans]
        self._ends = list(accumulate((span.end for span in self._spans), max))

    def around(self, position: int) -> list[FormattedSpan]:
        """Return the spans that are open at a position, the outer spans first."""
        found = []
        for number in range(bisect_right(self._begins, position) - 1, -1, -1):
            if self._ends[number] < position:
                break
            if self._spans[number].contains(position):
                found.append(self._spans[number])
        return found[::-1]

    def between(self, begin: int, end: int) -> Iterator[FormattedSpan]:
        """Yield the spans that have, or may have, a delimiter between these positions."""
        for number in range(bisect_right(self._begins, end) - 1, -1, -1):
            if self._ends[number] < begin:
                return
            yield self._spans[number]


def _find_spans(text: str, code: Iterable[tuple[int, int]]) -> Iterator[FormattedSpan]:
    """Yield each pair of delimiters. A delimiter without a partner is ordinary text, as on Discord."""
    is_open: dict[str, int] = {}
    blocks = iter((*code, (len(text), len(text))))
    begin = 0
    for code_begin, code_end in blocks:
        for match in MARK.finditer(text, begin, code_begin):
            mark = match["mark"]
            if mark is None:
                continue
            at = match.start()
            # For example, ``***`` can end bold and italics that began one after the other.
            for each in [mark] if mark in is_open or len(mark) < 3 else _split(mark, is_open):
                if each in is_open and _may_close(text, at, each):
                    first = is_open.pop(each)
                    # A delimiter between these two has no partner.
                    for other in [name for name, position in is_open.items() if position > first]:
                        del is_open[other]
                    yield FormattedSpan(each, first, at)
                elif each not in is_open and _may_open(text, at, each):
                    is_open[each] = at
                at += len(each)
        begin = code_end


def _split(mark: str, is_open: dict[str, int]) -> list[str]:
    single, double = mark[0], mark[:2]
    if single in is_open and double in is_open:
        return [single, double] if is_open[single] > is_open[double] else [double, single]
    if double in is_open:
        return [double, single]
    return [single, double] if single in is_open else [mark]


def _may_open(text: str, at: int, mark: str) -> bool:
    following = text[at + len(mark) : at + len(mark) + 1]
    if mark in ("*", "***"):
        return bool(following.strip())
    return bool(following) and (mark != "_" or not text[max(0, at - 1) : at].isalnum())


def _may_close(text: str, at: int, mark: str) -> bool:
    if mark in ("*", "***") and not text[at - 1 : at].strip():
        return False
    return mark != "_" or not text[at + 1 : at + 2].isalnum()
