"""Read the JSON of vendors and check every type. Make alerts with bounded and cleaned texts.

This module does not use a library of models; docs/decisions compares the costs.
"""

import hashlib
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from teamsup.terminal.formatting import sanitize

from ...incidents.alert import Alert, Severity, SourceHeartbeat
from .webhook import InvalidPayload, ParsedAlerts, UnreadablePart

MAX_KEY = 120
MAX_TITLE = 200
MAX_TEXT = 4000
"""The maximum number of characters of one field."""
MAX_ALERT_TEXT = 5 * MAX_TEXT
MAX_LABELS = 64
MAX_LABEL_NAME = 100
MAX_LABEL = 500
MAX_LINK = 1000
MAX_ALERTS = 10_000
"""The maximum number of alerts of one request."""

_NUMBER = re.compile(r"[0-9]{9,20}(\.[0-9]{0,9})?")
_MAX_SECONDS = 1e11
"""The largest number that is read as seconds; it is in the year 5138. A larger number has a smaller unit."""

SEVERITY_LABELS = ("severity", "priority", "level")
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
    """A JSON object and its place in the payload. A field of an unexpected type counts as missing."""

    name: str
    entries: Mapping[str, Any]

    def text(self, key: str, longest: int = MAX_TEXT) -> str:
        """Return a harmless form of a text, or an empty text."""
        return sanitize_text(self.raw_text(key), longest)

    def line(self, key: str, longest: int = MAX_TITLE) -> str:
        """Return a harmless form of a text on one line, or an empty text."""
        return sanitize_line(self.raw_text(key), longest)

    def word(self, key: str) -> str:
        """Return a text in lower case, for comparisons."""
        return self.raw_text(key).strip().lower()

    def raw_text(self, key: str) -> str:
        """Return a text unchanged. Change a number, a truth value or a list of these into text."""
        return _to_text(self.entries.get(key))

    def required_text(self, key: str) -> str:
        """Return a text that is part of an alert's identity. Raise InvalidPayload if it is missing."""
        if not (text := self.raw_text(key).strip()):
            raise self.missing(key)
        return text

    def missing(self, key: str) -> InvalidPayload:
        """Return the error for a missing field."""
        return InvalidPayload(f"{self._path_of(key)} is missing.")

    def number(self, key: str) -> float | None:
        """Return a finite number, which may be written as text."""
        try:
            found = float(self.raw_text(key))
        except ValueError:
            return None
        return found if math.isfinite(found) else None

    def object_at(self, key: str) -> "JsonObject":
        """Return the object of a field, or an empty object."""
        value = self.entries.get(key)
        return JsonObject(self._path_of(key), value if isinstance(value, dict) else {})

    def array(self, key: str) -> Sequence[Any]:
        """Return the list of a field, or an empty list."""
        value = self.entries.get(key)
        return value if isinstance(value, list) else ()

    def objects_at(self, key: str) -> "Sequence[JsonObject]":
        """Return the objects in the list of a field."""
        return [JsonObject(self._path_of(key), value) for value in self.array(key) if isinstance(value, dict)]

    def labels(self, key: str) -> dict[str, str]:
        """Return the texts of an object unchanged, without empty texts."""
        table = self.object_at(key)
        return {name: text for name in table.entries if (text := table.raw_text(name).strip())}

    def time(self, key: str) -> datetime | None:
        """Return a time. Return None if it cannot be read, or if it is "0001-01-01" or 0."""
        value = self.entries.get(key)
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            return None
        try:
            return parse_time(value)
        except (ValueError, OverflowError, OSError):
            return None

    def link(self, key: str) -> str:
        """Return an address that may be shown as a link, or an empty text."""
        return sanitize_link(self.raw_text(key))

    def _path_of(self, key: str) -> str:
        path = sanitize_line(key, 50)
        return f"{self.name}.{path}" if self.name else path


def as_object(value: object, name: str = "") -> JsonObject:
    """Return the JSON object. Raise InvalidPayload for anything else."""
    if isinstance(value, dict):
        return JsonObject(name, value)
    kind = "a text that is not JSON" if isinstance(value, str) and not name else _TYPE_NAMES.get(type(value), "null")
    raise InvalidPayload(f"{name or 'The payload'} must be {'a table' if name else 'a JSON object'}, not {kind}.")


