"""Anybody's script: a JSON object of our own form, several in a list, or a line of text."""

from dataclasses import replace

from ..alert import Alert, SignOfLife
from .fields import Table, as_table, key, one_line, read_each, severity
from .healthchecks import ping
from .request import BadPayload, Parsed, Request

_KEYS = ("title", "status", "severity", "text", "key", "group", "thing", "labels", "link", "at", "sign_of_life", "test")
_ENDED = ("resolved", "ok", "up")


def parse(request: Request) -> Parsed:
    """What a script says. Raises BadPayload."""
    if request.path:
        return ping(request)
    body, source = request.body, request.source
    if isinstance(body, str):
        return (_in_words(source, body),)
    if not isinstance(body, list):
        return (_news(source, as_table(body)),)
    if not body:
        raise BadPayload("The list is empty.")
    return read_each(body, lambda number: f"alert {number}", lambda said: _news(source, said))


def _in_words(source: str, text: str) -> Alert:
    first, _, rest = text.strip().partition("\n")
    if not (title := one_line(first)):
        raise BadPayload("The payload is empty.")
    return Alert(
        source, key(title), True, title, text=Table("", {"text": rest}).text("text"), thing=key(title), key_returns=True
    )


def _news(source: str, said: Table) -> Alert | SignOfLife:
    if sign := said.line("sign_of_life"):
        return SignOfLife(source, key(sign), sign, said.moment("at"))
    title = one_line(said.exact("title")) or _untitled(said)
    identity = said.exact("key").strip() or title
    labels = said.labels("labels")
    is_firing = said.exact("status").strip().lower() not in _ENDED
    alert = Alert(
        source, key(identity), is_firing, title, severity(said.exact("severity")), said.text("text"), key_returns=True
    )
    return replace(
        alert,
        group=key(said.exact("group")),
        thing=key(said.exact("thing") or identity),
        labels=labels,
        link=said.link("link"),
        at=said.moment("at"),
        is_test=said.entries.get("test") is True,
    )


def _untitled(said: Table) -> str:
    """What to call it nevertheless. Raises BadPayload."""
    if called := said.line("text") or said.line("key"):
        return called
    unknown = next((name for name in said.entries if name not in _KEYS), None)
    if unknown is not None:
        raise BadPayload(f'There is no "{one_line(unknown, 40)}"; known are {", ".join(_KEYS)}.')
    raise BadPayload(f"{said.name}.title is missing." if said.name else "title is missing.")
