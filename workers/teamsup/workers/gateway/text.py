"""How a text becomes what Discord takes: pieces, or a file; and how foreign words are shown without effect. Pure."""

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import NamedTuple

from .markdown import MARK, Cut, Frame, atoms, stretches

LIMIT = 1999  # Discord takes 2,000 code points, and a text never has more of them than UTF-16 units
_MOST_PIECES = 5
_BEGINNING = 1000  # how much is shown of an answer that goes as a file
_A_LOT = 100  # of white space
_SENTENCE = re.compile(r"[.!?…][\"'”’»)\]*_]*[ \t]+|[。！？]+[」』）]*")
_WORD = re.compile(r"[^\S\n\xa0\u2007\u202f]+|[、，；：]")
_ONE_FENCE = re.compile(rf"{MARK}[ \t]*(?P<language>[\w+.#-]*)[^`\n]*\n(?P<code>[\s\S]*?)(?:\n[ \t]*(?P=mark)[`~]*)?")
_FILES = {"c", "conf", "cpp", "cs", "css", "csv", "diff", "go", "html", "ini", "java", "js", "json", "log", "lua", "md"}
_FILES |= {"php", "py", "rb", "rs", "sh", "sql", "svg", "tf", "toml", "ts", "tsx", "xml", "yaml"}
_LANGUAGES = {"bash": "sh", "c++": "cpp", "golang": "go", "javascript": "js", "markdown": "md", "python": "py"}
_LANGUAGES |= {"ruby": "rb", "rust": "rs", "shell": "sh", "typescript": "ts", "yml": "yaml", "zsh": "sh"}
# Discord drops some of these before it looks for mentions.
_DROPPED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_WORDS_SHOWN = re.compile(
    r"(?P<mark>^[ \t]*+(?:[#>+-]|\d{1,9}[.)]))|https?://[\w/?&=%#:+$,;.~-]{1,200}|[\s\S]", re.MULTILINE | re.ASCII
)


@dataclass(frozen=True)
class Part:
    """A part of a text, and what was added around it."""

    head: str
    body: str
    tail: str

    @property
    def text(self) -> str:
        return self.head + self.body + self.tail


class TextFile(NamedTuple):
    """A text that is too long for messages, and what is said instead."""

    summary: str
    name: str
    content: bytes


class _Choice(NamedTuple):
    """A place where a piece could end, how good it is, and what the next piece begins with."""

    cut: Cut
    end: int
    frame: Frame


def pieces(text: str) -> list[str]:
    """The text in pieces that Discord takes and shows like the whole."""
    return [piece.text for piece in cut(text)]


def first_piece(text: str) -> str:
    """As much of the text as fits into one."""
    return next((piece.text for piece in cut(text)), "")


def as_file(text: str, most: int = _MOST_PIECES) -> TextFile | None:
    """The text as a file, with its beginning as a message, if it has more than that many pieces."""
    if len(list(islice(cut(text), most + 1))) <= most:
        return None
    name, content = "answer.md", text
    only = _ONE_FENCE.fullmatch(text.strip())
    if only and not re.search(rf"^ {{0,3}}{only['mark']}[`~]*\s*$", only["code"], re.MULTILINE):
        language = only["language"].lower()
        extension = _LANGUAGES.get(language, language)
        name, content = f"answer.{extension if extension in _FILES else 'txt'}", only["code"] + "\n"
    beginning = next(cut(text.strip()[: 4 * _BEGINNING], _BEGINNING)).text.rstrip()
    summary = f"{beginning}\n\nThis is the beginning. All of it, {len(text):,} characters, is in {name}."
    return TextFile(summary, name, content.encode("utf-8", "replace"))


def plain(text: str, most: int = 1000) -> str:
    """Foreign words as they stand, in at most that many UTF-16 units: they ping nobody and hide no address."""
    source = _DROPPED.sub("", text.replace("\r\n", "\n"))
    shown: list[str] = []
    size = 0
    for match in _WORDS_SHOWN.finditer(source):
        word = match[0]
        if match["mark"] or word in "\\*_~|`[<":
            word = f"{word[:-1]}\\{word[-1]}"
        elif word == "@":
            word = "@\u200b"
        size += _units(word)
        if size > most - (match.end() < len(source)):
            return "".join([*shown, "…"])
        shown.append(word)
    return "".join(shown)


