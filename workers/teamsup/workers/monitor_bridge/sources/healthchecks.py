"""Healthchecks.io: its webhook with the body that docs/monitoring.md gives, and pings as its clients send them."""

import re
from datetime import datetime

from ..alert import Alert, SignOfLife
from .fields import Table, as_table, harmless, key, labels, one_line, severity
from .request import BadPayload, News, Request

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


def parse(request: Request) -> News:
    """What a check says, or a job that pings us itself. Raises BadPayload."""
    return ping(request) if request.path else _change(request)


def ping(request: Request) -> News:
    """A job's own sign: NAME, NAME/start, NAME/log, NAME/fail, or NAME/EXIT_STATUS. What it writes is its log."""
    name, *rest = request.path
    if len(rest) > 1 or not _NAME.fullmatch(name):
        raise BadPayload("A ping's path is the job's name, and perhaps start, fail or an exit status behind it.")
    what = rest[0] if rest else "0"
    if what in ("start", "log"):
        return ()
    if what != "fail" and not re.fullmatch(r"[0-9]{1,3}", what):
        raise BadPayload("Behind the job's name there may be start, fail or an exit status.")
    if what != "fail" and not int(what):
        # What has failed before is well again.
        return (SignOfLife(request.source, name, name), _job(request, name, "is well again"))
    failed = "has failed" if what == "fail" else f"has failed with exit status {int(what)}"
    return (_job(request, name, failed, is_firing=True),)


def _job(request: Request, name: str, how: str, *, is_firing: bool = False) -> Alert:
    log = harmless(request.body) if isinstance(request.body, str) else ""
    title = f"{name} {how}"
    return Alert(
        request.source,
        key("ping", name),
        is_firing,
        title,
        "warning",
        log,
        thing=name,
        labels={"job": name},
        key_returns=True,
    )


def _change(request: Request) -> News:
    payload = as_table(request.body)
    check = payload.table("check")
    name = check.line("name") or check.line("slug") or "a check without a name"
    is_firing = payload.exact("status").strip().lower() != "up"
    tags = check.exact("tags").split()[:64]
    return (
        Alert(
            request.source,
            key("check", payload.needed("code")),
            is_firing,
            one_line(f"{name} {'has not been heard of' if is_firing else 'is heard of again'}"),
            severity(*tags),
            check.text("desc"),
            thing=key(name),
            labels=labels({"check": name, "tags": check.exact("tags")} | _tags(tags)),
            at=_time(payload),
            key_returns=True,
        ),
    )


def _tags(tags: list[str]) -> dict[str, str]:
    """Those of the form name=value, so that routes can go by them."""
    pairs = (tag.partition("=") for tag in tags)
    return {name: value for name, sign, value in pairs if name and sign}


def _time(payload: Table) -> datetime | None:
    return payload.moment("now")
