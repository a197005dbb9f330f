"""Any other program that sends JSON: the mapping of its section says where each part of an alert is."""

from collections.abc import Mapping
from typing import Any

from ....json_path import find_value, parse_path
from ...incidents.alert import Alert
from .payload import JsonObject, parse_each, parse_severity
from .webhook import InvalidPayload, ParsedAlerts, WebhookRequest

_RESOLVED_WORDS = "resolved ok up closed recovered inactive false"


def parse(request: WebhookRequest) -> ParsedAlerts:
    """Return the alert of a payload, or an alert for each entry of the list that ``each`` names. Raise
    InvalidPayload.
    """
    mapping = request.mapping
    if not isinstance(request.body, dict | list):
        raise InvalidPayload("The payload must be JSON.")
    if "each" not in mapping:
        return (_to_alert(request.source, request.body, mapping),)
    entries = find_value(parse_path(mapping["each"]), request.body)
    if not isinstance(entries, list):
        raise InvalidPayload(f"There is not a list at {mapping['each']}, the path of each.")
    return parse_each(
        entries, lambda number: f"alert {number}", lambda entry: _to_alert(request.source, entry.entries, mapping)
    )


def _to_alert(source: str, value: Any, mapping: Mapping[str, str]) -> Alert:  # noqa: ANN401 - JSON
    part = JsonObject("", {key: _read(text, value) for key, text in mapping.items() if key != "each"})
    if not (title := part.line("title")):
        raise InvalidPayload(f"There is not a text at {mapping.get('title', '$.title')}, the path of the title.")
    identity = part.raw_text("key").strip() or title
    resolved = mapping.get("resolved", _RESOLVED_WORDS).replace(",", " ").lower().split()
    return Alert(
        source,
        identity,
        part.word("status") not in resolved,
        title,
        parse_severity(part.raw_text("severity")),
        part.text("text"),
        part.raw_text("group"),
        identity,
        part.labels("labels"),
        part.raw_text("link"),
        part.time("at"),
        reuses_fingerprint=True,
    )


def _read(text: str, value: Any) -> Any:  # noqa: ANN401 - JSON
    """Return the value at a path. A text that is not a path is the value itself."""
    return find_value(parse_path(text), value) if text.startswith("$") else text
