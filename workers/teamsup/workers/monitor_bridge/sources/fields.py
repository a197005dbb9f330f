"""Reading what strangers have written: every type checked, every length bounded, nothing that steers a terminal."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from teamsup.hub.wording import printable

from ..alert import Severity
from .request import BadPayload

MAX_KEY = 120
MAX_TITLE = 200
MAX_TEXT = 4000
MAX_LABELS = 64
MAX_LABEL_NAME = 100
MAX_LABEL = 500
MAX_LINK = 1000
MAX_ALERTS = 2000
"""Of one request."""

_TYPES = {dict: "a table", list: "a list", str: "a text", bool: "true or false", int: "a number", float: "a number"}
_SEVERITIES: dict[str, Severity] = {
    **dict.fromkeys(("critical", "crit", "fatal", "emergency", "error", "high", "major", "page", "p1"), "critical"),
    **dict.fromkeys(("warning", "warn", "medium", "moderate", "minor", "p2", "p3"), "warning"),
    **dict.fromkeys(("info", "information", "informational", "notice", "low", "none", "debug", "p4", "p5"), "info"),
}


@dataclass(frozen=True, slots=True)
class Table:
    """A JSON object and where it stands, so that a refusal can say what is wrong with what."""

    name: str
    entries: Mapping[str, Any]

    def text(self, key: str, longest: int = MAX_TEXT) -> str:
        """A text made harmless; empty when there is none."""
        return harmless(self.exact(key), longest)

    def line(self, key: str, longest: int = MAX_TITLE) -> str:
        """The same in one line."""
        return one_line(self.exact(key), longest)

    def exact(self, key: str) -> str:
        """A text as it is, for what is compared and not shown."""
        value = self.entries.get(key)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self._wrong(key, value, "a text")
        return value

    def needed(self, key: str) -> str:
        """A text without which the whole says nothing."""
        if not (text := self.exact(key).strip()):
            raise BadPayload(f"{self._place(key)} is missing.")
        return text

    def number(self, key: str) -> float | None:
        value = self.entries.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._wrong(key, value, "a number")
        return value

    def table(self, key: str) -> "Table":
        """An object in it; an empty one when there is none."""
        value = self.entries.get(key)
        return Table(self._place(key), {}) if value is None else as_table(value, self._place(key))

    def tables(self, key: str) -> list["Table"]:
        """The objects of a list in it."""
        value = self.entries.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self._wrong(key, value, "a list")
        return [as_table(entry, f"{self._place(key)}[{number}]") for number, entry in enumerate(value[:MAX_ALERTS])]

    def left_out(self, key: str) -> int:
        """How many entries of a list tables() does not look at."""
        value = self.entries.get(key)
        return max(0, len(value) - MAX_ALERTS) if isinstance(value, list) else 0

    def labels(self, key: str) -> dict[str, str]:
        """An object of short texts, made harmless; numbers count as texts."""
        table = self.table(key)
        return labels({name: table.short(name) for name in table.entries})

    def short(self, key: str) -> str:
        """A text, or a number or truth value as text."""
        value = self.entries.get(key)
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, int | float):
            return str(value)
        return self.exact(key)

    def moment(self, key: str) -> datetime | None:
        """A time, written or in Unix seconds; none when it is none, as for "0001-01-01" and 0."""
        value = self.entries.get(key)
        if value is None or value == "":
            return None
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise self._wrong(key, value, "a time")
        try:
            return moment(value)
        except (ValueError, OverflowError, OSError) as error:
            raise BadPayload(f"{self._place(key)} is no time that can be read.") from error

    def link(self, key: str) -> str:
        return link(self.exact(key))

    def _place(self, key: str) -> str:
        place = one_line(key, 50)
        return f"{self.name}.{place}" if self.name else place

    def _wrong(self, key: str, value: object, wanted: str) -> BadPayload:
        return BadPayload(f"{self._place(key)} must be {wanted}, not {_TYPES.get(type(value), 'null')}.")


def as_table(value: object, name: str = "") -> Table:
    """Raises BadPayload for what is no JSON object."""
    if isinstance(value, dict):
        return Table(name, value)
    what = name or "The payload"
    kind = "a text that is no JSON" if isinstance(value, str) and not name else _TYPES.get(type(value), "null")
    raise BadPayload(f"{what} must be {'a JSON object' if not name else 'a table'}, not {kind}.")


def harmless(text: str, longest: int = MAX_TEXT) -> str:
    """The text, at most so long, printable and without blanks around it."""
    shown = printable(text[: longest + 1]).strip()
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"


def one_line(text: str, longest: int = MAX_TITLE) -> str:
    return harmless(" ".join(text[: 4 * longest].split()), longest)


def key(*parts: str) -> str:
    """An identity of bounded length: a part that is too long gives its digest for the rest, and no two become one."""
    whole = " ".join(parts)
    shown = one_line(whole, MAX_KEY)
    if shown == whole:
        return shown
    digest = hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{shown[: MAX_KEY - 18]} #{digest}"


def labels(all_labels: Mapping[str, str]) -> dict[str, str]:
    """As many as we keep, each harmless and in one line; empty ones say nothing."""
    kept: dict[str, str] = {}
    for name, value in all_labels.items():
        if len(kept) < MAX_LABELS and (short := one_line(value, MAX_LABEL)):
            kept[one_line(name, MAX_LABEL_NAME)] = short
    return kept


def thing(all_labels: Mapping[str, str]) -> str:
    """What is wrong with what: all labels but those of severity."""
    names = sorted(name for name in all_labels if name.lower() not in ("severity", "priority", "level"))
    return key(*(f"{name}={all_labels[name]}" for name in names))


def link(address: str) -> str:
    """An address that may be shown as a link; others are left out."""
    fits = len(address) <= MAX_LINK and address.isprintable() and not re.search(r"[\s<>]", address)
    return one_line(address, MAX_LINK) if fits and address.lower().startswith(("https://", "http://")) else ""


def severity(*words: str, otherwise: Severity = "warning") -> Severity:
    """What the first word means that we know."""
    return next((_SEVERITIES[word] for word in _lower(words) if word in _SEVERITIES), otherwise)


def known_severity(word: str) -> bool:
    return word.strip().lower() in _SEVERITIES


def moment(value: str | float) -> datetime | None:
    """Raises ValueError, OverflowError or OSError."""
    if isinstance(value, str):
        found = datetime.fromisoformat(value.strip()[:64])
        found = found if found.tzinfo else found.replace(tzinfo=UTC)
        return None if found.year <= 1 else found.astimezone(UTC)
    return datetime.fromtimestamp(value, UTC) if value else None


def _lower(words: Iterable[str]) -> Iterable[str]:
    return (word.strip().lower() for word in words)
