"""Your own scripts: a JSON object in teamsup's own form, a list of such objects, or a line of text."""

from ...incidents.alert import Alert, SourceHeartbeat
from .healthchecks import parse_ping
from .payload import JsonObject, as_object, parse_each, parse_severity, sanitize_line, sanitize_text
from .webhook import InvalidPayload, ParsedAlerts, WebhookRequest

_KNOWN_KEYS = "title, status, severity, text, key, group, thing, labels, link, at, heartbeat, test"
_RESOLVED_STATUSES = ("resolved", "ok", "up")


def parse(request: WebhookRequest) -> ParsedAlerts:
    """Return a script's alerts. Raise InvalidPayload."""
    if request.path:
        return parse_ping(request)
    body, source = request.body, request.source
    if isinstance(body, str):
        return (_text_to_alert(source, body),)
    if not isinstance(body, list):
        return (_to_alert(source, as_object(body)),)
    if not body:
        raise InvalidPayload("The list is empty.")
    return parse_each(body, lambda number: f"alert {number}", lambda entry: _to_alert(source, entry))


def _text_to_alert(source: str, text: str) -> Alert:
    first, _, rest = text.strip().partition("\n")
    if not (title := sanitize_line(first)):
        raise InvalidPayload("The payload is empty.")
    return Alert(source, title, True, title, text=sanitize_text(rest), subject=title, reuses_fingerprint=True)


def _to_alert(source: str, entry: JsonObject) -> Alert | SourceHeartbeat:
    if "sign_of_life" in entry.entries:
        raise InvalidPayload('"sign_of_life" is called "heartbeat" now.')
    if name := entry.line("heartbeat"):
        return SourceHeartbeat(source, name, name, entry.time("at"))
    title = entry.line("title") or _fallback_title(entry)
    identity = entry.raw_text("key").strip() or title
    return Alert(
        source,
        identity,
        entry.word("status") not in _RESOLVED_STATUSES,
        title,
        parse_severity(entry.raw_text("severity")),
        entry.text("text"),
        entry.raw_text("group"),
        entry.raw_text("thing") or identity,
        entry.labels("labels"),
        entry.raw_text("link"),
        entry.time("at"),
        is_test=entry.entries.get("test") is True,
        reuses_fingerprint=True,
    )


def _fallback_title(entry: JsonObject) -> str:
    """Return a title for an alert that does not have one. Raise InvalidPayload."""
    if title := entry.line("text") or entry.line("key"):
        return title
    unknown = next((name for name in entry.entries if name not in _KNOWN_KEYS.split(", ")), None)
    if unknown is not None:
        raise InvalidPayload(f'There is no "{sanitize_line(unknown, 40)}"; known are {_KNOWN_KEYS}.')
    raise entry.missing("title")
