"""Oracle Cloud: alarms of its Monitoring, sent by its Notifications."""

import re
from collections.abc import Sequence
from datetime import datetime
from urllib.parse import urlsplit

from ...incidents.alert import Alert
from .payload import (
    MAX_LABELS,
    MAX_LINK,
    JsonObject,
    as_object,
    make_fingerprint,
    parse_severity,
    sanitize_labels,
    subject_of,
)
from .webhook import Alerts, InvalidPayload, WebhookRequest

_RESOLVED_TYPES = ("FIRING_TO_OK", "RESET")
_MAX_LISTED = 10
_MAX_STREAMS = 200
_ORACLE_HOST = re.compile(r"([a-z0-9-]{1,63}\.)+oraclecloud\.com")


def parse(request: WebhookRequest) -> Alerts:
    """What an alarm says. Raises BadPayload."""
    alarm = as_object(request.body)
    kind = alarm.raw_text("type").strip().upper()
    details = alarm.objects_at("alarmMetaData")[:_MAX_LISTED]
    streams = [stream for detail in details for stream in detail.objects_at("dimensions")[:_MAX_STREAMS]]
    marks = _labels_of(details, streams)
    return (
        Alert(
            request.source,
            make_fingerprint(alarm.raw_text("dedupeKey").strip() or alarm.required_text("dedupekey")),
            # A reset says that a metric is not seen any more; what still fires says so by itself.
            kind not in _RESOLVED_TYPES
            or (kind == "RESET" and any(one.raw_text("status") == "FIRING" for one in details)),
            alarm.line("title") or "An Oracle Cloud alarm",
            parse_severity(alarm.raw_text("severity"), *(one.raw_text("severity") for one in details)),
            _text_of(alarm, details, streams),
            subject=subject_of(marks | {"alarm": "", "query": marks.get("query", "").partition("[")[0]}),
            labels=marks,
            link=next((link for one in details if (link := one.link("alarmUrl"))), ""),
            occurred_at=_time_of(alarm),
            reuses_fingerprint=True,
        ),
    )


def confirmation_link(request: WebhookRequest) -> str | None:
    """The address to be asked for once when somebody subscribes us; None for anything else. Raises BadPayload.

    Only an address at Oracle's: whoever else sends this wants us to ask for something.
    """
    if request.headers.get("x-oci-ns-messagetype", "").lower() != "subscriptionconfirmation":
        return None
    address = request.headers.get("x-oci-ns-confirmationurl", "")
    try:
        parts = urlsplit(address)
        fits = parts.scheme == "https" and parts.port in (None, 443) and parts.username is None
        host = parts.hostname or ""
    except ValueError:
        fits, host = False, ""
    plain = address.isascii() and address.isprintable() and " " not in address and "\\" not in address
    if not (fits and plain and len(address) <= MAX_LINK and _ORACLE_HOST.fullmatch(host)):
        raise InvalidPayload("The address for confirming the subscription is not one of https://….oraclecloud.com.")
    return address


def _labels_of(details: Sequence[JsonObject], streams: Sequence[JsonObject]) -> dict[str, str]:
    """The alarm's own, and what all metric streams share."""
    candidates = list(streams[0].entries)[:MAX_LABELS] if streams else []
    names = [name for name in candidates if len({one.raw_text(name) for one in streams}) == 1]
    first = details[0] if details else JsonObject("alarmMetaData", {})
    own = {"alarm": first.raw_text("id"), "namespace": first.raw_text("namespace"), "query": first.raw_text("query")}
    return sanitize_labels(own | {name: streams[0].raw_text(name) for name in names})


def _text_of(alarm: JsonObject, details: Sequence[JsonObject], streams: Sequence[JsonObject]) -> str:
    names = [stream.line("resourceDisplayName", 100) or stream.line("resourceId", 100) for stream in streams]
    names = [name for name in names if name]
    more = f" and {len(names) - _MAX_LISTED} more" if len(names) > _MAX_LISTED else ""
    parts = (
        alarm.text("body"),
        *(one.text("alarmSummary", 1000) for one in details),
        f"Resources: {', '.join(names[:_MAX_LISTED])}{more}" if names else "",
    )
    return "\n".join(part for part in parts if part)


def _time_of(alarm: JsonObject) -> datetime | None:
    return alarm.time("timestamp")
