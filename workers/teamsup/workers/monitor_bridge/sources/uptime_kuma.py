"""Uptime Kuma: its webhook with the body "application/json"."""

import re

from ..alert import Alert
from .fields import MAX_TITLE, Table, as_table, key, labels, one_line, severity
from .request import BadPayload, News, Request

_DAYS = re.compile(r"[0-9]+ days?")
"""Until a certificate ends: another number is news of the same."""
_UP, _PENDING, _MAINTENANCE = 1, 2, 3  # 0 is down


def parse(request: Request) -> News:
    """What a heartbeat of a monitor says. Raises BadPayload."""
    if isinstance(request.body, str):
        raise BadPayload('The payload is no JSON: choose the body "application/json" in Uptime Kuma.')
    payload = as_table(request.body)
    if "heartbeat" not in payload.entries and "msg" not in payload.entries:
        raise BadPayload("Neither heartbeat nor msg is there: this is not Uptime Kuma's webhook.")
    if payload.entries.get("heartbeat") is None:
        return (_notice(request.source, payload),)
    beat, monitor = payload.table("heartbeat"), payload.table("monitor")
    status = beat.number("status")
    if status in (_PENDING, _MAINTENANCE):
        return ()
    return (_state(request.source, payload, beat, monitor, is_firing=status != _UP),)


def _notice(source: str, payload: Table) -> Alert:
    """About no monitor: the test button, or a certificate that ends soon."""
    said = payload.needed("msg")
    is_test = said.endswith(" Testing") or said.lower().startswith("test")
    level = "info" if is_test else "warning"
    return Alert(
        source,
        key("notice", _DAYS.sub("days", said)),
        True,
        one_line(said),
        severity(level),
        payload.text("msg"),
        is_test=is_test,
    )


def _state(source: str, payload: Table, beat: Table, monitor: Table, *, is_firing: bool) -> Alert:
    number = beat.exact("monitorID") or beat.exact("monitor_id") or monitor.exact("id")
    if not number:
        raise BadPayload("heartbeat.monitorID is missing.")
    tags = monitor.tables("tags")
    name = monitor.line("name") or f"monitor {one_line(number, 40)}"
    return Alert(
        source,
        key("monitor", number),
        is_firing,
        one_line(f"{name} is {'down' if is_firing else 'up again'}", MAX_TITLE),
        severity(*(tag.exact("value") for tag in tags), *(tag.exact("name") for tag in tags), otherwise="critical"),
        beat.text("msg") or payload.text("msg"),
        thing=key(name),
        labels=labels(
            {"monitor": name, "type": monitor.exact("type"), "url": monitor.exact("url")}
            | {"hostname": monitor.exact("hostname")}
            | {tag.exact("name"): tag.exact("value") for tag in tags if tag.exact("name")}
        ),
        link=monitor.link("url"),
        at=beat.moment("time"),
        key_returns=True,
    )
