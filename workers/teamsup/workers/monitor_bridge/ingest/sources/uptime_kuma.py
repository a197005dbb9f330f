"""Uptime Kuma: its webhook with the body "application/json"."""

import re

from ...incidents.alert import Alert, Alerts
from .payload import JsonObject, as_object, parse_severity, sanitize_line
from .webhook import InvalidPayload, WebhookRequest

_DAYS_LEFT = re.compile(r"[0-9]+ days?")
"""The remaining days of a certificate. They change each day, while the problem is the same."""
_UP, _PENDING, _MAINTENANCE = 1, 2, 3  # 0 is down


def parse(request: WebhookRequest) -> Alerts:
    """Return the alert of a monitor's heartbeat or of a notice. Raise InvalidPayload."""
    if isinstance(request.body, str):
        raise InvalidPayload('The payload is not JSON. Choose the body "application/json" in Uptime Kuma.')
    payload = as_object(request.body)
    if "heartbeat" not in payload.entries and "msg" not in payload.entries:
        raise InvalidPayload("heartbeat and msg are missing: this is not Uptime Kuma's webhook.")
    if payload.entries.get("heartbeat") is None:
        return (_to_notice(request.source, payload),)
    status = payload.object_at("heartbeat").number("status")
    if status in (_PENDING, _MAINTENANCE):
        return ()
    return (_to_state_alert(request.source, payload, is_firing=status != _UP),)


def _to_notice(source: str, payload: JsonObject) -> Alert:
    """Return the alert of a payload without a monitor: the test button, or a certificate that expires soon."""
    title = payload.required_text("msg")
    is_test = title.endswith(" Testing") or title.lower().startswith("test")
    identity = "notice " + _DAYS_LEFT.sub("days", title)
    severity = parse_severity("info" if is_test else "warning")
    return Alert(source, identity, True, title, severity, payload.text("msg"), is_test=is_test)


def _to_state_alert(source: str, payload: JsonObject, *, is_firing: bool) -> Alert:
    beat, monitor = payload.object_at("heartbeat"), payload.object_at("monitor")
    number = beat.raw_text("monitorID") or beat.raw_text("monitor_id") or monitor.raw_text("id")
    if not number:
        raise beat.missing("monitorID")
    name = monitor.line("name") or f"monitor {sanitize_line(number, 40)}"
    tags = [(tag.raw_text("name"), tag.raw_text("value")) for tag in monitor.objects_at("tags")]
    return Alert(
        source,
        f"monitor {number}",
        is_firing,
        f"{name} is {'down' if is_firing else 'up again'}",
        parse_severity(*(value for _, value in tags), *(name for name, _ in tags), otherwise="critical"),
        beat.text("msg") or payload.text("msg"),
        subject=name,
        labels={"monitor": name}
        | {key: monitor.raw_text(key) for key in ("type", "url", "hostname")}
        | {name: value for name, value in tags if name},
        link=monitor.raw_text("url"),
        occurred_at=beat.time("time"),
        reuses_fingerprint=True,
    )
