"""Discord's markup: the length of a text, escaped foreign text, and names of files. Pure."""

import re

# Discord drops some of these before it looks for mentions.
_INVISIBLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_ESCAPABLE = re.compile(
    r"(?P<mark>^[ \t]*+(?:[#>+-]|\d{1,9}[.)]))|https?://[\w/?&=%#:+$,;.~-]{1,200}|[\s\S]", re.MULTILINE | re.ASCII
)
_MAX_NAME_BYTES = 100


def utf16_length(text: str) -> int:
    """Return the length of a text in UTF-16 units, as Discord's own programs count it."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def escape(text: str, most: int = 1000) -> str:
    """Return foreign text without mentions and hidden addresses, in at most that many UTF-16 units."""
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


def sanitize_file_name(name: str) -> str:
    """Return a safe file name of at most 100 bytes: without a path, and without hidden characters."""
    kept = re.sub(r"[^\w.+-]+", "_", name).lstrip(".-")
    stem, dot, extension = kept.rpartition(".")
    while len(kept.encode()) > _MAX_NAME_BYTES and stem:
        stem = stem[:-1]
        kept = stem + dot + extension
    return kept.encode()[:_MAX_NAME_BYTES].decode(errors="ignore").lstrip(".-") or "file"
