"""How a text becomes what Discord takes: pieces, or a file; and how foreign words are shown without effect. Pure."""

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import NamedTuple

from .markdown import FENCE_MARK, Boundary, Delimiters, find_unbreakable, parse_segments

MAX_LENGTH = 1999  # Discord takes 2,000 code points, and a text never has more of them than UTF-16 units
_MAX_CHUNKS = 5
_SUMMARY_LENGTH = 1000  # how much is shown of an answer that goes as a file
_LONG_WHITESPACE = 100  # of white space
_SENTENCE = re.compile(r"[.!?…][\"'”’»)\]*_]*[ \t]+|[。！？]+[」』）]*")
_WORD = re.compile(r"[^\S\n\xa0\u2007\u202f]+|[、，；：]")
_SINGLE_FENCE = re.compile(
    rf"{FENCE_MARK}[ \t]*(?P<language>[\w+.#-]*)[^`\n]*\n(?P<code>[\s\S]*?)(?:\n[ \t]*(?P=mark)[`~]*)?"
)
_EXTENSIONS = {
    "c",
    "conf",
    "cpp",
    "cs",
    "css",
    "csv",
    "diff",
    "go",
    "html",
    "ini",
    "java",
    "js",
    "json",
    "log",
    "lua",
    "md",
}
_EXTENSIONS |= {"php", "py", "rb", "rs", "sh", "sql", "svg", "tf", "toml", "ts", "tsx", "xml", "yaml"}
_LANGUAGE_EXTENSIONS = {
    "bash": "sh",
    "c++": "cpp",
    "golang": "go",
    "javascript": "js",
    "markdown": "md",
    "python": "py",
}
_LANGUAGE_EXTENSIONS |= {"ruby": "rb", "rust": "rs", "shell": "sh", "typescript": "ts", "yml": "yaml", "zsh": "sh"}
# Discord drops some of these before it looks for mentions.
_INVISIBLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_ESCAPABLE = re.compile(
    r"(?P<mark>^[ \t]*+(?:[#>+-]|\d{1,9}[.)]))|https?://[\w/?&=%#:+$,;.~-]{1,200}|[\s\S]", re.MULTILINE | re.ASCII
)


@dataclass(frozen=True)
class ChunkText:
    """A part of a text, and what was added around it."""

    opening: str
    body: str
    closing: str

    @property
    def text(self) -> str:
        return self.opening + self.body + self.closing


class TextFile(NamedTuple):
    """A text that is too long for messages, and what is said instead."""

    summary: str
    name: str
    content: bytes


class _SplitPoint(NamedTuple):
    """A place where a piece could end, how good it is, and what the next piece begins with."""

    boundary: Boundary
    end: int
    delimiters: Delimiters


def split(text: str) -> list[str]:
    """The text in pieces that Discord takes and shows like the whole."""
    return [piece.text for piece in iterate_chunks(text)]


def first_chunk(text: str) -> str:
    """As much of the text as fits into one."""
    return next((piece.text for piece in iterate_chunks(text)), "")


def to_file(text: str, most: int = _MAX_CHUNKS) -> TextFile | None:
    """The text as a file, with its beginning as a message, if it has more than that many pieces."""
    if len(list(islice(iterate_chunks(text), most + 1))) <= most:
        return None
    name, content = "answer.md", text
    only = _SINGLE_FENCE.fullmatch(text.strip())
    if only and not re.search(rf"^ {{0,3}}{only['mark']}[`~]*\s*$", only["code"], re.MULTILINE):
        language = only["language"].lower()
        extension = _LANGUAGE_EXTENSIONS.get(language, language)
        name, content = f"answer.{extension if extension in _EXTENSIONS else 'txt'}", only["code"] + "\n"
    beginning = next(iterate_chunks(text.strip()[: 4 * _SUMMARY_LENGTH], _SUMMARY_LENGTH)).text.rstrip()
    summary = f"{beginning}\n\nThis is the beginning. All of it, {len(text):,} characters, is in {name}."
    return TextFile(summary, name, content.encode("utf-8", "replace"))


def escape(text: str, most: int = 1000) -> str:
    """Foreign words as they stand, in at most that many UTF-16 units: they ping nobody and hide no address."""
    source = _INVISIBLE.sub("", text.replace("\r\n", "\n"))
    shown: list[str] = []
    size = 0
    for match in _ESCAPABLE.finditer(source):
        word = match[0]
        if match["mark"] or word in "\\*_~|`[<":
            word = f"{word[:-1]}\\{word[-1]}"
        elif word == "@":
            word = "@\u200b"
        size += _utf16_length(word)
        if size > most - (match.end() < len(source)):
            return "".join([*shown, "…"])
        shown.append(word)
    return "".join(shown)


def iterate_chunks(text: str, limit: int = MAX_LENGTH) -> Iterator[ChunkText]:
    """The pieces, each of at most that many UTF-16 units. Only white space is left out, where there is a lot."""
    return _Chunker(text, limit).chunks()


