"""Anybody's script: a JSON object of our own form, several in a list, or a line of text."""

from dataclasses import replace

from ...incidents.alert import Alert, SourceHeartbeat
from .healthchecks import parse_ping
from .payload import JsonObject, as_object, make_fingerprint, parse_each, parse_severity, sanitize_line
from .webhook import InvalidPayload, ParsedAlerts, WebhookRequest

_KNOWN_KEYS = (
    "title",
    "status",
    "severity",
    "text",
    "key",
    "group",
    "thing",
    "labels",
    "link",
    "at",
    "sign_of_life",
    "test",
)
_RESOLVED_STATUSES = ("resolved", "ok", "up")


def parse(request: WebhookRequest) -> ParsedAlerts:
    """What a script says. Raises BadPayload."""
    if request.path:
        return parse_ping(request)
    body, source = request.body, request.source
    if isinstance(body, str):
        return (_text_to_alert(source, body),)
    if not isinstance(body, list):
        return (_to_alert(source, as_object(body)),)
    if not body:
        raise InvalidPayload("The list is empty.")
    return parse_each(body, lambda number: f"alert {number}", lambda said: _to_alert(source, said))


def _text_to_alert(source: str, text: str) -> Alert:
    first, _, rest = text.strip().partition("\n")
    if not (title := sanitize_line(first)):
        raise InvalidPayload("The payload is empty.")
    return Alert(
        source,
        make_fingerprint(title),
        True,
        title,
        text=JsonObject("", {"text": rest}).text("text"),
        subject=make_fingerprint(title),
        reuses_fingerprint=True,
    )


def _to_alert(source: str, said: JsonObject) -> Alert | SourceHeartbeat:
    if sign := said.line("sign_of_life"):
        return SourceHeartbeat(source, make_fingerprint(sign), sign, said.time("at"))
    title = sanitize_line(said.raw_text("title")) or _fallback_title(said)
    identity = said.raw_text("key").strip() or title
    labels = said.labels("labels")
    is_firing = said.raw_text("status").strip().lower() not in _RESOLVED_STATUSES
    alert = Alert(
        source,
        make_fingerprint(identity),
        is_firing,
        title,
        parse_severity(said.raw_text("severity")),
        said.text("text"),
        reuses_fingerprint=True,
    )
    return replace(
        alert,
        group=make_fingerprint(said.raw_text("group")),
        subject=make_fingerprint(said.raw_text("thing") or identity),
        labels=labels,
        link=said.link("link"),
        occurred_at=said.time("at"),
        is_test=said.entries.get("test") is True,
    )


def _fallback_title(said: JsonObject) -> str:
    """What to call it nevertheless. Raises BadPayload."""
    if called := said.line("text") or said.line("key"):
        return called
    unknown = next((name for name in said.entries if name not in _KNOWN_KEYS), None)
    if unknown is not None:
        raise InvalidPayload(f'There is no "{sanitize_line(unknown, 40)}"; known are {", ".join(_KNOWN_KEYS)}.')
    raise InvalidPayload(f"{said.name}.title is missing." if said.name else "title is missing.")
