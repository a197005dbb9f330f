"""Anybody's script: a JSON object of our own form, several in a list, or a line of text."""

from dataclasses import replace

from ..alert import Alert, Severity, SignOfLife
from .fields import MAX_ALERTS, Table, as_table, key, known_severity, one_line, severity
from .healthchecks import ping
from .request import BadPayload, News, Request

_KEYS = ("title", "status", "severity", "text", "key", "group", "thing", "labels", "link", "at", "sign_of_life", "test")
_ENDED = ("resolved", "ok", "up")
_FIRING = ("firing", "down", "")


def parse(request: Request) -> News:
    """What a script says. Raises BadPayload."""
    if request.path:
        return ping(request)
    body = request.body
    if isinstance(body, str):
        return (_in_words(request.source, body),)
    entries = body if isinstance(body, list) else [body]
    if not entries:
        raise BadPayload("The list is empty.")
    if len(entries) > MAX_ALERTS:
        raise BadPayload(f"These are {len(entries)} alerts; at most {MAX_ALERTS} may come at once.")
    names = [f"alert {number}" if isinstance(body, list) else "" for number in range(len(entries))]
    return tuple(_news(request.source, as_table(entry, name)) for entry, name in zip(entries, names, strict=True))


def _in_words(source: str, text: str) -> Alert:
    first, _, rest = text.strip().partition("\n")
    if not (title := one_line(first)):
        raise BadPayload("The payload is empty.")
    return Alert(
        source, key(title), True, title, text=Table("", {"text": rest}).text("text"), thing=key(title), key_returns=True
    )


def _news(source: str, said: Table) -> Alert | SignOfLife:
    unknown = next((name for name in said.entries if name not in _KEYS), None)
    if unknown is not None:
        raise BadPayload(f'There is no "{one_line(unknown, 40)}"; known are {", ".join(_KEYS)}.')
    if sign := said.line("sign_of_life"):
        return SignOfLife(source, key(sign), sign, said.moment("at"))
    title = one_line(said.needed("title"))
    identity = said.exact("key").strip() or title
    labels = said.labels("labels")
    alert = Alert(source, key(identity), _is_firing(said), title, _severity(said), said.text("text"), key_returns=True)
    return replace(
        alert,
        group=key(said.exact("group")),
        thing=key(said.exact("thing") or identity),
        labels=labels,
        link=said.link("link"),
        at=said.moment("at"),
        is_test=said.entries.get("test") is True,
    )


def _is_firing(said: Table) -> bool:
    status = said.exact("status").strip().lower()
    if status not in (*_FIRING, *_ENDED):
        raise BadPayload(f'status must be "firing" or "resolved", not "{one_line(status, 20)}".')
    return status in _FIRING


def _severity(said: Table) -> Severity:
    word = said.exact("severity")
    if word and not known_severity(word):
        raise BadPayload(f'severity must be "critical", "warning" or "info", not "{one_line(word, 20)}".')
    return severity(word)
