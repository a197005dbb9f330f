"""Discord's markup: the length of a text, escaped foreign text, and names of files. Pure."""

import re
from unicodedata import category, east_asian_width, normalize

# Discord drops some of these before it looks for mentions.
_INVISIBLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_ESCAPABLE = re.compile(
    r"(?P<mark>^[ \t]*+(?:[#>+-]|\d{1,9}[.)]))|https?://[\w/?&=%#:+$,;.~-]{1,200}|[\s\S]", re.MULTILINE | re.ASCII
)
_MAX_NAME_BYTES = 100
_FENCE = r"^[ \t>]*(?P<fence>`{3,}|~{3,})[\s\S]*?(?:^[ \t>]*(?P=fence)[`~]*[ \t]*$|\Z)"
_ROW = r"[ \t]*\|[^\n]*\|[ \t]*(?:\n|\Z)"
_DASHES = r"(?P<indent>[ \t]*)\|(?:[ \t]*:?-+:?[ \t]*\|)+[ \t]*(?:\n|\Z)"
_TABLE = re.compile(
    rf"{_FENCE}|^(?P<speaker>[^\s|]{{1,100}}:[ ])?(?P<table>{_ROW}{_DASHES}(?:{_ROW})*)",
    re.MULTILINE,
)
_MAX_TABLE_WIDTH = 120
"""The number of columns of a code block that a wide screen shows without wrapping."""


def utf16_length(text: str) -> int:
    """Return the length of a text in UTF-16 units, as Discord's own programs count it."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def escape(text: str, most: int = 1000) -> str:
    """Return foreign text without mentions and hidden addresses, in at most ``most`` UTF-16 units."""
    source = _INVISIBLE.sub("", text.replace("\r\n", "\n"))
    shown: list[str] = []
    size = 0
    for match in _ESCAPABLE.finditer(source):
        word = match[0]
        if match["mark"] or word in "\\*_~|`[<":
            word = f"{word[:-1]}\\{word[-1]}"
        elif word == "@":
            word = "@\u200b"
        size += utf16_length(word)
        if size > most - (match.end() < len(source)):
            return "".join([*shown, "…"])
        shown.append(word)
    return "".join(shown)


def tables_to_code(text: str) -> str:
    """Return the text with each table of Markdown as a block of code with aligned columns. Discord shows no tables.

    Leave a table with ``||`` unchanged, because a block of code would show the hidden text of a spoiler.
    """
    return _TABLE.sub(_table_to_code, text)


def _table_to_code(match: re.Match[str]) -> str:
    table = match["table"]
    if table is None or "||" in table:
        return match[0]
    rows = [_cells_of(line) for line in table.strip("\n").split("\n")]
    del rows[1]
    columns = max(map(len, rows))
    rows = [row + [""] * (columns - len(row)) for row in rows]
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    if sum(widths) + 2 * columns > _MAX_TABLE_WIDTH:
        widths = [0] * columns  # lines that wrap are not aligned anyway
    rows.insert(1, ["-" * (width or 3) for width in widths])
    lines = ["  ".join(_pad(cell, width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    indent, speaker = match["indent"], (match["speaker"] or "").rstrip()
    code = "\n".join(indent + line for line in ("```", *lines, "```"))
    return (f"{speaker}\n" if speaker else "") + code + ("\n" if table.endswith("\n") else "")


def _cells_of(line: str) -> list[str]:
    inside = line.strip()[1:-1].replace("\\|", "\0")
    return [re.sub(r"\*\*|`", "", cell).strip().replace("\0", "|") for cell in inside.split("|")]


def _width(text: str) -> int:
    """Return the width of a text in columns. A Chinese, Japanese or Korean character or an emoji is two
    columns wide.
    """
    return sum(0 if category(each) in ("Mn", "Me", "Cf") else 1 + (east_asian_width(each) in "WF") for each in text)


def _pad(text: str, width: int) -> str:
    return text + " " * (width - _width(text))


def sanitize_file_name(name: str) -> str:
    """Return a safe file name of at most 100 bytes: without a path, and without hidden characters. Keep the letters of
    all scripts.
    """
    composed = normalize("NFC", name)
    # ``\w`` leaves out marks, and a vowel sign of Hindi is a mark.
    hidden = "".join(each for each in set(composed) if category(each)[0] == "M")
    kept = re.sub(rf"[^\w.+{re.escape(hidden)}-]+", "_", composed).lstrip(".-")
    stem, dot, extension = kept.rpartition(".")
    while len(kept.encode()) > _MAX_NAME_BYTES and stem:
        stem = stem[:-1]
        kept = stem + dot + extension
    return kept.encode()[:_MAX_NAME_BYTES].decode(errors="ignore").lstrip(".-") or "file"
