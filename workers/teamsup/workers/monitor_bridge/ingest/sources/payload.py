"""Reading what strangers have written: every type checked, every length bounded, nothing that steers a terminal."""

import hashlib
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from teamsup.terminal.formatting import sanitize

from ...incidents.alert import Alert, Severity, SourceHeartbeat
from .webhook import InvalidPayload, ParsedAlerts, UnreadablePart

MAX_KEY = 120
MAX_TITLE = 200
MAX_TEXT = 4000
MAX_LABELS = 64
MAX_LABEL_NAME = 100
MAX_LABEL = 500
MAX_LINK = 1000
MAX_ALERTS = 10_000
"""Of one request."""

_NUMBER = re.compile(r"[0-9]{9,20}(\.[0-9]{0,9})?")
_MAX_SECONDS = 1e11
"""A time from here on, which would be in the year 5138, is in a smaller unit."""

_TYPE_NAMES = {
    dict: "a table",
    list: "a list",
    str: "a text",
    bool: "true or false",
    int: "a number",
    float: "a number",
}
_SEVERITIES: dict[str, Severity] = {
    **dict.fromkeys(("critical", "crit", "fatal", "emergency", "error", "high", "major", "page", "p1"), "critical"),
    **dict.fromkeys(("warning", "warn", "medium", "moderate", "minor", "p2", "p3"), "warning"),
    **dict.fromkeys(("info", "information", "informational", "notice", "low", "none", "debug", "p4", "p5"), "info"),
}


@dataclass(frozen=True, slots=True)
class JsonObject:
    """A JSON object and its place in the payload. A field of another type than wanted never refuses the whole."""

    name: str
    entries: Mapping[str, Any]

    def text(self, key: str, longest: int = MAX_TEXT) -> str:
        """A text made harmless; empty when there is none."""
        return sanitize_text(self.raw_text(key), longest)

    def line(self, key: str, longest: int = MAX_TITLE) -> str:
        """The same in one line."""
        return sanitize_line(self.raw_text(key), longest)

    def raw_text(self, key: str) -> str:
        """A text as it is, for what is compared and not shown; numbers, truth values and lists of these as text."""
        return _to_text(self.entries.get(key))

    def required_text(self, key: str) -> str:
        """A text without which the whole says nothing. Raises BadPayload."""
        if not (text := self.raw_text(key).strip()):
            raise InvalidPayload(f"{self._path_of(key)} is missing.")
        return text

    def number(self, key: str) -> float | None:
        """A finite number, also one written as text."""
        try:
            found = float(self.raw_text(key))
        except ValueError:
            return None
        return found if math.isfinite(found) else None

    def object_at(self, key: str) -> "JsonObject":
        """An object in it; an empty one when there is none."""
        value = self.entries.get(key)
        return JsonObject(self._path_of(key), value if isinstance(value, dict) else {})

    def array(self, key: str) -> Sequence[Any]:
        """A list in it; an empty one when there is none."""
        value = self.entries.get(key)
        return value if isinstance(value, list) else ()

    def objects_at(self, key: str) -> "Sequence[JsonObject]":
        """The objects of a list in it."""
        return [JsonObject(self._path_of(key), value) for value in self.array(key) if isinstance(value, dict)]

    def labels(self, key: str) -> dict[str, str]:
        """An object of short texts, made harmless."""
        table = self.object_at(key)
        return sanitize_labels({name: table.raw_text(name) for name in table.entries})

    def time(self, key: str) -> datetime | None:
        """A time; None when it cannot be read, and for "0001-01-01" and 0."""
        value = self.entries.get(key)
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            return None
        try:
            return parse_time(value)
        except (ValueError, OverflowError, OSError):
            return None

    def link(self, key: str) -> str:
        return sanitize_link(self.raw_text(key))

    def _path_of(self, key: str) -> str:
        place = sanitize_line(key, 50)
        return f"{self.name}.{place}" if self.name else place


