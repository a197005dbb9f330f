"""Healthchecks.io: its webhook with the body that docs/monitoring.md gives, and pings as its clients send them."""

import re
from datetime import datetime

from ...incidents.alert import Alert, SourceHeartbeat
from .payload import (
    JsonObject,
    as_object,
    make_fingerprint,
    parse_severity,
    sanitize_labels,
    sanitize_line,
    sanitize_text,
)
from .webhook import Alerts, InvalidPayload, WebhookRequest

_JOB_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


def parse(request: WebhookRequest) -> Alerts:
    """What a check says, or a job that pings us itself. Raises BadPayload."""
    return parse_ping(request) if request.path else _to_check_alert(request)


def parse_ping(request: WebhookRequest) -> Alerts:
    """A job's own sign: NAME, NAME/start, NAME/log, NAME/fail, or NAME/EXIT_STATUS. What it writes is its log."""
    name, *rest = request.path
    if len(rest) > 1 or not _JOB_NAME.fullmatch(name):
        raise InvalidPayload("A ping's path is the job's name, and perhaps start, fail or an exit status behind it.")
    what = rest[0] if rest else "0"
    if what in ("start", "log"):
        return ()
    if what != "fail" and not re.fullmatch(r"[0-9]{1,3}", what):
        raise InvalidPayload("Behind the job's name there may be start, fail or an exit status.")
    if what != "fail" and not int(what):
        # What has failed before is well again.
        return (SourceHeartbeat(request.source, name, name), _to_job_alert(request, name, "is well again"))
    failed = "has failed" if what == "fail" else f"has failed with exit status {int(what)}"
    return (_to_job_alert(request, name, failed, is_firing=True),)


def _to_job_alert(request: WebhookRequest, name: str, how: str, *, is_firing: bool = False) -> Alert:
    log = sanitize_text(request.body) if isinstance(request.body, str) else ""
    title = f"{name} {how}"
    return Alert(
        request.source,
        make_fingerprint("ping", name),
        is_firing,
        title,
        "warning",
        log,
        subject=name,
        labels={"job": name},
        reuses_fingerprint=True,
    )


def _to_check_alert(request: WebhookRequest) -> Alerts:
    payload = as_object(request.body)
    check = payload.object_at("check")
    name = check.line("name") or check.line("slug") or "a check without a name"
    is_firing = payload.raw_text("status").strip().lower() != "up"
    tags = check.raw_text("tags").split()[:64]
    return (
        Alert(
            request.source,
            make_fingerprint("check", payload.required_text("code")),
            is_firing,
            sanitize_line(f"{name} {'has not been heard of' if is_firing else 'is heard of again'}"),
            parse_severity(*tags),
            check.text("desc"),
            subject=make_fingerprint(name),
            labels=sanitize_labels({"check": name, "tags": check.raw_text("tags")} | _tag_labels(tags)),
            occurred_at=_time_of(payload),
            reuses_fingerprint=True,
        ),
    )


def _tag_labels(tags: list[str]) -> dict[str, str]:
    """Those of the form name=value, so that routes can go by them."""
    pairs = (tag.partition("=") for tag in tags)
    return {name: value for name, sign, value in pairs if name and sign}


def _time_of(payload: JsonObject) -> datetime | None:
    return payload.time("now")
