"""Split a text in Markdown for Discord: into chunks, or into a beginning and a file. Pure.

A chunk ends at the end of a block, if possible. Otherwise it ends after a line, a sentence, a word, or a visible
character. The chunk closes each open delimiter, and the next chunk opens it again. So no chunk shows the hidden text of
a spoiler.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from ..markup import utf16_length
from .formatting import MARK, WHOLE, FormattedSpans

MAX_LENGTH = 1999  # UTF-16 units; Discord accepts 2,000 code points, which are never more than the units
_MAX_CHUNKS = 5
_SUMMARY_LENGTH = 1000  # the shown beginning of an answer that is sent as a file
_MAX_REPEATED = 40  # characters before a fence and of its language, which the next chunk repeats
_LOOK_AHEAD = 200  # a character or link that begins in a chunk must end within this many characters

_FENCE = re.compile(
    r"^(?P<lead>(?:[ \t]|>|(?:[-*+]|\d{1,9}[.)])[ \t])*+)(?P<mark>`{3,40}|~{3,40})(?![`~])"
    r"[ \t]*+(?P<language>[\w+.#-]*+)[^\s`]*+(?:[ \t]+\w++=\S*+)*+[ \t\r]*+\n"
    r"(?P<code>[\s\S]*?)(?P<end>^[ \t>]*+(?P=mark)[`~]*+[ \t\r]*+$|\Z)",
    re.MULTILINE,
)
"""A block of code in the sense of CommonMark."""
_QUOTE = re.compile(r"(?:[ \t]{0,3}>){1,9}[ \t]?")
_HEADING = re.compile(r"(?:#{1,6}|-#) ")
_GAP = re.compile(r"\n(?:(?:[ \t\r]*+\n)++|(?=#{1,6} ))")
_LINE = re.compile(r"\n(?![ \t\r]*+\n)")
_SENTENCE = re.compile(r"[.!?…][\"'”’»)\]*_]*+[ \t]++|[。！？]++[」』）]*+")
_WORD = re.compile(r"(?<=[^\s>])[^\S\n\xa0\u2007\u202f]++|[、，；：]")
_BOUNDARIES = ((_GAP, False), (_LINE, False), (_GAP, True), (_LINE, True), (_SENTENCE, False), (_WORD, None))
"""Places to cut, the best first. True means only in code, False only outside of code, and None both."""

_EXTENSIONS = {"c", "conf", "cpp", "cs", "css", "csv", "diff", "go", "html", "ini", "java", "js", "json", "log", "lua"}
_EXTENSIONS |= {"md", "php", "py", "rb", "rs", "sh", "sql", "svg", "tf", "toml", "ts", "tsx", "xml", "yaml"}
_EXTENSION_OF = {"bash": "sh", "c++": "cpp", "golang": "go", "javascript": "js", "markdown": "md", "python": "py"}
_EXTENSION_OF |= {"ruby": "rb", "rust": "rs", "shell": "sh", "typescript": "ts", "yml": "yaml", "zsh": "sh"}


@dataclass(frozen=True)
class ChunkText:
    """A part of a text, and the text that was added around it."""

    opening: str
    body: str
    closing: str

    @property
    def text(self) -> str:
        return self.opening + self.body + self.closing


class TextFile(NamedTuple):
    """A text that is too long for messages, and the message that replaces it."""

    summary: str
    name: str
    content: bytes


class _Delimiters(NamedTuple):
    """The open delimiters at a position. A chunk that ends there closes them, and the next chunk opens them again."""

    opening: str = ""
    closing: str = ""
    """The end of a block of code."""
    marks: tuple[str, ...] = ()
    """The open delimiters within lines, the outer delimiters first."""


def split(text: str) -> list[str]:
    """Return the text in chunks that Discord accepts."""
    return [chunk.text for chunk in iterate_chunks(text)]


def first_chunk(text: str) -> str:
    """Return as much of the text as fits into one chunk."""
    return next((chunk.text for chunk in iterate_chunks(text)), "")


def to_file(text: str, most: int = _MAX_CHUNKS) -> TextFile | None:
    """Return the text as a file and its beginning as a message, if it has more than ``most`` chunks."""
    if len(list(islice(iterate_chunks(text), most + 1))) <= most:
        return None
    name, content = "answer.md", text
    only = _FENCE.match(text.strip())
    if only and only.end() == len(text.strip()):
        language = only["language"].lower()
        extension = _EXTENSION_OF.get(language, language)
        name, content = f"answer.{extension if extension in _EXTENSIONS else 'txt'}", only["code"]
    # Cut the whole text, not only its first thousand characters, because a spoiler may end later.
    beginning = next(iterate_chunks(text.strip(), _SUMMARY_LENGTH)).text.rstrip()
    summary = f"{beginning}\n\nThis is the beginning. The whole answer, {len(text):,} characters, is in {name}."
    return TextFile(summary, name, content.encode("utf-8", "replace"))


def iterate_chunks(text: str, limit: int = MAX_LENGTH) -> Iterator[ChunkText]:
    """Yield the chunks, each of at most ``limit`` UTF-16 units. White space alone makes no chunk."""
    splitter = _Splitter(text, limit)
    begin, opened = 0, _Delimiters()
    while begin < len(text):
        end = splitter.find_cut(begin, opened)
        body, following = text[begin:end], splitter.delimiters_at(end)
        if body.strip():
            yield _to_chunk(opened, body, following)
        begin, opened = end, following


class _Splitter:
    """Finds the best end of a chunk."""

    def __init__(self, text: str, limit: int) -> None:
        self._text, self._limit = text, limit
        self._fences = list(_FENCE.finditer(text))
        self._fence_ends = [fence.end() for fence in self._fences]
        self._spans = FormattedSpans(text, [part for fence in self._fences for part in _unformatted_in(fence)])

    def delimiters_at(self, position: int) -> _Delimiters:
        """Return the open delimiters at a position."""
        fence, quote = self._fence_at(position), self._quote_at(position)
        marks = tuple(span.mark for span in self._spans.around(position))
        if fence is None:
            return _Delimiters(quote + "".join(marks), "", marks)
        lead, mark, language = re.sub(r"[^\s>]", " ", fence["lead"]), fence["mark"], fence["language"]
        if len(lead) + len(language) > _MAX_REPEATED:
            lead = language = ""
        before = "".join(marks) + "\n" if marks else ""
        return _Delimiters(f"{before}{lead}{mark}{language}\n{quote if '>' in lead else ''}", lead + mark, marks)

    def find_cut(self, begin: int, opened: _Delimiters) -> int:
        """Return the end of the chunk that begins at this position, after its opening delimiters."""
        if self._fits(begin, len(self._text), opened):
            return len(self._text)
        farthest = self._farthest_from(begin, opened)
        import regex  # 2 MiB, which short answers do not need

        found = regex.finditer(r"\X", self._text, pos=begin, endpos=farthest + _LOOK_AHEAD)
        characters = [end for match in found if (end := match.end()) <= farthest]
        whole = self._unbreakable_from(begin, farthest)
        between = set(characters).difference(*(range(start + 1, end) for start, end in whole))
        ends = [
            [end for end in self._ends_of(pattern, begin, farthest, is_code) if end in between]
            for pattern, is_code in _BOUNDARIES
        ]
        # A short chunk is only better than a cut inside a word.
        large = [[end for end in choices if end - begin > self._limit // 3] for choices in ends]
        cut_marks = {
            position
            for span in self._spans.between(begin, farthest)
            for at in (span.begin, span.end)
            for position in range(at + 1, at + len(span.mark))
        }
        for choices in (*large, *ends, sorted(between), [end for end in characters if end not in cut_marks]):
            for end in reversed(choices):
                if self._fits(begin, end, opened):
                    return end
        return farthest  # one character with more accents than a chunk can hold

    def _ends_of(self, pattern: re.Pattern[str], begin: int, farthest: int, is_code: bool | None) -> Iterator[int]:
        for match in pattern.finditer(self._text, begin, farthest + _LOOK_AHEAD):
            is_here = is_code is None or is_code is (self._fence_at(match.end()) is not None)
            if is_here and not (is_code is False and self._is_heading(match.start())):
                yield match.end()

    def _is_heading(self, end: int) -> bool:
        """Return whether a heading ends at this position. A heading stays with the text below it."""
        return _HEADING.match(self._text, self._text.rfind("\n", 0, end) + 1) is not None

    def _unbreakable_from(self, begin: int, farthest: int) -> Iterator[tuple[int, int]]:
        """Yield the spans that should not be cut, if they fit into a chunk."""
        for match in WHOLE.finditer(self._text, begin, farthest + self._limit):
            if match.end() - match.start() < self._limit:
                yield match.span()
        for span in self._spans.between(begin, farthest):
            yield from span.unbreakable
        for fence in self._fences[bisect_left(self._fence_ends, begin) :]:
            if fence.start() >= farthest:
                return
            if self._fits(fence.start(), fence.end(), _Delimiters()):
                yield fence.span()
            else:
                # If a fence is cut, each part has at least one line of code.
                yield fence.start(), min(fence.start("code") + 1, farthest + 1)
                yield max(begin, fence.end("code") - 1), fence.end()

    def _fence_at(self, position: int) -> re.Match[str] | None:
        """Return the block of code that is open at this position."""
        number = bisect_left(self._fence_ends, position)
        if number == len(self._fences) or position <= (fence := self._fences[number]).start():
            return None
        return fence if position < fence.end() or not fence["end"] else None

    def _quote_at(self, position: int) -> str:
        start = self._text.rfind("\n", 0, position) + 1
        match = _QUOTE.match(self._text, start) if start < position else None
        return match[0] if match else ""

    def _fits(self, begin: int, end: int, opened: _Delimiters) -> bool:
        if end - begin > self._limit:
            return False
        chunk = _to_chunk(opened, self._text[begin:end], self.delimiters_at(end)).text
        return 2 * len(chunk) <= self._limit or utf16_length(chunk) <= self._limit

    def _farthest_from(self, begin: int, opened: _Delimiters) -> int:
        room = self._limit - utf16_length(opened.opening)
        end = min(len(self._text), begin + room)
        while (over := utf16_length(self._text[begin:end]) - room) > 0:
            end -= (over + 1) // 2
        return end


def _unformatted_in(fence: re.Match[str]) -> Iterator[tuple[int, int]]:
    """Yield the spans without formats. Leave out spoilers between tildes: Discord hides them, and ignores
    code in them.
    """
    begin = fence.start()
    if fence["mark"].startswith("~"):
        for match in MARK.finditer(fence.string, *fence.span("code")):
            if match["mark"] == "||":
                yield begin, match.start()
                begin = match.end()
    yield begin, fence.end()


def _to_chunk(opened: _Delimiters, body: str, following: _Delimiters) -> ChunkText:
    """Return the chunk between the delimiters that are open at its beginning and at its end."""
    # White space would separate a delimiter from the text that it formats. Code keeps its white space.
    if opened.marks and not opened.closing:
        body = body.lstrip()
    closing = _on_new_line(body, following.closing)
    if following.marks:
        body = body if closing else body.rstrip()
        closing += ("\n" if closing else "") + "".join(reversed(following.marks))
    return ChunkText(opened.opening, body, closing)


def _on_new_line(body: str, closing: str) -> str:
    return "\n" + closing if closing and not body.endswith("\n") else closing