def make_harmless(item: Alert | SourceHeartbeat) -> Alert | SourceHeartbeat:
    """Return an alert whose texts are bounded, and safe for terminals and models."""
    bounded = replace(item, fingerprint=make_fingerprint(item.fingerprint), title=sanitize_line(item.title))
    if isinstance(bounded, SourceHeartbeat):
        return bounded
    return replace(
        bounded,
        text=sanitize_text(bounded.text, MAX_ALERT_TEXT),
        group=make_fingerprint(bounded.group),
        subject=make_fingerprint(bounded.subject),
        labels=sanitize_labels(bounded.labels),
        link=sanitize_link(bounded.link),
    )


def parse_each(
    entries: Sequence[Any], path_of: Callable[[int], str], parse: Callable[[JsonObject], Alert | SourceHeartbeat | None]
) -> ParsedAlerts:
    """Return the result of ``parse`` for each entry of a list. An unreadable entry becomes an UnreadablePart."""
    found: list[Alert | SourceHeartbeat | UnreadablePart | None] = []
    for number, entry in enumerate(entries[:MAX_ALERTS]):
        try:
            found.append(parse(as_object(entry, path_of(number))))
        except InvalidPayload as error:
            found.append(UnreadablePart(str(error), entry))
    if more := entries[MAX_ALERTS:]:
        found.append(
            UnreadablePart(f"At most {MAX_ALERTS} alerts are taken at once; these are {len(more)} more.", more)
        )
    return tuple(each for each in found if each is not None)


def sanitize_text(text: str, longest: int = MAX_TEXT) -> str:
    """Return the text, cut to this length, printable and without blanks around it."""
    shown = sanitize(text[: longest + 1]).strip()
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"


def sanitize_line(text: str, longest: int = MAX_TITLE) -> str:
    """Return the text of sanitize_text() on one line."""
    return sanitize_text(" ".join(text[: 4 * longest].split()), longest)


def make_fingerprint(whole: str) -> str:
    """Return an identity of bounded length. If it must be changed, append a digest of the original, so that two
    identities never become one.
    """
    shown = sanitize_line(whole, MAX_KEY)
    if shown == whole:
        return shown
    digest = hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{shown[: MAX_KEY - 18]} #{digest}"


def sanitize_labels(all_labels: Mapping[str, str]) -> dict[str, str]:
    """Return the first labels, each harmless and on one line. Leave out empty labels."""
    kept: dict[str, str] = {}
    for name, value in all_labels.items():
        if len(kept) < MAX_LABELS and (short := sanitize_line(value, MAX_LABEL)):
            kept[sanitize_line(name, MAX_LABEL_NAME)] = short
    return kept


def subject_of(all_labels: Mapping[str, str]) -> str:
    """Return the labels that are the subject of the problem: all except those of the severity."""
    return join_labels({name: text for name, text in all_labels.items() if name.lower() not in SEVERITY_LABELS})


def join_labels(all_labels: Mapping[str, str]) -> str:
    """Return the labels as one text, in the order of their names."""
    return " ".join(f"{name}={text}" for name, text in sorted(all_labels.items()))


def join_lines(*texts: str) -> str:
    """Return the texts that are not empty, each on its own line."""
    return "\n".join(text for text in texts if text)


def sanitize_link(address: str) -> str:
    """Return the address if it may be shown as a link, or an empty text."""
    fits = len(address) <= MAX_LINK and address.isprintable() and not re.search(r"[\s<>]", address)
    return sanitize_line(address, MAX_LINK) if fits and address.lower().startswith(("https://", "http://")) else ""


def parse_severity(*words: str, otherwise: Severity = "warning") -> Severity:
    """Return the severity of the first known word."""
    known = (_SEVERITIES.get(word.strip().lower()) for word in words)
    return next((severity for severity in known if severity), otherwise)


def parse_time(value: str | float) -> datetime | None:
    """Return a time given as text, or in Unix seconds, milliseconds, microseconds or nanoseconds.

    Raise ValueError, OverflowError or OSError.
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