def cut(text: str, limit: int = LIMIT) -> Iterator[Part]:
    """The pieces, each of at most that many UTF-16 units. Only white space is left out, where there is a lot."""
    return _Scissors(text, limit).cut()


class _Scissors:
    """Looks from the beginning of each piece for the best place to end it."""

    def __init__(self, text: str, limit: int) -> None:
        self._text, self._limit = text, limit
        self._lines = stretches(text, repeated=limit // 5)
        self._atoms = [
            (start, end) for start, end, frame in atoms(text, self._lines) if self._fits(start, end, frame, frame)
        ]

    def cut(self) -> Iterator[Part]:
        begin, line, frame = 0, 0, Frame()
        while begin < len(self._text):
            while self._lines[line].end <= begin:
                line += 1
            # Where nothing else is left it is one character with more accents than a piece can hold.
            ways = (self._parts, partial(_in_character, self._text), lambda _: False)
            choices = next(filter(None, (self._choices(begin, line, frame, way) for way in ways)))
            best = self._best(choices, begin)
            piece = _piece(self._text[begin : best.end], frame, best.frame, self._limit)
            if piece and piece.body.strip():
                yield piece
                # White space that found no room goes on in the next piece, where Discord drops it.
                rest = self._text[begin + len(piece.body) : best.end]
                if len(rest) < _A_LOT and not ("\n" in rest and best.frame.head):
                    best = best._replace(end=best.end - len(rest))
            begin, frame = best.end, best.frame

    def _choices(self, begin: int, line: int, frame: Frame, parts: Callable[[int], bool]) -> list[_Choice]:
        """Where the piece that begins here can end, leaving out what would part something."""
        choices: list[_Choice] = []
        for number in range(line, len(self._lines) - 1):
            here, after = self._lines[number], self._lines[number + 1]
            if self._fits(begin, here.end, frame, after.before):
                choices.append(_Choice(Cut.NEVER if parts(here.end) else after.cut, here.end, after.before))
                continue
            # A line that fits into the next piece is left to it.
            if not (here.whole and self._fits(here.start, here.end, here.before, after.before)):
                for cut, ends in _ends(self._text, max(begin, here.start), min(here.end, begin + self._limit + 1)):
                    good = (end for end in ends if self._fits(begin, end, frame, here.within) and not parts(end))
                    choices += [_Choice(cut, end, here.within) for end in islice(good, 1)]
            if not self._fits(begin, here.end, frame, Frame()):
                break
        return choices

    def _best(self, choices: list[_Choice], begin: int) -> _Choice:
        def cost(choice: _Choice) -> tuple[Cut, bool, Cut, int]:
            # A piece of little text is only better than parting words, and than any cut near a line's beginning.
            little = choice.end < begin + self._limit // 3
            least = Cut.PARAGRAPH if not little else Cut.WORD if choice.cut < Cut.SENTENCE else Cut.ANYWHERE
            return max(choice.cut, least), little, choice.cut, -choice.end

        return choices[-1] if choices[-1].end == len(self._text) else min(choices, key=cost)

    def _fits(self, start: int, end: int, frame: Frame, following: Frame) -> bool:
        return _piece(self._text[start:end], frame, following, self._limit) is not None

    def _parts(self, position: int) -> bool:
        before = bisect_left(self._atoms, (position, 0)) - 1
        in_atom = before >= 0 and position < self._atoms[before][1]
        return in_atom or _in_character(self._text, position)


def _piece(body: str, frame: Frame, following: Frame, limit: int) -> Part | None:
    for part in (body, body.rstrip()):
        tail = "\n" + following.tail if following.tail and not part.endswith("\n") else following.tail
        if len(part) <= limit and _units(frame.head + part + tail) <= limit:
            return Part(frame.head, part, tail)
    return None


def _ends(text: str, start: int, stop: int) -> Iterator[tuple[Cut, Iterable[int]]]:
    """Where a line can be cut, the latest first."""
    for rank, pattern in ((Cut.SENTENCE, _SENTENCE), (Cut.WORD, _WORD)):
        yield rank, [match.end() for match in pattern.finditer(text, start, stop)][::-1]
    yield Cut.ANYWHERE, range(stop, start, -1)


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _in_character(text: str, position: int) -> bool:
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