def as_object(value: object, name: str = "") -> JsonObject:
    """Raises BadPayload for what is no JSON object."""
    if isinstance(value, dict):
        return JsonObject(name, value)
    what = name or "The payload"
    kind = "a text that is no JSON" if isinstance(value, str) and not name else _TYPE_NAMES.get(type(value), "null")
    raise InvalidPayload(f"{what} must be {'a JSON object' if not name else 'a table'}, not {kind}.")


def parse_each(
    entries: Sequence[Any], place: Callable[[int], str], read: Callable[[JsonObject], Alert | SourceHeartbeat | None]
) -> ParsedAlerts:
    """What each entry of a list says; those that cannot be read stand in their places."""
    found: list[Alert | SourceHeartbeat | UnreadablePart | None] = []
    for number, entry in enumerate(entries[:MAX_ALERTS]):
        try:
            found.append(read(as_object(entry, place(number))))
        except InvalidPayload as error:
            found.append(UnreadablePart(str(error), entry))
    if more := entries[MAX_ALERTS:]:
        found.append(
            UnreadablePart(f"At most {MAX_ALERTS} alerts are taken at once; these are {len(more)} more.", more)
        )
    return tuple(each for each in found if each is not None)


def sanitize_text(text: str, longest: int = MAX_TEXT) -> str:
    """The text, at most so long, printable and without blanks around it."""
    shown = sanitize(text[: longest + 1]).strip()
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"


def sanitize_line(text: str, longest: int = MAX_TITLE) -> str:
    return sanitize_text(" ".join(text[: 4 * longest].split()), longest)


def make_fingerprint(*parts: str) -> str:
    """An identity of bounded length: a part that is too long gives its digest for the rest, and no two become one."""
    whole = " ".join(parts)
    shown = sanitize_line(whole, MAX_KEY)
    if shown == whole:
        return shown
    digest = hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{shown[: MAX_KEY - 18]} #{digest}"


def sanitize_labels(all_labels: Mapping[str, str]) -> dict[str, str]:
    """As many as we keep, each harmless and in one line; empty ones say nothing."""
    kept: dict[str, str] = {}
    for name, value in all_labels.items():
        if len(kept) < MAX_LABELS and (short := sanitize_line(value, MAX_LABEL)):
            kept[sanitize_line(name, MAX_LABEL_NAME)] = short
    return kept


def subject_of(all_labels: Mapping[str, str]) -> str:
    """What is wrong with what: all labels but those of severity."""
    names = sorted(name for name in all_labels if name.lower() not in ("severity", "priority", "level"))
    return make_fingerprint(*(f"{name}={all_labels[name]}" for name in names))


def sanitize_link(address: str) -> str:
    """An address that may be shown as a link; others are left out."""
    fits = len(address) <= MAX_LINK and address.isprintable() and not re.search(r"[\s<>]", address)
    return sanitize_line(address, MAX_LINK) if fits and address.lower().startswith(("https://", "http://")) else ""


def parse_severity(*words: str, otherwise: Severity = "warning") -> Severity:
    """What the first word means that we know."""
    return next((_SEVERITIES[word] for word in _to_lower(words) if word in _SEVERITIES), otherwise)


def parse_time(value: str | float) -> datetime | None:
    """A time as written, or in Unix seconds, milliseconds, microseconds or nanoseconds.

    Raises ValueError, OverflowError or OSError.
    """
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        value = float(value)
    if isinstance(value, str):
        found = datetime.fromisoformat(value.strip()[:64])
        found = found if found.tzinfo else found.replace(tzinfo=UTC)
        return None if found.year <= 1 else found.astimezone(UTC)
    unit = next((unit for unit in (1, 1e3, 1e6, 1e9) if abs(value) < _MAX_SECONDS * unit), 1)
    return datetime.fromtimestamp(value / unit, UTC) if value else None


def _to_text(value: object) -> str:
    match value:
        case str():
            return value
        case bool():
            return str(value).lower()
        case int() | float():
            return str(value)
        case list():
            return ", ".join(
                text for each in value[:MAX_LABELS] if not isinstance(each, list) and (text := _to_text(each))
            )
        case _:
            return ""


def _to_lower(words: Iterable[str]) -> Iterable[str]:
    return (word.strip().lower() for word in words)
