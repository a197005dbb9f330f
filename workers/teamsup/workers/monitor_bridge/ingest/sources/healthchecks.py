"""Healthchecks.io: its webhook with the body from docs/monitoring.md, and pings in the form of its clients."""

import re

from ...incidents.alert import Alert, Alerts, SourceHeartbeat
from .payload import as_object, parse_severity, sanitize_text
from .webhook import InvalidPayload, WebhookRequest

_JOB_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


def parse(request: WebhookRequest) -> Alerts:
    """Return the alert of a check, or of a job that pings monitor-bridge directly. Raise InvalidPayload."""
    return parse_ping(request) if request.path else _to_check_alert(request)


def parse_ping(request: WebhookRequest) -> Alerts:
    """Return the alert or heartbeat of a ping: NAME, NAME/start, NAME/log, NAME/fail, or NAME/EXIT_STATUS. The body is
    the job's log.

    Raise InvalidPayload.
    """
    name, *rest = request.path
    if len(rest) > 1 or not _JOB_NAME.fullmatch(name):
        raise InvalidPayload("A ping's path is the job's name, and perhaps start, fail or an exit status after it.")
    what = rest[0] if rest else "0"
    if what in ("start", "log"):
        return ()
    if what != "fail" and not re.fullmatch(r"[0-9]{1,3}", what):
        raise InvalidPayload("After the job's name there may be start, fail or an exit status.")
    if what != "fail" and not int(what):
        # Resolve an earlier failure of the job.
        return (SourceHeartbeat(request.source, name, name), _to_job_alert(request, name, "is well again"))
    failed = "has failed" if what == "fail" else f"has failed with exit status {int(what)}"
    return (_to_job_alert(request, name, failed, is_firing=True),)


def _to_job_alert(request: WebhookRequest, name: str, how: str, *, is_firing: bool = False) -> Alert:
    log = sanitize_text(request.body) if isinstance(request.body, str) else ""
    return Alert(
        request.source,
        f"ping {name}",
        is_firing,
        f"{name} {how}",
        text=log,
        subject=name,
        labels={"job": name},
        reuses_fingerprint=True,
    )


def _to_check_alert(request: WebhookRequest) -> Alerts:
    payload = as_object(request.body)
    check = payload.object_at("check")
    name = check.line("name") or check.line("slug") or "a check without a name"
    is_firing = payload.word("status") != "up"
    tags = check.raw_text("tags")
    words = tags.split()[:64]
    # Tags of the form name=value are labels, so that routes can match them.
    pairs = [word.partition("=") for word in words]
    return (
        Alert(
            request.source,
            f"check {payload.required_text('code')}",
            is_firing,
            f"{name} {'missed its ping' if is_firing else 'pings again'}",
            parse_severity(*words),
            check.text("desc"),
            subject=name,
            labels={"check": name, "tags": tags} | {label: value for label, _, value in pairs if label and value},
            occurred_at=payload.time("now"),
            reuses_fingerprint=True,
        ),
    )