class _Chunker:
    """Looks from the beginning of each piece for the best place to end it."""

    def __init__(self, text: str, limit: int) -> None:
        self._text, self._limit = text, limit
        self._segments = parse_segments(text, repeated=limit // 5)
        self._unbreakable = [
            (start, end)
            for start, end, frame in find_unbreakable(text, self._segments)
            if self._fits(start, end, frame, frame)
        ]

    def chunks(self) -> Iterator[ChunkText]:
        begin, line, frame = 0, 0, Delimiters()
        while begin < len(self._text):
            while self._segments[line].end <= begin:
                line += 1
            # Where nothing else is left it is one character with more accents than a piece can hold.
            ways = (self._breaks_something, partial(_is_inside_character, self._text), lambda _: False)
            choices = next(filter(None, (self._split_points(begin, line, frame, way) for way in ways)))
            best = self._best_split_point(choices, begin)
            piece = _wrap(self._text[begin : best.end], frame, best.delimiters, self._limit)
            if piece and piece.body.strip():
                yield piece
                # White space that found no room goes on in the next piece, where Discord drops it.
                rest = self._text[begin + len(piece.body) : best.end]
                if len(rest) < _LONG_WHITESPACE and not ("\n" in rest and best.delimiters.opening):
                    best = best._replace(end=best.end - len(rest))
            begin, frame = best.end, best.delimiters

    def _split_points(
        self, begin: int, line: int, frame: Delimiters, parts: Callable[[int], bool]
    ) -> list[_SplitPoint]:
        """Where the piece that begins here can end, leaving out what would part something."""
        choices: list[_SplitPoint] = []
        for number in range(line, len(self._segments) - 1):
            here, after = self._segments[number], self._segments[number + 1]
            if self._fits(begin, here.end, frame, after.before):
                choices.append(
                    _SplitPoint(Boundary.NEVER if parts(here.end) else after.boundary, here.end, after.before)
                )
                continue
            # A line that fits into the next piece is left to it.
            if not (here.is_unbroken and self._fits(here.start, here.end, here.before, after.before)):
                for cut, ends in _boundaries_in(
                    self._text, max(begin, here.start), min(here.end, begin + self._limit + 1)
                ):
                    good = (end for end in ends if self._fits(begin, end, frame, here.within) and not parts(end))
                    choices += [_SplitPoint(cut, end, here.within) for end in islice(good, 1)]
            if not self._fits(begin, here.end, frame, Delimiters()):
                break
        return choices

    def _best_split_point(self, choices: list[_SplitPoint], begin: int) -> _SplitPoint:
        def cost(choice: _SplitPoint) -> tuple[Boundary, bool, Boundary, int]:
            # A piece of little text is only better than parting words, and than any cut near a line's beginning.
            little = choice.end < begin + self._limit // 3
            least = (
                Boundary.PARAGRAPH
                if not little
                else Boundary.WORD
                if choice.boundary < Boundary.SENTENCE
                else Boundary.ANYWHERE
            )
            return max(choice.boundary, least), little, choice.boundary, -choice.end

        return choices[-1] if choices[-1].end == len(self._text) else min(choices, key=cost)

    def _fits(self, start: int, end: int, frame: Delimiters, following: Delimiters) -> bool:
        return _wrap(self._text[start:end], frame, following, self._limit) is not None

    def _breaks_something(self, position: int) -> bool:
        before = bisect_left(self._unbreakable, (position, 0)) - 1
        in_atom = before >= 0 and position < self._unbreakable[before][1]
        return in_atom or _is_inside_character(self._text, position)


def _wrap(body: str, frame: Delimiters, following: Delimiters, limit: int) -> ChunkText | None:
    for part in (body, body.rstrip()):
        tail = "\n" + following.closing if following.closing and not part.endswith("\n") else following.closing
        if len(part) <= limit and _utf16_length(frame.opening + part + tail) <= limit:
            return ChunkText(frame.opening, part, tail)
    return None


def _boundaries_in(text: str, start: int, stop: int) -> Iterator[tuple[Boundary, Iterable[int]]]:
    """Where a line can be cut, the latest first."""
    for rank, pattern in ((Boundary.SENTENCE, _SENTENCE), (Boundary.WORD, _WORD)):
        yield rank, [match.end() for match in pattern.finditer(text, start, stop)][::-1]
    yield Boundary.ANYWHERE, range(stop, start, -1)


def _utf16_length(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _is_inside_character(text: str, position: int) -> bool:
    """Whether what a person sees as one character goes on here, as far as this can be told without Unicode's tables."""
    if position >= len(text):
        return False
    before, after = text[position - 1], text[position]
    if before in "\r\n":
        return before + after == "\r\n"
    if before == "\u200d" or after in "\u200c\u200d\uff9e\uff9f" or unicodedata.category(after).startswith("M"):
        return True
    if "\U0001f3fb" <= after <= "\U0001f3ff" or "\U000e0020" <= after <= "\U000e007f":  # skin, the flags of regions
        return True
    if "\u1160" <= after <= "\u11ff" or "\ud7b0" <= after <= "\ud7fb":  # vowels and ends of Korean syllables
        return True
    if _is_flag_letter(after):
        letters = position
        while letters and _is_flag_letter(text[letters - 1]):
            letters -= 1
        return (position - letters) % 2 == 1
    return "\ud800" <= before <= "\udbff" and "\udc00" <= after <= "\udfff"


def _is_flag_letter(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"
