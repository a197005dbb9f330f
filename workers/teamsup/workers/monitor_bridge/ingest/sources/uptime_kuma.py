"""Uptime Kuma: its webhook with the body "application/json"."""

import re

from ...incidents.alert import Alert
from .payload import (
    MAX_TITLE,
    JsonObject,
    as_object,
    make_fingerprint,
    parse_severity,
    sanitize_labels,
    sanitize_line,
)
from .webhook import Alerts, InvalidPayload, WebhookRequest

_DAYS_LEFT = re.compile(r"[0-9]+ days?")
"""Until a certificate ends: another number is news of the same."""
_UP, _PENDING, _MAINTENANCE = 1, 2, 3  # 0 is down


def parse(request: WebhookRequest) -> Alerts:
    """What a heartbeat of a monitor says. Raises BadPayload."""
    if isinstance(request.body, str):
        raise InvalidPayload('The payload is no JSON: choose the body "application/json" in Uptime Kuma.')
    payload = as_object(request.body)
    if "heartbeat" not in payload.entries and "msg" not in payload.entries:
        raise InvalidPayload("Neither heartbeat nor msg is there: this is not Uptime Kuma's webhook.")
    if payload.entries.get("heartbeat") is None:
        return (_to_notice(request.source, payload),)
    beat, monitor = payload.object_at("heartbeat"), payload.object_at("monitor")
    status = beat.number("status")
    if status in (_PENDING, _MAINTENANCE):
        return ()
    return (_to_state_alert(request.source, payload, beat, monitor, is_firing=status != _UP),)


def _to_notice(source: str, payload: JsonObject) -> Alert:
    """About no monitor: the test button, or a certificate that ends soon."""
    said = payload.required_text("msg")
    is_test = said.endswith(" Testing") or said.lower().startswith("test")
    level = "info" if is_test else "warning"
    return Alert(
        source,
        make_fingerprint("notice", _DAYS_LEFT.sub("days", said)),
        True,
        sanitize_line(said),
        parse_severity(level),
        payload.text("msg"),
        is_test=is_test,
    )


def _to_state_alert(
    source: str, payload: JsonObject, beat: JsonObject, monitor: JsonObject, *, is_firing: bool
) -> Alert:
    number = beat.raw_text("monitorID") or beat.raw_text("monitor_id") or monitor.raw_text("id")
    if not number:
        raise InvalidPayload("heartbeat.monitorID is missing.")
    tags = monitor.objects_at("tags")
    name = monitor.line("name") or f"monitor {sanitize_line(number, 40)}"
    return Alert(
        source,
        make_fingerprint("monitor", number),
        is_firing,
        sanitize_line(f"{name} is {'down' if is_firing else 'up again'}", MAX_TITLE),
        parse_severity(
            *(tag.raw_text("value") for tag in tags), *(tag.raw_text("name") for tag in tags), otherwise="critical"
        ),
        beat.text("msg") or payload.text("msg"),
        subject=make_fingerprint(name),
        labels=sanitize_labels(
            {"monitor": name, "type": monitor.raw_text("type"), "url": monitor.raw_text("url")}
            | {"hostname": monitor.raw_text("hostname")}
            | {tag.raw_text("name"): tag.raw_text("value") for tag in tags if tag.raw_text("name")}
        ),
        link=monitor.link("url"),
        occurred_at=beat.time("time"),
        reuses_fingerprint=True,
    )
